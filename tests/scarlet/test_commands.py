"""`scarlet train` and `scarlet extract`: end to end, the same after an interruption, bad input in one line."""

import dataclasses
import json
import shutil

import pytest
import torch
from PIL import Image

from scarlet.evaluation.subnets import calibration_images
from scarlet.experiments import sources
from scarlet.extraction.extraction import extract
from scarlet.extraction.settled import take_statistics
from scarlet.supernet.file import load_supernet, save_supernet
from scarlet.supernet.training import SupernetEvaluator
from tests.interrupted import broken_off
from tests.overriding import overridden
from zoo.cli import main
from zoo.data import load
from zoo.export import load_model

SIZES = ["--channels", "4", "--train", "60", "--val", "40", "--batch", "20", "--epochs", "3", "--data", "digits"]
TRAIN = ["scarlet", "train", "--space", "nas-bench-macro", *SIZES]
PATH = "01201121"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scarlet") / "run"
    assert main([*TRAIN, "--out", str(folder)]) == 0
    return folder


def test_a_run_has_its_epochs_and_a_supernet(trained):
    assert len((trained / "epochs.csv").read_text().splitlines()) == 4
    held, _ = load_supernet(trained / "supernet.pt")
    assert held.network.form.stabilizers
    assert (held.notes["epochs"], held.notes["sampling"]) == (3, "fair")
    assert held.notes["data"] == load("digits", train=60, validation=40, seed=0).fingerprint


@pytest.mark.slow  # it is interrupted in the tests of every kind of run too
def test_an_interrupted_run_ends_with_the_same_supernet(trained, tmp_path, digest):
    with broken_off(SupernetEvaluator, 2):
        assert main([*TRAIN, "--out", str(tmp_path / "run")]) == 130
    assert not (tmp_path / "run" / "supernet.pt").exists()
    assert main([*TRAIN, "--out", str(tmp_path / "run")]) == 0
    assert digest(tmp_path / "run") == digest(trained)
    assert (tmp_path / "run" / "supernet.pt").read_bytes() == (trained / "supernet.pt").read_bytes()


def test_another_supernet_in_the_same_folder_is_one_line(trained, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "run")
    for change in (["--plain-skips"], ["--sampling", "uniform"], ["--shared-squeeze"], ["--seed", "1"]):
        assert main([*TRAIN, *change, "--out", str(folder)]) == 2
        assert "holds another run" in capsys.readouterr().err


def test_an_extracted_model_predicts_what_the_path_does(trained, tmp_path, capsys):
    out = tmp_path / "model.pt"
    kept = ["--keep-stabilizers", "--out", str(out)]
    assert main(["scarlet", "extract", str(trained / "supernet.pt"), PATH, *kept, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["inexact"] == []
    assert summary["deviation"] <= 1e-12
    model, (held, _) = load_model(out), load_supernet(trained / "supernet.pt")
    x = torch.randn(3, 1, 8, 8)
    path = [int(digit) for digit in PATH]
    assert torch.allclose(model.network(x), held.network(x, path), atol=1e-4)
    proof = json.loads((tmp_path / "model.pt.proof.json").read_text())
    assert [layer["layer"] for layer in proof["layers"]] == list(range(9))
    assert main(["predict", str(out), "--help"]) == 0


def test_a_folded_model_lists_its_inexact_layers_and_can_be_recalibrated(trained, tmp_path, capsys):
    supernet, models = str(trained / "supernet.pt"), []
    for name, more in (("a", []), ("b", ["--recalibrate", "50", *SIZES[2:6], "--data", "digits"])):
        assert main(["scarlet", "extract", supernet, PATH, "--out", str(tmp_path / name), "--json", *more]) == 0
        models.append((json.loads(capsys.readouterr().out), load_model(tmp_path / name)))
    held, _ = load_supernet(trained / "supernet.pt")
    result = extract(held.network, [int(digit) for digit in PATH])
    assert models[0][0]["inexact"] == [layer.layer for layer in result.inexact] == [4]
    assert models[0][1].notes["macs"] == models[0][0]["macs"]
    images = torch.tensor(load("digits", train=60, validation=40, seed=0).validation.images)
    assert not torch.equal(models[0][1].predict(images), models[1][1].predict(images))
    assert "still those of before it" in models[0][0]["warning"]
    assert "taken from 50 training images after it" in models[1][0]["warning"]
    own, known = models[1][1], load("digits", train=60, validation=40, seed=0)
    before = own.predict(images)
    side = own.skeleton.resolution
    take_statistics(own.network, calibration_images(known, 50, 0, side, own.mean, own.std))
    assert torch.allclose(
        own.predict(images), before, atol=1e-4
    )  # they were those of the folded network, not of its path


BAD = [
    ([*TRAIN, "--space", "darts"], "unknown chain space 'darts'"),
    (
        [*TRAIN, "--sampling", "greedy"],
        "sampling: expected fair, uniform, sandwich, sandwich-ranked or fair-ranked, got 'greedy'",
    ),
    ([*TRAIN, "--warmup", "3"], "the warm-up must be shorter"),
    ([*TRAIN, "--channels", "0"], "channels must be at least 1"),
    (["scarlet", "extract", "SUPERNET", "0120012"], "is not a NAS-Bench-Macro chain"),
    (["scarlet", "extract", "SUPERNET", "SCARLET_A"], "expected a chain of 'nas-bench-macro'"),
    (["scarlet", "extract", "SUPERNET", "nothing.json"], "neither a file nor a public name"),
    (["scarlet", "extract", "SUPERNET", PATH, "--recalibrate", "1"], "at least 2 images"),
    (["scarlet", "extract", "SUPERNET", PATH, "--out", "no/where/model.pt"], "does not exist"),
    (["scarlet", "extract", "TRUNCATED", PATH], "cannot be read safely"),
    (["scarlet", "extract", "missing.pt", PATH], "No such file"),
]


@pytest.mark.parametrize(("arguments", "text"), BAD)
def test_bad_input_is_one_line_and_leaves_nothing(trained, tmp_path, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "TRUNCATED").write_bytes((trained / "supernet.pt").read_bytes()[:5000])
    given = [str(trained / "supernet.pt") if word == "SUPERNET" else word for word in arguments]
    assert main(overridden(given)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert text in error
    assert [path.name for path in tmp_path.iterdir()] == ["TRUNCATED"]


def test_images_of_other_colours_are_one_line(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("THRIFTNAS_CACHE", str(tmp_path / "cache"))
    for label in range(10):
        (tmp_path / "photos" / str(label)).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8), (20 * label, 5 * i, 0)).save(tmp_path / "photos" / str(label) / f"{i}.png")
    supernet, data = str(trained / "supernet.pt"), f"imagefolder:{tmp_path / 'photos'}"
    for arguments in (["extract", supernet, PATH, "--recalibrate", "4"], ["similarity", supernet]):
        out = tmp_path / arguments[0]
        assert main(["scarlet", *arguments, "--data", data, "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert "the supernet reads images of 1 channels" in error
        assert error.count("\n") == 1
        assert not out.exists()


def test_a_failed_training_says_so(tmp_path, capsys):
    out = tmp_path / "run"
    assert main([*TRAIN, "--lr", "1e30", "--clip", "1e30", "--out", str(out)]) == 2
    assert "the training failed in epoch 1: diverged" in capsys.readouterr().err
    assert not (out / "supernet.pt").exists()


def test_similarity_is_numbers_and_a_plot(trained, tmp_path, capsys):
    out, name = tmp_path / "plot.svg", str(trained / "supernet.pt")
    assert main(["scarlet", "similarity", name, "--out", str(out), "--json", *SIZES[2:6], "--data", "digits"]) == 0
    numbers = json.loads(capsys.readouterr().out)[name]
    assert len(numbers["blocks"]) == len(numbers["skip"]) == 8
    assert numbers["mean"]["skip"] == pytest.approx(sum(numbers["skip"]) / 8)
    assert out.read_text().startswith("<svg")
    assert "cosine similarity" in out.read_text()


@pytest.mark.parametrize(
    ("command", "seed"),
    [
        (["extract", "NET", PATH, "--recalibrate", "20", "--out", "model.pt"], 7),
        (["extract", "NET", PATH, "--recalibrate", "20", "--out", "model.pt", "--seed", "2"], 2),
        (["similarity", "NET", "--out", "similarity.svg"], 7),
    ],
)
def test_images_are_split_as_the_supernets_training_has_split_them(trained, tmp_path, monkeypatch, command, seed):
    """By another seed its training images would be among the validation images."""
    held, _ = load_supernet(trained / "supernet.pt")
    monkeypatch.chdir(tmp_path)
    save_supernet(dataclasses.replace(held, notes={**held.notes, "seed": 7}), tmp_path / "supernet.pt")
    real, seeds = sources.held_images, []
    monkeypatch.setattr(sources, "held_images", lambda *given: seeds.append(given[1]) or real(*given))
    named = ["supernet.pt" if word == "NET" else word for word in command]
    assert main(["scarlet", *named, *SIZES[2:6], "--data", "digits"]) == 0
    assert seeds == [seed]
