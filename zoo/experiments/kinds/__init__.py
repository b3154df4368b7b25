"""The kinds of runs that need no search: a study, a zoo, a training."""

from zoo.experiments.kinds.study import StudyExperiment
from zoo.experiments.kinds.training import TrainingExperiment
from zoo.experiments.kinds.zoo import ZooExperiment

__all__ = ["StudyExperiment", "TrainingExperiment", "ZooExperiment"]
