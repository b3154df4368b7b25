"""Training networks on images: one trainer, one evaluator for every search.

What this package offers is imported when it is asked for, so that a recipe can be read without torch.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazily

if TYPE_CHECKING:
    from zoo.training.evaluator import TrainingEvaluator, make_evaluator
    from zoo.training.recipe import Precision, Recipe
    from zoo.training.setup import TrainingSetup
    from zoo.training.trainer import Diverged

__all__ = ["Diverged", "Precision", "Recipe", "TrainingEvaluator", "TrainingSetup", "make_evaluator"]

__getattr__ = lazily(
    __name__,
    {
        "Diverged": "trainer",
        "Precision": "recipe",
        "Recipe": "recipe",
        "TrainingEvaluator": "evaluator",
        "TrainingSetup": "setup",
        "make_evaluator": "evaluator",
    },
)
