"""A finished search again, out of its journal: the strategy as it was at its end, with all its generations."""

import dataclasses

from scarlet.experiments.front import FrontExperiment
from scarlet.experiments.measurement import MEASURED
from scarlet.strategy.audited import AuditedSearch
from scarlet.strategy.nsga import WeightedSearch
from zoo.population.costs import Costs
from zoo.population.journal import Journal
from zoo.population.manager import Manager
from zoo.training.comparison import Compared, is_compared


def replayed(journal: Journal, costs: Costs) -> WeightedSearch:
    """The search of a journal after its last record; nothing is measured, and nothing written.

    Args:
        journal: of a finished `scarlet search`.
        costs: of its networks, as they were.

    Raises:
        ValueError: for a run of something else, one that is not finished, or one that other costs would have taken
            another way.
    """
    name = journal.identity.get("strategy", {}).get("name", "no strategy")
    if name != FrontExperiment.name:
        raise ValueError(f"the run is of {name!r}, expected one of scarlet search")
    experiment = FrontExperiment.from_identity(journal.identity, {})
    strategy = dataclasses.replace(experiment, costs=costs, measured=MEASURED).strategy()
    assert not isinstance(strategy, Compared)  # without the options of the run there is no comparison
    trials = Manager(strategy, _search_alone(journal)).trials
    if journal.counts()["pending"] or strategy.ask(1, len(trials)):
        raise ValueError("the search is not finished: the same command continues it")
    return strategy.search if isinstance(strategy, AuditedSearch) else strategy


def _search_alone(journal: Journal) -> Journal:
    """The journal, or a copy of it in memory that ends before the comparison which followed the search."""
    trials, records = journal.trials(), journal.records()
    if not any(map(is_compared, trials)):
        return journal
    found = Journal.memory(journal.identity)
    for event in journal.events():
        numbers = [number for number in event.numbers if not is_compared(trials[number])]
        if numbers and event.kind == "ask":
            found.append_ask(event.asked, [trials[number] for number in numbers])
        elif numbers:
            found.append_tell([records[number] for number in numbers])
    return found
