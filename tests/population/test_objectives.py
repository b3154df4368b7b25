"""Objectives of installed packages: computed beforehand by a search, and afterwards for a run that lacks them."""

import pickle

import numpy as np
import pytest

from scarlet.strategy.goal import Goal
from scarlet.strategy.nsga import WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from tests.installed import install
from zoo.population import Journal, Record, Trial
from zoo.population.costs import TableCosts
from zoo.population.front import Limit, objectives
from zoo.population.objectives import ADDED_OBJECTIVES, AddedCosts, added_metric, with_added
from zoo.population.run_front import read_front
from zoo.spaces.chain_space import NAS_BENCH_MACRO
from zoo.spaces.genotype import ChainGenotype

HERE = "tests.population.test_objectives"


def depth(genotype, metrics):
    return sum(choice > 0 for choice in genotype.choices)


def energy(genotype, metrics):
    return 2 * metrics["macs"] + depth(genotype, metrics)


def density(genotype, metrics):
    return metrics["accuracy"] / metrics["macs"]


def nothing(genotype, metrics):
    return None


PLACES = {name: f"{HERE}:{name}" for name in ("depth", "energy", "density", "nothing", "absent")} | {
    "macs": f"{HERE}:depth"
}


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    added_metric.cache_clear()
    install(monkeypatch, ADDED_OBJECTIVES, PLACES)
    yield
    added_metric.cache_clear()


@pytest.fixture
def costs():
    """MACs of the Macro space: 1, and 1 more for every choice's number."""
    return TableCosts({"macs": 1.0 + np.indices(NAS_BENCH_MACRO.options).sum(axis=0)})


def test_costs_hold_what_a_search_wants_and_no_more(costs):
    assert with_added(costs, NAS_BENCH_MACRO.name, ["latency"]) is costs
    added = with_added(costs, NAS_BENCH_MACRO.name, ["energy", "energy", "depth"])
    assert isinstance(added, AddedCosts)
    assert added.names == ("macs", "energy", "depth")
    rows = np.array([[0] * 8, [2, 1] + [0] * 6])
    for one in (added, pickle.loads(pickle.dumps(added))):
        found = one(rows)
        assert {name: found[name].tolist() for name in one.names} == {
            "macs": [1, 4],
            "energy": [2, 10],
            "depth": [0, 2],
        }


def test_a_limit_on_an_added_objective_costs_no_evaluation(costs):
    goal = Goal(objectives=objectives(["accuracy"], ["energy"]), weights=(0.5, 0.5), limits=(Limit.parse("depth<=4"),))
    added = with_added(costs, NAS_BENCH_MACRO.name, goal.metrics, ("accuracy",))
    search = WeightedSearch(NAS_BENCH_MACRO, added, goal, SearchParameters(population=6, generations=2), 0)
    asked, number = [], 0
    while batch := search.ask(5, number):
        asked += batch
        number += len(batch)
        search.tell([Record(index=t.index, ok=True, metrics={"accuracy": 1 / (2 + t.index)}) for t in batch])
    assert len(asked) > 12
    assert all(depth(trial.genotype, {}) <= 4 for trial in asked)
    assert {member.losses[1] for member in search.population} <= {
        energy(trial.genotype, {"macs": 1 + sum(trial.genotype.choices)}) for trial in asked
    }


def journal():
    found = Journal.memory({"strategy": {"name": "test"}})
    for i in range(4):
        chain = ChainGenotype(NAS_BENCH_MACRO.name, (i % 3, i // 3) + (0,) * 6)
        found.append_ask(1, [Trial(index=i, genotype=chain, setting=None, start=0, stop=1)])
        found.append_tell([Record(index=i, ok=True, metrics={"accuracy": 0.5 + i / 10, "macs": 10.0 + i})])
    return found


def test_the_front_of_a_run_is_seen_in_objectives_that_were_not_recorded():
    found = read_front(journal(), objectives(["density"], ["depth"]), [Limit.parse("energy<=25")])
    assert [record.metrics["depth"] for record in found.records] == [0, 1, 1, 1]
    assert found.losses[2].tolist() == [-0.7 / 12, 1]
    assert found.allowed.tolist() == [True, True, True, False]
    assert set(found.frame().columns) >= {"density", "depth", "energy"}


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("nothing", "'nothing' of .*:nothing must give a finite number, got None"),
        ("absent", "'absent' of .* cannot be loaded: AttributeError"),
        ("density", "'density' of .* failed: KeyError: 'accuracy'"),
        ("macs", "'macs' of .* has the name of a metric that is here already"),
    ],
)
def test_what_cannot_be_used_is_one_line(costs, metric, message):
    with pytest.raises(ValueError, match=message):
        with_added(costs, NAS_BENCH_MACRO.name, [metric], ("accuracy",))(np.zeros((1, 8), dtype=np.int64))


def test_what_nobody_measures_and_nobody_adds_is_said_as_before():
    with pytest.raises(ValueError, match="the limit latency<=1 is on something that was not measured"):
        read_front(journal(), (), [Limit.parse("latency<=1")])
