"""A search beside a network that needs no search: both trained anew, on test images that nothing else has seen."""

import dataclasses
import json

import pytest
from rich.console import Console

from econas.experiment import EcoNASExperiment
from econas.strategy.parameters import Parameters
from tests.interrupted import broken_off
from zoo.experiments import ImageSource, Run, execute, resume
from zoo.experiments.kinds.compared import FILE, read_comparison
from zoo.export import trained
from zoo.population import ProxySetting
from zoo.spaces import PUBLISHED, Cost, cost
from zoo.spaces.skeleton import Skeleton
from zoo.training import Recipe, TrainingSetup
from zoo.training.comparison import is_compared
from zoo.training.evaluator import TrainingEvaluator

SOURCE = ImageSource(name="digits", train=60, validation=40, resolution=8)
CHEAP, FULL = ProxySetting.parse("c1r0s0e1"), ProxySetting.parse("c0r0s0e2")


def wanted(**changes):
    """A search of a few seconds."""
    numbers = Parameters(
        start=2, parents=(1,), promotions=(), stages=(1,), cycles=1, setting=CHEAP, final=FULL, finalists=1,
        final_every=1, final_price=1e-9,
    )  # fmt: skip
    setup = TrainingSetup(
        skeleton=Skeleton(channels=4, cells=3), recipe=Recipe(batch=20, lr=0.1, lr_min=0.0, cutout=0.0), engine="auto"
    )
    return EcoNASExperiment(parameters=numbers, setup=setup, final=setup, **({"compare": 2} | changes))


def said(run):
    console = Console(record=True, width=80)
    run.report().show(console)
    return console.export_text()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        read, real = [], trained.test_hits
        patch.setattr(trained, "test_hits", lambda *given: read.append(1) or real(*given))
        found = execute(wanted(), SOURCE, folder)
    assert len(read) == 4  # every training reads the test images once
    return found


def test_the_report_says_how_much_better_it_is_and_how_sure_that_is(run):
    found = read_comparison(run)
    assert (len(found.winner.scores), len(found.baseline.scores)) == (2, 2)
    assert found.baseline.name == "DARTS_V2"
    assert 0.8 < found.baseline.macs / found.winner.macs < 1.25
    for one, genotype in ((found.winner, run.model().genotype), (found.baseline, PUBLISHED["DARTS_V2"])):
        around = dataclasses.replace(run.experiment.final.skeleton, channels=one.channels)
        assert cost(genotype, around) == Cost(one.macs, one.params)
    assert found.difference.value == pytest.approx(found.winner.mean - found.baseline.mean)
    report = run.report()
    assert report.summary["comparison"] == found.to_dict()
    assert found.sentence in said(run).replace("\n", " ")
    assert "Is it any good?" in report.page
    rows = report.tables["comparison"]
    assert list(rows["network"]) == ["the winner"] * 2 + ["DARTS_V2"] * 2
    assert rows["test_accuracy"].tolist() == [*found.winner.scores, *found.baseline.scores]


def test_the_search_is_the_same_with_a_comparison_and_without(run, tmp_path):
    plain = execute(wanted(compare=0), SOURCE, tmp_path)
    own = run.frame
    own = own[own["role"] != "alone"]
    columns = ["index", "role", "key", "accuracy", "loss"]
    assert own[columns].equals(plain.frame[columns])
    assert plain.identity == run.identity
    assert "the same command with --compare 3 trains both" in said(plain).replace("\n", " ")
    assert not plain.report().summary["comparison"]


def test_repeats_are_added_to_a_finished_run_and_nothing_is_measured_twice(run, tmp_path, monkeypatch):
    folder = tmp_path / "longer"
    folder.mkdir()
    for path in run.folder.rglob("*"):
        if path.is_file() and not path.name.endswith(("-wal", "-shm")):
            target = folder / path.relative_to(run.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    read, real = [], trained.test_hits
    monkeypatch.setattr(trained, "test_hits", lambda *given: read.append(1) or real(*given))
    longer = execute(wanted(compare=3), SOURCE, folder)
    assert len(read) == 2
    assert len(read_comparison(longer).winner.scores) == 3
    assert read_comparison(longer).winner.scores[:2] == read_comparison(run).winner.scores
    digest = longer.digest
    assert execute(wanted(compare=0), SOURCE, folder).digest == digest  # what was begun stays
    assert execute(wanted(compare=0, compare_where_cheap=True), SOURCE, folder).digest == digest
    assert resume(folder).digest == digest
    assert len(read) == 2


def test_a_run_of_before_is_not_compared_unasked(tmp_path):
    cheap = wanted(compare=0)
    assert execute(cheap, SOURCE, tmp_path).value("options") == {"compare": 0}
    again = execute(dataclasses.replace(cheap, compare_where_cheap=True), SOURCE, tmp_path)
    assert not [trial for trial in again.trials["role"] if trial == "alone"]


def test_it_is_held_unasked_where_it_is_cheap():
    images = SOURCE.images(0)
    few = wanted(compare=0, compare_where_cheap=True)
    assert few.fitted(images, print).compare == 0
    many = dataclasses.replace(few, parameters=dataclasses.replace(few.parameters, start=400))
    fitted = many.fitted(images, print)
    assert fitted.compare == 3
    assert fitted.total(fitted.strategy()) == pytest.approx(fitted.parameters.total + 6 * fitted.training_price)
    assert dict(fitted.estimate(images, 1).numbers)["comparison_epochs"] == 12
    assert few.fitted(images, print).identity()["strategy"].keys() == fitted.identity()["strategy"].keys()


@pytest.mark.slow
def test_a_comparison_that_was_broken_off_is_said_and_goes_on(run, tmp_path):
    with broken_off(TrainingEvaluator, 8), pytest.raises(KeyboardInterrupt):
        execute(wanted(), SOURCE, tmp_path)
    assert any(is_compared(trial) for trial in _trials(tmp_path))
    assert "trainings of the comparison have ended" in said(Run(tmp_path)) or "had begun" in said(Run(tmp_path))
    assert resume(tmp_path).digest == run.digest
    assert json.loads((tmp_path / FILE).read_text())["result"] == json.loads((run.folder / FILE).read_text())["result"]


def _trials(folder):
    with Run(folder).journal() as journal:
        return journal.trials()


def test_a_comparison_needs_a_retraining():
    same = dataclasses.replace(wanted(compare=0).parameters, final=CHEAP, budget=40.0, surrogate="none")
    with pytest.raises(ValueError, match="expected a --reference beside --compare"):
        dataclasses.replace(wanted(compare=0), method="random", parameters=same, compare=2)
