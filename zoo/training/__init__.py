"""Training networks on images: one trainer, one evaluator for every search."""

from zoo.training.evaluator import TrainingEvaluator, TrainingSetup, make_evaluator
from zoo.training.trainer import Diverged, Precision, Recipe

__all__ = ["Diverged", "Precision", "Recipe", "TrainingEvaluator", "TrainingSetup", "make_evaluator"]
