"""What was asked, what was measured, who is running: trials, records, journal, strategies, executors. No torch.

What this package offers is imported when it is asked for: a trial can be read without the journal's libraries.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazily

if TYPE_CHECKING:
    from zoo.population.executor import Executor, SerialExecutor
    from zoo.population.journal import Journal
    from zoo.population.manager import Manager
    from zoo.population.proxy import ProxySetting, acceleration, parse_grid
    from zoo.population.strategy import FixedList, GenotypeSequence, RandomSearch, Strategy
    from zoo.population.trial import Evaluator, Job, Outcome, Record, Trial
    from zoo.population.weights import WeightStore

__all__ = [
    "Evaluator",
    "Executor",
    "FixedList",
    "GenotypeSequence",
    "Job",
    "Journal",
    "Manager",
    "Outcome",
    "ProxySetting",
    "RandomSearch",
    "Record",
    "SerialExecutor",
    "Strategy",
    "Trial",
    "WeightStore",
    "acceleration",
    "parse_grid",
]

__getattr__ = lazily(
    __name__,
    {
        "Evaluator": "trial",
        "Executor": "executor",
        "FixedList": "strategy",
        "GenotypeSequence": "strategy",
        "Job": "trial",
        "Journal": "journal",
        "Manager": "manager",
        "Outcome": "trial",
        "ProxySetting": "proxy",
        "RandomSearch": "strategy",
        "Record": "trial",
        "SerialExecutor": "executor",
        "Strategy": "strategy",
        "Trial": "trial",
        "WeightStore": "weights",
        "acceleration": "proxy",
        "parse_grid": "proxy",
    },
)
