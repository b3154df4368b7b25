"""The best of a front beside equal blocks of as many MACs, both trained alone."""

import pytest

import scarlet
from scarlet.experiments.winner import best_ranked
from tests.scarlet.supernets import DIGITS, trained_supernet
from tests.shown import shown
from zoo.experiments import execute
from zoo.experiments.fronts import best_of
from zoo.population.front import Limit
from zoo.population.trial import ALONE
from zoo.spaces import Skeleton
from zoo.spaces.baseline import unsearched
from zoo.spaces.chain_cost import chain_cost
from zoo.training.comparison import is_compared

pytestmark = pytest.mark.usefixtures("without_drawing")


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """The run folder of a supernet of two epochs."""
    return trained_supernet(tmp_path_factory.mktemp("net") / "run")


def wanted(**changes):
    parameters = scarlet.SearchParameters(population=4, generations=1)
    goal = scarlet.Goal(limits=(Limit.parse("macs<=900000"),))
    return scarlet.FrontExperiment(parameters=parameters, group=4, goal=goal, **changes)


def front(net, folder, **changes):
    return execute(wanted(**changes), scarlet.SupernetSource(supernet=net, images=DIGITS), folder)


def test_the_best_is_compared_with_equal_blocks_and_both_are_none_of_the_front(net, tmp_path):
    run = front(net, tmp_path / "run", compare=2)
    with run.journal() as journal:
        trials = journal.trials()
    own = [trial for trial in trials if is_compared(trial)]
    assert len(own) == 2 * 2 * 2  # sides, repeats, epochs of the supernet
    assert {trial.role for trial in own} == {ALONE}
    found = run.front()
    assert not {trial.index for trial in own} & {trial.index for trial in found.trials}
    best = found.trials[int(best_of(found, "loss")[0])]
    assert own[0].genotype == best.genotype
    assert own[-1].genotype == unsearched(best.genotype)[1]
    summary = run.report().summary["comparison"]
    assert summary["baseline"]["name"] == "MobileNetV2's blocks (3-3)"
    wide = Skeleton(channels=summary["baseline"]["channels"], cells=8, resolution=16, in_channels=1)
    assert summary["baseline"]["macs"] == chain_cost(own[-1].genotype, wide).macs
    assert 0.6 < summary["baseline"]["macs"] / summary["winner"]["macs"] < 1.6  # few channels come in large steps
    assert "The network with the least validation loss within the limits is" in run.report().page
    plain = front(net, tmp_path / "plain", compare=0)
    assert plain.identity == run.identity
    assert "is not known: the same command with --compare 3" in shown(plain.report().page)
    assert "at most 900 k" in shown(plain.report().page)


def test_the_best_ranked_keeps_the_limits(net, tmp_path):
    run = front(net, tmp_path / "run")
    with run.journal() as journal:
        trials, records = journal.trials(), journal.records()
    measured = {trial.index: (trial, records[trial.index]) for trial in trials}
    goal = scarlet.Goal(limits=(Limit.parse("macs<=1"),))
    assert best_ranked(goal, measured) is None
    assert best_ranked(wanted().goal, measured) is not None


def test_a_table_has_nothing_to_compare(table, tmp_path):
    with pytest.raises(ValueError, match="a comparison trains networks on images in memory"):
        execute(wanted(compare=3), scarlet.TableSource(table=table), tmp_path / "run")
    assert not (tmp_path / "run").exists()
