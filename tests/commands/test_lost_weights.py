"""Runs whose weights are lost after their last training: they end, say what they trained again, and are charged."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.commands.test_train import TRAIN, same_model, trained  # noqa: F401
from zoo.experiments import Run
from zoo.export import load_model

pytestmark = pytest.mark.usefixtures("without_drawing")


def lose(folder: Path) -> None:
    """Every weight of the store is gone, as after a power cut under code that did not wait for the disk."""
    for path in (folder / "checkpoints").iterdir():
        path.unlink()


def test_a_finished_run_needs_its_weights_no_more(thriftnas, build, built, tree, no_training):
    lose(built)
    before = {name: content for name, content in tree(built).items() if name in ("model.pt", "best.json")}
    answer = thriftnas(*build, "--out", built)
    assert (answer.code, answer.err) == (0, "")
    assert "Model: " in answer.out
    assert {name: content for name, content in tree(built).items() if name in before} == before


def test_a_damaged_model_is_kept_again_from_the_weights(thriftnas, build, built, no_training):
    before = load_model(built / "model.pt")
    content = bytearray((built / "model.pt").read_bytes())
    content[len(content) // 2] ^= 4
    (built / "model.pt").write_bytes(content)
    assert thriftnas(*build, "--out", built).code == 0
    assert load_model(built / "model.pt").notes == before.notes


def test_a_zoo_that_has_lost_weights_and_model_trains_the_best_again_and_says_so(
    thriftnas, build, built, digest, tmp_path
):
    kept, before = Path(shutil.copytree(built, tmp_path / "kept")), digest(built)
    (weights,) = (built / "checkpoints").iterdir()
    weights.write_bytes(weights.read_bytes()[:-1])
    (built / "model.pt").unlink()
    answer = thriftnas(*build, "--out", built)
    assert answer.code == 0, answer.err
    assert "are missing or damaged" in answer.out
    assert "is trained again: " in answer.out
    assert same_model(built, kept)
    assert digest(built) == before, "the history is what it was"


def test_a_training_killed_before_its_end_is_trained_again_and_charged(thriftnas, trained, tmp_path, digest):  # noqa: F811
    folder = Path(shutil.copytree(trained, tmp_path / "run"))
    lose(folder)
    for name in ("model.pt", "best.json"):
        (folder / name).unlink()
    answer = thriftnas(*TRAIN, "--out", folder, "--json")
    assert answer.code == 0, answer.err
    assert "trial 2 is trained again: 3 epochs paid" in answer.err
    (again,) = Run.open(folder).value("restored").values()
    assert (again["index"], again["epochs_paid"]) == (2, 3)
    assert same_model(folder, trained)
    assert json.loads(answer.out)["test_accuracy"] == load_model(trained / "model.pt").notes["test_accuracy"]
    assert digest(folder) == digest(trained)


def test_weights_that_another_processor_computes_are_kept_with_what_they_measure(thriftnas, build, built, monkeypatch):
    from zoo.training import evaluator

    lose(built)
    (built / "model.pt").unlink()
    make = evaluator.make_evaluator

    def otherwise(*arguments):
        evaluate = make(*arguments)

        def other(jobs):
            return [
                (record.__class__(**{**record.to_dict(), "metrics": {**record.metrics, "accuracy": 0.125}}), data)
                for record, data in evaluate(jobs)
            ]

        return other

    monkeypatch.setattr(evaluator, "make_evaluator", otherwise)
    assert thriftnas(*build, "--out", built).code == 0
    assert load_model(built / "model.pt").notes["accuracy"] == 0.125
    assert torch.is_tensor(next(load_model(built / "model.pt").network.parameters()))
