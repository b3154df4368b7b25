"""What is searched in a simulation: small runs of several strategies, and a training that takes microseconds."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import numpy as np

from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters
from econas.strategy.surrogate_search import SurrogateSearch
from scarlet.strategy.goal import Goal
from scarlet.strategy.nsga import WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from scarlet.strategy.surrogate_front import SurrogateFront
from zoo.population.costs import ClosedFormCosts
from zoo.population.front import Limit, objectives
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import RandomSearch, Strategy
from zoo.population.trial import Job, Outcome, Record
from zoo.reliability.study import Study
from zoo.spaces import DARTS, ECONAS_SEARCH, ECONAS_ZOO
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.chain_space import NAS_BENCH_MACRO
from zoo.surrogates import surrogate
from zoo.surrogates.model import Array, Predict
from zoo.training.retraining import Retraining

WEIGHT_BYTES = 300
RARE = 0.15
"""Weight of a search for a front, which takes ten times as long as the others to begin."""
PAID = 1.0
"""Epochs of every trial: a digest holds what was paid, and a chain with damaged weights pays more."""
FULL = ProxySetting.parse("c0r0s0e3")
GRID = [ProxySetting.parse(text) for text in ("c4r4s0e1", "c2r0s1e2")]
SEARCH = Parameters(
    start=6, parents=(2, 1, 1), promotions=(2, 1), stages=(1, 2, 3), ageing=2, cycles=3,
    setting=ProxySetting.parse("c4r4s0e3"), final=FULL, finalists=2, final_every=1,
)  # fmt: skip
GUIDED = replace(SEARCH, cycles=50, budget=30.0, surrogate="gp", final_every=None)


@dataclass(frozen=True)
class Search:
    """A strategy on demand, which asks the same whoever is told first, trials a batch, and how often it is drawn."""

    name: str
    make: Callable[[], Strategy]
    batch: int = 1
    weight: float = 1.0


def _front(kind: type[WeightedSearch], **changes: Any) -> WeightedSearch:
    goal = Goal(
        objectives=objectives(["accuracy"], ["macs"]),
        weights=(0.6, 0.4),
        limits=(Limit.parse("macs<=60e6"), Limit.parse("accuracy>=0.3")),
    )
    costs = ClosedFormCosts(ChainCosts(CHAINS["nas-bench-macro"], 32, 10))
    return kind(NAS_BENCH_MACRO, costs, goal, SearchParameters(population=4, rounds=3, **changes), seed=1)


def _networks(count: int) -> list[Any]:
    return [DARTS.sample(np.random.default_rng(i)) for i in range(count)]


SEARCHES = (
    Search("chain", lambda: Retraining(_networks(1), ProxySetting.parse("c0r0s0e8"))),
    Search("chains", lambda: Retraining(_networks(4), ProxySetting.parse("c0r0s0e4")), 2),
    Search("zoo", lambda: RandomSearch(DARTS, FULL, 12, seed=3), 2),
    Search("study", lambda: Study(ECONAS_ZOO, GRID, FULL, repeats=2, growth=[5], batch=2), 2),
    Search("econas", lambda: HierarchicalSearch(ECONAS_SEARCH, SEARCH, seed=0)),
    Search("econas, in batches", lambda: HierarchicalSearch(ECONAS_SEARCH, SEARCH, seed=1), 3),
    Search("econas with a surrogate", lambda: SurrogateSearch(ECONAS_SEARCH, GUIDED, seed=0), 2, weight=0.3),
    Search("front", lambda: _front(WeightedSearch, generations=1), 2, weight=RARE),
    Search("front with a surrogate", lambda: _front(SurrogateFront, evaluations=16, surrogate="gp"), 2, weight=RARE),
)


@dataclass
class Training:
    """An evaluator: every epoch hashes the state before it, and the weights are that state.

    Every ninth trial fails. Its seconds are those of a table's look-up, or of a training.

    Attributes:
        told: trials that somebody was told of, by record.
        twice: trials trained although they were told.
        again: trials whose chain was trained again for want of weights.
    """

    told: dict[int, dict[str, Any]] = field(default_factory=dict)
    twice: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    moment: Callable[[], None] = lambda: None

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome a job."""
        self.moment()
        self.twice += [job.trial.index for job in jobs if job.trial.index in self.told]
        return [self._trained(job) for job in jobs]

    def _trained(self, job: Job) -> Outcome:
        trial = job.trial
        state, start = f"root {job.root} {trial.setting}", 0
        if job.checkpoint is not None:
            state, start = job.checkpoint[:64].decode(), trial.start
        elif trial.start:
            self.again.append(trial.index)
        for epoch in range(start, trial.stop):
            state = hashlib.sha256(f"{state} {epoch}".encode()).hexdigest()
        told: dict[str, Any] = {"index": trial.index, "seconds": 0.001 if trial.index % 3 else 5.0, "epochs_paid": PAID}
        if trial.index % 9 == 8:
            return Record(ok=False, reason="diverged", **told), None
        accuracy = int(hashlib.sha256(f"{state} {trial.genotype.key}".encode()).hexdigest()[:8], 16) / 16**8
        record = Record(ok=True, metrics={"accuracy": accuracy}, **told)
        return record, state.encode().ljust(WEIGHT_BYTES) if trial.keep else None


def least_squares(features: Array, quality: Array, _seed: int) -> Predict:
    """A surrogate that is fitted in a moment."""
    table = np.column_stack([features, np.ones(len(features))])
    found = np.linalg.solve(table.T @ table + 0.1 * np.eye(table.shape[1]), table.T @ quality)
    return lambda wanted: (np.column_stack([wanted, np.ones(len(wanted))]) @ found, np.full(len(wanted), 0.1))


@contextmanager
def quick_models() -> Iterator[None]:
    """Surrogates that are fitted in a moment, and choose from few networks."""
    with (
        mock.patch.dict(surrogate.MODELS, {"gp": least_squares}),
        mock.patch("econas.strategy.buyer.POOL", 12),
    ):
        yield
