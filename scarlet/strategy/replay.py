"""A finished search again, out of its journal: the strategy as it was at its end, with all its generations."""

from scarlet.strategy.nsga import Goal, WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from scarlet.strategy.source import MEASURED
from zoo.population.costs import Costs
from zoo.population.front import Limit, Objective
from zoo.population.journal import Journal
from zoo.population.manager import Manager
from zoo.spaces.chain_space import CHAIN_SPACES


def replayed(journal: Journal, costs: Costs) -> WeightedSearch:
    """The search of a journal after its last record; nothing is measured, and nothing written.

    Args:
        journal: of a finished `scarlet search`.
        costs: of its networks, as they were.

    Raises:
        ValueError: for a run of something else, one that is not finished, or one that other costs would have taken
            another way.
    """
    asked = journal.identity.get("strategy", {})
    if asked.get("name") != "scarlet":
        raise ValueError(f"the run is of {asked.get('name', 'no strategy')!r}, expected one of scarlet search")
    goal = Goal(
        objectives=tuple(map(Objective.parse, asked["objectives"])),
        weights=tuple(asked["weights"]),
        limits=tuple(map(Limit.parse, asked["limits"])),
    )
    parameters = SearchParameters(**asked["parameters"])
    search = WeightedSearch(CHAIN_SPACES[asked["space"]], costs, goal, parameters, asked["seed"], MEASURED)
    trials = Manager(search, journal).trials
    if journal.counts()["pending"] or search.ask(1, len(trials)):
        raise ValueError("the search is not finished: the same command continues it")
    return search
