"""Unequal classes: what commands judge by there, and what they say of networks that name one class only."""

import json

import pytest

from zoo.experiments import Run

SIZES = ("--channels", 4, "--cells", 3, "--resolution", 8, "--batch", 8)
BUILD = ("zoo", "build", "--models", 2, "--setting", "c0r0s0e1", *SIZES)


@pytest.fixture
def unequal_run(thriftnas, unequal_photos, tmp_path):
    answer = thriftnas(*BUILD, "--data", f"imagefolder:{unequal_photos}", "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    return tmp_path / "run", " ".join(answer.out.split())


def test_unequal_classes_are_judged_by_balanced_accuracy_and_that_is_said(thriftnas, unequal_run):
    folder, said = unequal_run
    run = Run.open(folder)
    assert "The classes are unequal (2 to 27 training images): judged by balanced accuracy" in said
    assert "best by balanced accuracy: trial" in said
    assert run.experiment.metric == "balanced_accuracy"
    frame = run.frame
    kept = json.loads((folder / "best.json").read_text())
    assert kept["balanced_accuracy"] == frame["balanced_accuracy"].max()
    assert kept["trial"] == frame["balanced_accuracy"].idxmax()
    best = json.loads(thriftnas("run", "export", folder, "--best", "--json").out)["models"][0]
    assert best["metrics"]["balanced_accuracy"] == frame["balanced_accuracy"].max()


def test_a_network_that_names_one_class_only_is_said_to(unequal_run):
    folder, said = unequal_run
    kept = json.loads((folder / "best.json").read_text())
    assert kept["test_balanced_accuracy"] == 0.5  # one epoch teaches nothing else
    assert "Warning: this network names one class for every" in said
    assert "names one class for every" in (folder / "report.html").read_text()


def test_equal_classes_are_judged_as_before(thriftnas, photos, tmp_path):
    for number, options in enumerate(((), ("--metric", "accuracy"))):
        answer = thriftnas(*BUILD, "--data", f"imagefolder:{photos}", *options, "--out", tmp_path / str(number))
        assert answer.code == 0, answer.err
        assert "unequal" not in answer.out
        assert "names one class" not in answer.out
    assert Run.open(tmp_path / "0").digest == Run.open(tmp_path / "1").digest
    assert Run.open(tmp_path / "0").identity == Run.open(tmp_path / "1").identity


@pytest.mark.parametrize("words", [("zoo", "study"), ("zoo", "build"), ("econas", "search"), ("darts", "search")])
def test_every_command_that_chooses_has_a_metric(thriftnas, words):
    assert "--metric" in thriftnas(*words, "--help").out
    answer = thriftnas(*words, "--metric", "speed")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "metric must be accuracy or balanced_accuracy, got 'speed'" in answer.err
