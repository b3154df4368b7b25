"""`zoo build`: the zoo, its best network as a model, and what it may look at while choosing."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.data import load
from zoo.data.image_set import ImageSet, Split
from zoo.export import load_model
from zoo.population.journal import Journal

pytestmark = pytest.mark.usefixtures("without_drawing")


def best(folder: Path) -> dict[str, object]:
    return json.loads((folder / "best.json").read_text())


def with_test(images: ImageSet, test: Split) -> ImageSet:
    fields = {field.name: getattr(images, field.name) for field in dataclasses.fields(images) if field.init}
    return ImageSet(**{**fields, "test": test})


def test_a_zoo_writes_a_model_and_its_tables(built):
    assert {"journal.sqlite", "zoo.csv", "best.json", "model.pt"} <= {path.name for path in built.iterdir()}
    with (built / "zoo.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    winner = max(rows, key=lambda row: float(row["accuracy"]))
    assert best(built)["accuracy"] == float(winner["accuracy"])
    assert best(built)["genotype"] == load_model(built / "model.pt").genotype.to_dict()


def test_the_test_accuracy_is_the_models_own(built):
    model = load_model(built / "model.pt")
    images = load("digits", train=40, validation=20, resolution=8)
    hits = model.predict(torch.tensor(images.test.images)).argmax(dim=1).numpy() == images.test.labels
    assert best(built)["test_accuracy"] == pytest.approx(hits.mean(), abs=1e-12)
    assert model.notes["test_accuracy"] == best(built)["test_accuracy"]
    assert model.classes == tuple("0123456789")


def test_only_the_best_networks_weights_are_kept(built):
    weights = [path.name for path in (built / "checkpoints").iterdir()]
    record = Journal.open(built, readonly=True).records()[best(built)["trial"]]
    assert weights == [record.checkpoint]


def test_the_test_images_change_nothing_but_the_final_number(thriftnas, build, built, tmp_path, digest, monkeypatch):
    def with_other_test_images(*arguments, **options):
        images = load(*arguments, **options)
        noise = np.random.default_rng(0).integers(0, 256, images.test.images.shape, dtype=np.uint8)
        return with_test(images, Split(images=noise, labels=np.zeros_like(images.test.labels)))

    monkeypatch.setattr("zoo.data.load", with_other_test_images)
    assert thriftnas(*build, "--out", tmp_path / "run").code == 0
    assert digest(tmp_path / "run") == digest(built)
    mine, other = best(tmp_path / "run"), best(built)
    assert mine["test_accuracy"] != other["test_accuracy"]
    for name in ("trial", "accuracy", "genotype"):
        assert mine[name] == other[name]


def test_a_finished_zoo_trains_nothing_again(thriftnas, build, built, digest, no_training):
    before = digest(built)
    answer = thriftnas(*build, "--out", built, "--json")
    assert (answer.code, answer.err.strip()) == (0, "")
    said = json.loads(answer.out)
    assert said == {**{name: value for name, value in best(built).items() if name != "genotype"}, **said}
    assert digest(built) == before


def test_more_models_extend_a_zoo(thriftnas, build, built, tmp_path, digest):
    assert thriftnas(*build, "--models", 3, "--out", built).code == 0
    assert thriftnas(*build, "--models", 3, "--out", tmp_path / "fresh").code == 0
    assert digest(built) == digest(tmp_path / "fresh")
    assert best(built)["accuracy"] == best(tmp_path / "fresh")["accuracy"]


def test_a_zoo_in_groups_is_extended_although_its_last_group_was_not_full(thriftnas, build, tmp_path):
    for models in (2, 4):
        answer = thriftnas(*build, "--group", 3, "--models", models, "--out", tmp_path / "run")
        assert (answer.code, answer.err) == (0, "")
    records = Journal.open(tmp_path / "run", readonly=True).records()
    assert [record.batch for record in records.values()] == [0, 0, 2, 2]


def test_a_zoo_does_not_shrink(thriftnas, build, built):
    answer = thriftnas(*build, "--models", 1, "--out", built)
    assert answer.code == 2
    assert answer.err.strip() == f"error: {built} has 2 models; it can grow, not shrink to 1"


def test_an_interrupted_zoo_ends_with_the_undisturbed_digest(
    thriftnas, build, built, tmp_path, digest, interrupted_after
):
    with interrupted_after(1):
        assert thriftnas(*build, "--out", tmp_path / "run").code == 130
    assert not (tmp_path / "run" / "model.pt").exists()
    assert thriftnas(*build, "--out", tmp_path / "run").code == 0
    assert digest(tmp_path / "run") == digest(built)


def test_a_zoo_stopped_by_its_time_limit_has_no_model_yet(thriftnas, build, tmp_path):
    answer = thriftnas(*build, "--time", "0.01s", "--json", "--out", tmp_path / "run")
    assert answer.code == 0
    assert json.loads(answer.out)["finished"] is False
    assert not (tmp_path / "run" / "model.pt").exists()


def test_a_zoo_that_fails_entirely_says_why(thriftnas, build, tmp_path, monkeypatch):
    def make_failing(*_: object):
        def fail(jobs: object):
            raise RuntimeError("no [such] kernel")

        return fail

    monkeypatch.setattr("zoo.training.evaluator.make_evaluator", make_failing)
    answer = thriftnas(*build, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "all 2 networks failed; the first: RuntimeError: no [such] kernel" in answer.err
    assert "trial 0 (c0r0s0e1) failed: RuntimeError: no [such] kernel" in answer.out
    assert json.loads(thriftnas("run", "status", tmp_path / "run", "--json").out)["failed"] == 2
