"""Differentiable search: mixed operations, mixed-level optimisation (MiLeNAS), stretchable topology, derivation.

What this package offers is imported when it is asked for: a setup can be read without torch.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazily

if TYPE_CHECKING:
    from milenas.experiment import DifferentiableExperiment
    from milenas.strategy.search import Derived, SupernetSearch
    from milenas.supernet.config import DARTS_OPERATIONS, SupernetConfig, paper_config
    from milenas.supernet.supernet import Supernet, build_supernet
    from milenas.training.evaluator import SearchEvaluator
    from milenas.training.rules import UPDATES, Update
    from milenas.training.setup import SEARCH_RECIPE, Method, SearchSetup

__all__ = [
    "DARTS_OPERATIONS",
    "SEARCH_RECIPE",
    "UPDATES",
    "Derived",
    "DifferentiableExperiment",
    "Method",
    "SearchEvaluator",
    "SearchSetup",
    "Supernet",
    "SupernetConfig",
    "SupernetSearch",
    "Update",
    "build_supernet",
    "paper_config",
]

__getattr__ = lazily(
    __name__,
    {
        "DARTS_OPERATIONS": "supernet.config",
        "SEARCH_RECIPE": "training.setup",
        "UPDATES": "training.rules",
        "Derived": "strategy.search",
        "DifferentiableExperiment": "experiment",
        "Method": "training.setup",
        "SearchEvaluator": "training.evaluator",
        "SearchSetup": "training.setup",
        "Supernet": "supernet.supernet",
        "SupernetConfig": "supernet.config",
        "SupernetSearch": "strategy.search",
        "Update": "training.rules",
        "build_supernet": "supernet.supernet",
        "paper_config": "supernet.config",
    },
)
