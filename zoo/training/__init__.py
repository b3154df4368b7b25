"""Training networks on images: one trainer, one evaluator for every search.

What this package offers is imported when it is asked for, so that a recipe can be read without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.training.evaluator import TrainingEvaluator, make_evaluator
    from zoo.training.recipe import Precision, Recipe
    from zoo.training.setup import TrainingSetup
    from zoo.training.trainer import Diverged

__all__ = ["Diverged", "Precision", "Recipe", "TrainingEvaluator", "TrainingSetup", "make_evaluator"]

_PLACES = {
    "Diverged": "trainer",
    "Precision": "recipe",
    "Recipe": "recipe",
    "TrainingEvaluator": "evaluator",
    "TrainingSetup": "setup",
    "make_evaluator": "evaluator",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
