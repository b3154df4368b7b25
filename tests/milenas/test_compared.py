"""A comparison at the end of a differentiable search: its best retrained network beside published cells."""

import dataclasses

import pytest
from rich.console import Console

from milenas.experiment import DifferentiableExperiment
from milenas.strategy.size import final_skeleton
from tests.milenas.conftest import noise_images, small_setup
from zoo.experiments import HeldSource, execute
from zoo.experiments.kinds.compared import read_comparison
from zoo.spaces.cost import Cost, cost
from zoo.spaces.literature import PUBLISHED
from zoo.training import timing
from zoo.training.comparison import is_compared

pytestmark = pytest.mark.usefixtures("without_drawing")
SOURCE = HeldSource(material=noise_images(train=60, validation=20))
SETUP = small_setup(topology="stretchable", retrain_epochs=1, params=4000.0)


def search(**fields):
    return DifferentiableExperiment(setup=SETUP, retrain=1, **fields)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a search without a comparison, to which one is added afterwards."""
    return tmp_path_factory.mktemp("darts") / "run"


def said(run):
    console = Console(record=True, width=80)
    run.report().show(console)
    return console.export_text().replace("\n", " ")


def test_a_search_says_how_to_be_compared_and_then_how_much_better_it_is(folder):
    plain = execute(search(), SOURCE, folder)
    digest, rows = plain.digest, len(plain.frame)
    assert "the same command with --compare 3 trains both 3 times anew" in said(plain)
    run = execute(search(compare=2), SOURCE, folder)
    assert run.digest != digest
    found, model = read_comparison(run), run.model()
    assert (len(found.winner.scores), len(found.baseline.scores), found.baseline.name) == (2, 2, "DARTS_V2")
    wide = final_skeleton(model.genotype, run.experiment.setup.final, SETUP.params)
    assert found.winner.channels == wide.channels != run.experiment.setup.final.channels
    for one, genotype in ((found.winner, model.genotype), (found.baseline, PUBLISHED["DARTS_V2"])):
        assert cost(genotype, dataclasses.replace(wide, channels=one.channels)) == Cost(one.macs, one.params)
    assert found.sentence in said(run)
    report = run.report()
    assert report.summary["comparison"] == found.to_dict()
    assert [one["epochs"] for one in report.summary["retrained"]] == [1]  # those of the comparison are none of these
    assert found.sentence.split(":")[0] in report.page
    with run.journal() as journal:
        assert [is_compared(trial) for trial in journal.trials()] == [False] * rows + [True] * 4
    again = execute(search(), SOURCE, folder)
    assert again.digest == run.digest  # what was begun stays


def test_the_hours_of_a_search_count_what_is_trained_after_it(monkeypatch):
    monkeypatch.setattr(timing, "training_seconds", lambda *_: 3600.0)
    images = SOURCE.material
    none = DifferentiableExperiment(setup=small_setup(topology="stretchable"))
    found = [one.fitted(images, print).estimate(images, 1) for one in (none, search(), search(compare=2))]
    assert [int(one.numbers["hours"]) for one in found] == [0, 1, 5]
    assert [name for name, _ in found[2].lines] == ["epochs", "parameters", "hours", "disk"]  # as of every command
    assert "of the 5 that are trained after it" in dict(found[2].lines)["hours"]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="expected --finalists beside --compare"):
        DifferentiableExperiment(setup=small_setup(), compare=2)
    with pytest.raises(ValueError, match="--compare 2 or more"):
        search(compare=1)
