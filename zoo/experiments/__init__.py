"""What a run is: the experiment, its execution, and the run to look at."""

from zoo.experiments.execution import execute, resume
from zoo.experiments.experiment import EXPERIMENTS, Experiment, experiment_kind
from zoo.experiments.progress import Bar, Listener, Progress
from zoo.experiments.report import Report
from zoo.experiments.resources import Resources
from zoo.experiments.run import Run
from zoo.experiments.source import HeldSource, ImageSource, Source
from zoo.experiments.table_source import TableSource

__all__ = [
    "EXPERIMENTS",
    "Bar",
    "Experiment",
    "HeldSource",
    "ImageSource",
    "Listener",
    "Progress",
    "Report",
    "Resources",
    "Run",
    "Source",
    "TableSource",
    "execute",
    "experiment_kind",
    "resume",
]
