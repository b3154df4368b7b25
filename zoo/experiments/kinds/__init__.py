"""The kinds of runs that need no search: a study, a zoo, a training; and what searches of other packages build on."""

from zoo.experiments.kinds.on_images import OnImages
from zoo.experiments.kinds.study import StudyExperiment
from zoo.experiments.kinds.trained import best_trial, keep_trained
from zoo.experiments.kinds.training import TrainingExperiment
from zoo.experiments.kinds.zoo import ZooExperiment

__all__ = ["OnImages", "StudyExperiment", "TrainingExperiment", "ZooExperiment", "best_trial", "keep_trained"]
