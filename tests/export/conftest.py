"""A small trained-looking model and a small run of a search with several objectives."""

import numpy as np
import pytest
import torch

from scarlet.strategy.goal import Goal
from scarlet.strategy.nsga import WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from zoo.export import Model
from zoo.networks.network import build_any
from zoo.population import Journal, Manager, Record, SerialExecutor
from zoo.population.costs import ClosedFormCosts, CostedEvaluator
from zoo.population.front import Limit, objectives
from zoo.population.run_front import identity_of
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.chain_space import NAS_BENCH_MACRO
from zoo.spaces.genotype import ChainGenotype
from zoo.spaces.skeleton import Skeleton

PRICES = ClosedFormCosts(ChainCosts(CHAINS["nas-bench-macro"], 32, 10))


def model_of(genotype):
    """The network of a genotype with random weights and used batch statistics, so that its logits are not all alike."""
    skeleton = Skeleton(channels=4, cells=3, resolution=8, in_channels=3, classes=4)
    generator = torch.Generator().manual_seed(1)
    network = build_any(genotype, skeleton, generator)
    network.train()
    for _ in range(3):
        network(torch.randn(16, 3, 8, 8, generator=generator) * 2)
    with torch.no_grad():
        network.classifier.weight.mul_(30)
    return Model(
        network=network.eval(),
        genotype=genotype,
        skeleton=skeleton,
        classes=("cat", "dog", "newt", "Ünze [1]"),
        mean=(0.5, 0.25, 0.125),
        std=(0.1, 0.2, 0.3),
        notes={"accuracy": 0.5},
    )


def measure(jobs):
    """Accuracy of a chain: larger blocks are better; every tenth network fails."""

    def record(trial):
        if trial.index % 10 == 3:
            return Record(index=trial.index, ok=False, reason="lost")
        chosen = np.array(trial.genotype.choices)
        return Record(index=trial.index, ok=True, metrics={"accuracy": float(chosen @ (1 + np.arange(8)) / 80)})

    return [(record(job.trial), None) for job in jobs]


def searched(journal_of, limits=()):
    """A finished search; ``journal_of`` makes its journal from its identity."""
    wanted, kept = objectives(["accuracy"], ["macs"]), tuple(map(Limit.parse, limits))
    goal = Goal(objectives=wanted, weights=(0.5, 0.5), limits=kept)
    numbers = SearchParameters(population=10, generations=3)
    journal = journal_of({"strategy": {"name": "search of a test", **identity_of(wanted, kept)}})
    strategy = WeightedSearch(NAS_BENCH_MACRO, PRICES, goal, numbers, seed=0)
    assert Manager(strategy, journal, batch=5).run(SerialExecutor(CostedEvaluator(measure, PRICES)))
    return journal


@pytest.fixture(scope="session")
def make_model():
    return model_of


@pytest.fixture(scope="session")
def chain():
    return ChainGenotype("nas-bench-macro", (1, 0, 2, 0, 1, 1, 0, 0))


@pytest.fixture
def journal():
    return searched(Journal.memory)


@pytest.fixture
def limited():
    return searched(Journal.memory, ["accuracy>=0.3"])
