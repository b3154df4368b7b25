"""SCARLET (Chu et al., arXiv 1908.06022): a scalable supernet, its training, and searches on inherited weights.

What this package offers is imported when it is asked for: strategies and setups need no torch.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazily

if TYPE_CHECKING:
    from scarlet.evaluation.setup import SubnetSetup
    from scarlet.experiments.front import FrontExperiment
    from scarlet.experiments.sources import SupernetSource, TableSource, supernet_images
    from scarlet.experiments.supernet import SupernetExperiment
    from scarlet.strategy.audited import Audit
    from scarlet.strategy.goal import Goal, read_goal
    from scarlet.strategy.nsga import WeightedSearch
    from scarlet.strategy.parameters import SearchParameters
    from scarlet.supernet.file import TrainedSupernet, load_supernet
    from scarlet.supernet.form import SupernetForm
    from scarlet.supernet.recipe import RECIPE
    from scarlet.supernet.rules import SamplingRule
    from scarlet.supernet.setup import SupernetSetup

__all__ = [
    "RECIPE",
    "Audit",
    "FrontExperiment",
    "Goal",
    "SamplingRule",
    "SearchParameters",
    "SubnetSetup",
    "SupernetExperiment",
    "SupernetForm",
    "SupernetSetup",
    "SupernetSource",
    "TableSource",
    "TrainedSupernet",
    "WeightedSearch",
    "load_supernet",
    "read_goal",
    "supernet_images",
]

__getattr__ = lazily(
    __name__,
    {
        "RECIPE": "supernet.recipe",
        "Audit": "strategy.audited",
        "FrontExperiment": "experiments.front",
        "Goal": "strategy.goal",
        "SamplingRule": "supernet.rules",
        "SearchParameters": "strategy.parameters",
        "SubnetSetup": "evaluation.setup",
        "SupernetExperiment": "experiments.supernet",
        "SupernetForm": "supernet.form",
        "SupernetSetup": "supernet.setup",
        "SupernetSource": "experiments.sources",
        "TableSource": "experiments.sources",
        "TrainedSupernet": "supernet.file",
        "WeightedSearch": "strategy.nsga",
        "load_supernet": "supernet.file",
        "read_goal": "strategy.goal",
        "supernet_images": "experiments.sources",
    },
)
