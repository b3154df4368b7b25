"""What was asked, what was measured, who is running: trials, records, journal, strategies, executors. No torch."""

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
