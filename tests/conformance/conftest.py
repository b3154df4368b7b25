"""Every plug-in there is, one line each: what is listed here goes through the whole suite of its kind."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from econas.strategy.audit import Auditing, Step
from econas.strategy.baselines import evolution_then_retrain, random_then_retrain
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters
from econas.strategy.surrogate_search import SurrogateSearch
from milenas.strategy.search import SupernetSearch
from milenas.supernet.config import SupernetConfig
from scarlet.strategy.goal import Goal
from scarlet.strategy.nsga import WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from scarlet.strategy.surrogate_front import SurrogateFront
from zoo.population import Executor, FixedList, ProxySetting, RandomSearch, SerialExecutor, Strategy, Trial
from zoo.population.chain_problem import Terms
from zoo.population.costs import ClosedFormCosts
from zoo.population.front import Limit, objectives
from zoo.population.pymoo_algorithm import algorithm
from zoo.population.pymoo_search import PymooSearch
from zoo.reliability.study import Study
from zoo.spaces import CELL_SPACES, DARTS, ECONAS_SEARCH, ECONAS_ZOO, CellSpace
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.chain_space import NAS_BENCH_MACRO, ChainSpace
from zoo.training.retraining import Retraining

FULL = ProxySetting.parse("c0r0s0e3")
SMALL = Parameters(
    start=6,
    parents=(2, 1, 1),
    promotions=(2, 1),
    stages=(1, 2, 3),
    ageing=2,
    cycles=4,
    setting=ProxySetting.parse("c4r4s0e3"),
    final=FULL,
    finalists=2,
)
GUIDED = replace(SMALL, cycles=2, surrogate="gp")  # a Gaussian process, since a forest takes its time
AUDITED = replace(
    SMALL,
    audit=Auditing(
        mode="escalate",
        cycles=(1, 3),
        ladder=(Step(ProxySetting.parse("c3r3s0e3"), 1.5), Step(ProxySetting.parse("c2r2s0e3"), 2.0)),
        networks=6,
        limit=0.95,  # the suite's random accuracies do not correlate
        share=0.7,
    ),
)
GRID = [ProxySetting.parse(text) for text in ("c4r4s0e1", "c2r0s1e2")]


def stages(count: int) -> FixedList:
    """Networks at two settings, every second one trained in three stages."""
    rng = np.random.default_rng(0)
    genotypes = [DARTS.sample(rng) for _ in range(count)]
    first = [
        Trial(index=i, genotype=g, setting=FULL, start=0, stop=1 + 2 * (i % 2), keep=i % 2 == 0)
        for i, g in enumerate(genotypes)
    ]
    trials = sorted(first, key=lambda trial: trial.stop)
    trials = [Trial(**{**_fields(trial), "index": i}) for i, trial in enumerate(trials)]
    for start in (1, 2):
        sources = [trial for trial in trials if trial.stop == start]
        trials += [
            Trial(
                **{**_fields(t), "index": len(trials) + i, "start": start, "stop": start + 1, "resumes": t.index},
            )
            for i, t in enumerate(sources)
        ]
    return FixedList(trials)


def weighted_search(kind: type[WeightedSearch] = WeightedSearch, **changes: Any) -> WeightedSearch:
    """A few generations with a limit on what is known before evaluation, and one on what is not."""
    goal = Goal(
        objectives=objectives(["accuracy"], ["macs"]),
        weights=(0.6, 0.4),
        limits=(Limit.parse("macs<=60e6"), Limit.parse("accuracy>=0.3")),
    )
    costs = ClosedFormCosts(ChainCosts(CHAINS["nas-bench-macro"], 32, 10))
    numbers = SearchParameters(population=5, generations=4, rounds=3, **changes)
    return kind(NAS_BENCH_MACRO, costs, goal, numbers, seed=1)


def pymoo_search() -> PymooSearch:
    """A few generations of NSGA-II with a limit of either kind."""
    terms = Terms(
        space=NAS_BENCH_MACRO,
        costs=ClosedFormCosts(ChainCosts(CHAINS["nas-bench-macro"], 32, 10)),
        objectives=objectives(["accuracy"], ["macs"]),
        limits=(Limit.parse("macs<=60e6"), Limit.parse("accuracy>=0.3")),
    )
    return PymooSearch(terms, algorithm("NSGA2", 6), 20, seed=1)


def _fields(trial: Trial) -> dict[str, Any]:
    return {name: getattr(trial, name) for name in trial.__slots__}


class OneSupernet:
    """The space of a single supernet."""

    def contains(self, genotype: object) -> bool:
        return genotype == SupernetConfig().genotype()


@dataclass(frozen=True)
class StrategyCase:
    """A fresh strategy on demand, the space it draws from, and whether it asks the same whoever is told first."""

    name: str
    make: Callable[[], Strategy]
    space: CellSpace | ChainSpace | OneSupernet
    punctual: bool = True


SPACES: list[CellSpace] = list(CELL_SPACES.values())

STRATEGIES = [
    StrategyCase("fixed list", lambda: stages(7), DARTS),
    StrategyCase("random search", lambda: RandomSearch(DARTS, FULL, 11, seed=3), DARTS),
    StrategyCase("random search, no weights", lambda: RandomSearch(ECONAS_SEARCH, GRID[0], 5, 0, False), ECONAS_SEARCH),
    StrategyCase("study", lambda: Study(ECONAS_ZOO, GRID, FULL, repeats=2, growth=[5], batch=2), ECONAS_ZOO),
    StrategyCase("econas", lambda: HierarchicalSearch(ECONAS_SEARCH, SMALL, seed=0), ECONAS_SEARCH),
    StrategyCase(
        "econas, guided to a budget",
        lambda: SurrogateSearch(ECONAS_SEARCH, replace(GUIDED, cycles=100, budget=36.0), seed=0),
        ECONAS_SEARCH,
    ),
    StrategyCase(
        "econas, guided and asynchronous",
        lambda: SurrogateSearch(ECONAS_SEARCH, replace(GUIDED, asynchronous=True), seed=0),
        ECONAS_SEARCH,
        punctual=False,
    ),
    StrategyCase("econas, escalating", lambda: HierarchicalSearch(ECONAS_SEARCH, AUDITED, seed=0), ECONAS_SEARCH),
    StrategyCase(
        "retraining", lambda: Retraining([DARTS.sample(np.random.default_rng(i)) for i in range(4)], FULL), DARTS
    ),
    StrategyCase(
        "retraining by two epochs",
        lambda: Retraining([DARTS.sample(np.random.default_rng(i)) for i in range(3)], FULL, every=2),
        DARTS,
    ),
    StrategyCase(
        "random, retrained", lambda: random_then_retrain(ECONAS_SEARCH, replace(SMALL, budget=60.0), 0), ECONAS_SEARCH
    ),
    StrategyCase("supernet search", lambda: SupernetSearch(SupernetConfig(), 3, per_epoch=4), OneSupernet()),
    StrategyCase("scarlet", weighted_search, NAS_BENCH_MACRO),
    StrategyCase(
        "scarlet with a surrogate",
        lambda: weighted_search(SurrogateFront, evaluations=18, surrogate="gp"),
        NAS_BENCH_MACRO,
    ),
    StrategyCase("an algorithm of pymoo", pymoo_search, NAS_BENCH_MACRO),
    StrategyCase("grown study", lambda: Study(DARTS, GRID, FULL, repeats=1, growth=[2, 5], batch=3, seed=1), DARTS),
    StrategyCase(
        "econas, asynchronous",
        lambda: HierarchicalSearch(ECONAS_SEARCH, replace(AUDITED, asynchronous=True), seed=0),
        ECONAS_SEARCH,
        punctual=False,
    ),
    StrategyCase(
        "evolution, retrained",
        lambda: evolution_then_retrain(DARTS, replace(SMALL, budget=60.0), 0, population=4, sample=2),
        DARTS,
        punctual=False,
    ),
]


def ray_executor(factory: Any, payload: Any) -> Executor:
    from zoo.population.ray_executor import RayExecutor

    return RayExecutor(factory, payload, workers=2)


EXECUTORS: dict[str, Callable[[Any, Any], Executor]] = {
    "serial": lambda factory, payload: SerialExecutor(factory(payload)),
    "ray": ray_executor,
}

IN_RAY = {"ray"}  # those that need a Ray instance, which all of them share


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    punctual = [case for case in STRATEGIES if case.punctual]
    for name, values, ids in (
        ("space", SPACES, [space.name for space in SPACES]),
        ("strategy", STRATEGIES, [case.name for case in STRATEGIES]),
        ("punctual", punctual, [case.name for case in punctual]),
        ("executor_name", EXECUTORS, list(EXECUTORS)),
    ):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, list(values), ids=ids, scope="module")


@pytest.fixture(scope="module")
def start(executor_name, request):
    """Makes an executor of one kind from a factory and a payload."""
    if executor_name in IN_RAY:
        request.getfixturevalue("local_ray")
    return EXECUTORS[executor_name]


@pytest.fixture
def batches():
    """Asks a strategy until it has nothing more to say without being told something."""

    def ask(strategy, n, first=0):
        found = []
        while trials := strategy.ask(n, first + sum(map(len, found))):
            found.append(trials)
        return found

    return ask


@pytest.fixture
def flat():
    return lambda lists: list(itertools.chain(*lists))


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch):
    """What a surrogate chooses from: the suite asks for thousands of rounds."""
    monkeypatch.setattr("econas.strategy.buyer.POOL", 12)
