import numpy as np
import pytest

from zoo.experiments.fronts import best_of
from zoo.population import Journal, ProxySetting, Record, Trial
from zoo.population.front import Limit, Objective, hypervolume, objectives
from zoo.population.judged import Judged
from zoo.population.run_front import has_front, identity_of, read_front
from zoo.spaces.genotype import ChainGenotype, SpaceGenotype


def chain(number):
    return ChainGenotype("nas-bench-macro", tuple(int(digit) for digit in np.base_repr(number, 3).zfill(8)))


def journal(points, *, identity=None, generations=None, setting=None, stop=1):
    """A journal of networks whose (accuracy, macs) are given; None is a failure."""
    made = Journal.memory({"strategy": {"name": "test", **(identity or {})}})
    for i, point in enumerate(points):
        tags = {"generation": generations[i]} if generations else {}
        made.append_ask(1, [Trial(index=i, genotype=chain(i), setting=setting, start=0, stop=stop, tags=tags)])
        metrics = {} if point is None else dict(zip(("accuracy", "macs"), point, strict=True))
        made.append_tell([Record(index=i, ok=point is not None, reason="" if point else "lost", metrics=metrics)])
    return made


POINTS = [(0.1, 1.0), (0.5, 2.0), None, (0.4, 3.0), (0.9, 4.0), (0.5, 2.5)]


def test_the_front_of_a_run_in_its_own_objectives():
    wanted = objectives(["accuracy"], ["macs"])
    run = journal(POINTS, identity=identity_of(wanted, [Limit.parse("accuracy>=0.2")]))
    assert has_front(run.identity)
    found = read_front(run)
    assert found.objectives == wanted
    assert [found.trials[row].index for row in found.front] == [1, 4]  # trial 0 is cheapest, but below the limit
    assert found.allowed.tolist() == [False, True, True, True, True]
    frame = found.frame()
    assert frame[frame["front"]]["trial"].tolist() == [1, 4]
    assert frame["accuracy"].tolist() == [0.1, 0.5, 0.4, 0.9, 0.5]


def test_other_objectives_and_limits_may_be_asked_for():
    run = journal(POINTS)
    assert not has_front(run.identity)
    assert [found.trials[row].index for found in [read_front(run)] for row in found.front] == [0, 1, 4]
    found = read_front(run, objectives([], ["accuracy"]), [Limit.parse("macs>=2")])
    assert [found.trials[row].index for row in found.front] == [3]


def test_the_hypervolume_grows_by_generations():
    found = read_front(journal(POINTS, generations=[0, 0, 0, 1, 1, 2]))
    growth = found.growth()
    assert growth["generation"].tolist() == [0, 1, 2]
    assert growth["evaluations"].tolist() == [2, 4, 5]
    best, worst = found.corners
    assert growth["hypervolume"].iloc[-1] == hypervolume(found.losses, best, worst)
    assert growth["hypervolume"].is_monotonic_increasing
    assert growth["front"].tolist() == [2, 3, 3]


def test_a_run_without_generations_counts_in_tenths():
    growth = read_front(journal(POINTS)).growth()
    assert growth["evaluations"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_only_the_longest_training_at_the_least_reduced_setting_counts():
    run = journal(POINTS[:2], setting=ProxySetting.parse("c4r4s0e3"), stop=3)
    for index, (setting, start, stop) in enumerate([("c0r0s0e5", 0, 2), ("c0r0s0e5", 0, 5)], start=2):
        trial = Trial(index=index, genotype=chain(index), setting=ProxySetting.parse(setting), start=start, stop=stop)
        run.append_ask(1, [trial])
        run.append_tell([Record(index=index, ok=True, metrics={"accuracy": 0.2, "macs": 9.0})])
    assert [trial.index for trial in read_front(run).trials] == [3]


def test_networks_trained_as_a_given_trial_count_instead():
    run = journal(POINTS[:2], setting=ProxySetting.parse("c4r4s0e3"), stop=3)
    longer = Trial(index=2, genotype=chain(2), setting=ProxySetting.parse("c0r0s0e5"), start=0, stop=5)
    run.append_ask(1, [longer])
    run.append_tell([Record(index=2, ok=True, metrics={"accuracy": 0.2, "macs": 9.0})])
    assert [trial.index for trial in read_front(run).trials] == [2]
    assert [trial.index for trial in read_front(run, like=1).trials] == [0, 1]


def test_a_supernet_is_no_network():
    run = journal(POINTS[:1])
    supernet = Trial(index=1, genotype=SpaceGenotype("darts-supernet"), setting=None, start=0, stop=9, role="supernet")
    run.append_ask(1, [supernet])
    run.append_tell([Record(index=1, ok=True, metrics={"accuracy": 0.9, "macs": 9.0})])
    assert [trial.index for trial in read_front(run).trials] == [0]


def test_a_run_of_a_supernet_alone_says_what_comes_next():
    run = journal([])
    run.append_ask(1, [Trial(index=0, genotype=SpaceGenotype("darts-supernet"), setting=None, start=0, stop=9)])
    run.append_tell([Record(index=0, ok=True, metrics={"accuracy": 0.5})])
    with pytest.raises(ValueError, match="trained a supernet and no network: "):
        read_front(run)


def test_a_network_that_was_measured_twice_counts_once():
    run = journal([(0.1, 1.0)])
    run.append_ask(1, [Trial(index=1, genotype=chain(0), setting=None, start=0, stop=1)])
    run.append_tell([Record(index=1, ok=True, metrics={"accuracy": 0.7, "macs": 1.0})])
    assert [trial.index for trial in read_front(run).trials] == [0]


@pytest.mark.parametrize(
    ("points", "wanted", "limits", "message"),
    [
        ([None], (), (), "the run has measured no network completely yet"),
        ([], (), (), "the run has measured no network completely yet"),
        (POINTS, (Objective("latency", False),), (), "the objective 'latency' was not measured"),
        (POINTS, (), (Limit.parse("latency<=1"),), "the limit latency<=1 is on something that was not measured"),
        (POINTS, (), (Limit.parse("macs<=0"),), "none of 5 networks keeps macs<=0: the nearest has macs"),
    ],
)
def test_what_cannot_be_a_front_is_refused(points, wanted, limits, message):
    with pytest.raises(ValueError, match=message):
        read_front(journal(points), wanted, limits)


@pytest.mark.parametrize("first", ["accuracy", "loss"])
def test_whoever_names_the_best_names_the_same_trial_where_several_are_equal(first):
    """``run status`` reads it from the rows of the journal, ``run export --best`` from the front."""
    rng, wanted = np.random.default_rng(0), objectives(["accuracy"] if first == "accuracy" else [], ["loss", "macs"])
    ways, tied = [one for one in wanted if one.metric == first] + [one for one in wanted if one.metric != first], 0
    for _ in range(30):
        made = Journal.memory({"strategy": {"name": "test", **identity_of(ways, [Limit.parse("macs<=2")])}})
        for i in range(8):
            made.append_ask(1, [Trial(index=i, genotype=chain(i), setting=None, start=0, stop=1)])
            metrics = {name: float(rng.integers(3)) for name in ("accuracy", "loss", "macs")}
            made.append_tell([Record(index=i, ok=True, metrics=metrics | {"macs": 2.0 * metrics["macs"]})])
        try:
            found = read_front(made)
        except ValueError:  # nothing keeps the limit
            continue
        row = int(best_of(found, first)[0])
        number, value, accuracy = made.best(Judged.of(made.identity), apart="alone")
        metrics = found.records[row].metrics
        assert (number, value, accuracy) == (found.trials[row].index, metrics[first], metrics["accuracy"])
        assert row in found.front
        tied += sum(one.metrics[first] == value for one in found.records) > 1
    assert tied > 10
