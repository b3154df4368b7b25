"""A comparison at the end of a training: the network beside one that needs no search, both trained anew."""

import json

import pytest
from rich.console import Console

from tests.overriding import overridden
from zoo.cli import main
from zoo.experiments import Run
from zoo.experiments.kinds.compared import read_comparison
from zoo.spaces.cost import cost
from zoo.training.comparison import is_compared

pytestmark = pytest.mark.usefixtures("without_drawing")
TRAIN = [
    *("zoo", "train", "PC_DARTS", "--data", "digits", "--resolution", "8", "--channels", "2", "--cells", "3"),
    *("--batch", "40", "--epochs", "2", "--train", "80", "--val", "20"),
]


def said(run):
    console = Console(record=True, width=80)
    run.report().show(console)
    return console.export_text().replace("\n", " ")


def test_a_training_is_compared_on_request_with_as_many_macs(tmp_path, capsys):
    folder = tmp_path / "run"
    assert main([*TRAIN, "--every", "2", "--out", str(folder)]) == 0
    run = Run.open(folder)
    model, rows = (folder / "model.pt").read_bytes(), len(run.report().tables["epochs"])
    assert "Whether it is better than DARTS_V2" in said(run)
    assert main([*TRAIN, "--every", "2", "--compare", "2", "--out", str(folder), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    found = read_comparison(run)
    assert summary["comparison"] == found.to_dict()
    assert (folder / "model.pt").read_bytes() == model  # the network is the one that was trained first
    assert (len(found.winner.scores), len(found.baseline.scores), found.baseline.name) == (2, 2, "DARTS_V2")
    around = run.experiment.setup.skeleton
    assert cost(run.experiment.genotype, around).macs == found.winner.macs
    assert 0.5 < found.baseline.macs / found.winner.macs < 2
    report = run.report()
    assert found.sentence in said(run)
    assert found.sentence.startswith("This network is")
    assert len(report.tables["epochs"]) == rows
    with run.journal() as journal:
        compared = [trial for trial in journal.trials() if is_compared(trial)]
    assert len({trial.index for trial in compared if trial.resumes is None}) == 4
    assert "2 of 2 epochs" not in said(run)
    assert main(["run", "report", str(folder), "--out", str(tmp_path / "elsewhere")]) == 0
    assert f"Report: {tmp_path / 'elsewhere' / 'report.html'}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--compare", "1"], "--compare 2 or more repeats"),
        (["--compare", "2", "--stream"], "expected no --stream"),
        (["DARTS_V2", "--compare", "2"], "needs no search itself"),
    ],
)
def test_what_cannot_be_compared_is_one_line(change, message, tmp_path, monkeypatch, photos_folder, capsys):
    monkeypatch.setenv("THRIFTNAS_CACHE", str(tmp_path / "cache"))
    words = [change.pop(0) if word == "PC_DARTS" and change[0] == "DARTS_V2" else word for word in TRAIN]
    data = ["--data", f"imagefolder:{photos_folder}", "--train", "30", "--val", "16"]
    assert main(overridden([*words, *data, *change, "--out", str(tmp_path / "run")])) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_estimate_counts_the_comparison(tmp_path, capsys):
    found = []
    for more in ([], ["--compare", "2"]):
        assert main([*TRAIN, *more, "--dry-run", "--json", "--out", str(tmp_path / "run")]) == 0
        found.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
    assert [one["epochs"] for one in found] == [2, 10]


@pytest.fixture
def photos_folder(tmp_path):
    from tests.photos import cats_and_dogs

    cats_and_dogs(tmp_path / "photos")
    return tmp_path / "photos"
