"""`run export` and `run report`: of searches for several objectives, and of runs that end with a model."""

import dataclasses
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from zoo.experiments import Run
from zoo.export import load_model, save_model
from zoo.networks.network import build_any
from zoo.population import Journal, Record, Trial
from zoo.population.front import objectives
from zoo.population.run_front import identity_of
from zoo.population.share import wilson
from zoo.spaces.genotype import ChainGenotype
from zoo.spaces.literature import DARTS_V1
from zoo.spaces.named import read_blueprint

ONNX = ("onnx", "onnxscript", "onnxruntime")
"""What the format onnx needs, of the extra export."""


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    """A run of a search: 30 networks, of which accuracy and MACs are known."""
    folder = tmp_path / "searched"
    identity = {"strategy": {"name": "test", **identity_of(objectives(["accuracy"], ["macs"]), [])}}
    journal, rng = Journal.create(folder, identity), np.random.default_rng(0)
    for i in range(30):
        chain = ChainGenotype("nas-bench-macro", tuple(int(digit) for digit in np.base_repr(200 * i, 3).zfill(8)))
        journal.append_ask(
            1, [Trial(index=i, genotype=chain, setting=None, start=0, stop=1, tags={"generation": i // 10})]
        )
        x = rng.random()
        metrics = {"accuracy": float(np.sqrt(x) - 0.3 * rng.random()), "macs": 1e8 * x}
        journal.append_tell([Record(index=i, ok=True, metrics=metrics)])
    journal.close()
    return folder


def front_size(folder: Path) -> int:
    frame = pd.read_csv(folder / "history.csv")
    return int(frame["front"].sum())


def test_models_along_the_front_with_tables_and_pictures(thriftnas, searched):
    answer = thriftnas("run", "export", searched, "--models", 3, "--json")
    assert answer.code == 0
    out = searched / "export"
    assert json.loads(answer.out)["models"] == json.loads((out / "models.json").read_text())["models"]
    names = {path.name for path in out.iterdir()}
    assert names == {
        "front.html", "front.png", "front.svg", "hypervolume.png", "hypervolume.svg", "hypervolume.csv", "history.csv",
        "models.csv", "models.json", "models.md", "model-01.json", "model-02.json", "model-03.json",
    }  # fmt: skip
    assert "front.html" in thriftnas("run", "export", searched).out


def test_more_models_than_the_front_has_are_refused_and_nothing_is_written(thriftnas, searched):
    answer = thriftnas("run", "export", searched, "--models", 99)
    assert answer.code == 2
    assert "different points, expected a count from 1 to that, got 99" in answer.err
    assert answer.err.count("\n") == 1
    assert not (searched / "export").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "onnx"), "keeps no weights of trial"),
        (("--format", "jpeg"), "unknown format jpeg"),
        (("--maximize", "speed"), "the objective 'speed' was not measured"),
        (("--limit", "macs<1"), "'macs<1' is not a limit"),
        (("--limit", "macs<=1"), "none of 30 networks keeps macs<=1"),
        (("--retrained", "nowhere"), "nowhere"),
        (("--models", "0"), "got 0"),
        (("--best", "speed"), "the objective 'speed' was not measured"),
        (("--best", "--models", "2"), "expected --best or --models 2, got both"),
    ],
)
def test_what_cannot_be_exported_is_one_line(thriftnas, searched, options, message):
    if "onnx" in options:
        for package in ONNX:
            pytest.importorskip(package)
    answer = thriftnas("run", "export", searched, *options)
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not (searched / "export").exists()


def test_missing_packages_are_named_before_anything_is_written(thriftnas, searched, monkeypatch):
    for package in ONNX:  # the others are there, so that one alone is missing
        pytest.importorskip(package)
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    answer = thriftnas("run", "export", searched, "--format", "json,onnx")
    assert answer.code == 2
    assert "the format onnx needs onnxruntime, which is not installed: pip install 'thriftnas[export]'" in answer.err
    assert not (searched / "export").exists()


def test_a_narrower_view_may_be_exported(thriftnas, searched, tmp_path):
    thriftnas("run", "export", searched, "--out", tmp_path / "all")
    thriftnas("run", "export", searched, "--limit", "macs<=5e7", "--out", tmp_path / "cheap")
    assert front_size(tmp_path / "cheap") < front_size(tmp_path / "all")
    macs = pd.read_csv(tmp_path / "cheap" / "models.csv")["macs"]
    assert macs.max() <= 5e7


@pytest.mark.parametrize("options", [("--best",), ("--best", "accuracy"), ("--best", "--limit", "macs<=5e7")])
def test_the_best_is_the_most_accurate_within_the_limits(thriftnas, searched, options):
    answer = thriftnas("run", "export", *options, searched, "--json")
    assert answer.code == 0, answer.err
    (model,) = json.loads(answer.out)["models"]
    history = pd.read_csv(searched / "export" / "history.csv")
    assert model["metrics"]["accuracy"] == history.loc[history["allowed"], "accuracy"].max()
    assert not list((searched / "export").glob("hypervolume*"))  # of one model there is nothing to see
    assert "How it grew" not in (searched / "export" / "front.html").read_text()


def test_the_best_may_be_by_another_metric(thriftnas, searched):
    answer = thriftnas("run", "export", searched, "--best", "macs", "--json")
    history = pd.read_csv(searched / "export" / "history.csv")
    assert json.loads(answer.out)["models"][0]["metrics"]["macs"] == history["macs"].min()


def test_a_report_of_a_search_is_its_front(thriftnas, searched):
    answer = thriftnas("run", "report", searched)
    assert answer.code == 0
    assert "front.html" in answer.out
    for name in ("front.html", "front.png", "front.svg", "history.csv", "hypervolume.csv"):
        assert (searched / name).exists()
    assert pd.read_csv(searched / "hypervolume.csv")["generation"].tolist() == [0, 1, 2]
    assert thriftnas("run", "status", searched).code == 0  # still a run


@pytest.mark.parametrize("formats", ["json,state", pytest.param("json,state,torch", marks=pytest.mark.slow)])
def test_a_run_that_ends_with_a_model_exports_that_model(thriftnas, built, formats):
    answer = thriftnas("run", "export", built, "--format", formats, "--json")
    assert answer.code == 0, answer.err
    (model,) = json.loads(answer.out)["models"]
    kept = load_model(built / "model.pt")
    assert model["key"] == kept.genotype.key
    assert load_model(built / "export" / model["files"]["state"]).notes == kept.notes
    assert model["deviations"].keys() == {"torch"} & set(formats.split(","))
    assert all(deviation <= 1e-4 for deviation in model["deviations"].values())


def test_a_single_model_has_a_page_of_its_own_that_begins_with_its_card(thriftnas, built):
    """What a run ends with is no front: no picture of one, but what whoever deploys it must know."""
    pytest.importorskip("safetensors")
    answer = thriftnas("run", "export", built, "--format", "csv,safetensors")
    assert answer.code == 0, answer.err
    out, notes = built / "export", load_model(built / "model.pt").notes
    assert f"open {out / 'model.html'})" in answer.out
    names = {path.name for path in out.iterdir()}
    assert names == {"history.csv", "labels.txt", "MODEL.md", "model.html", "model-01.safetensors", "models.csv"}
    page, card = (out / "model.html").read_text(), (out / "MODEL.md").read_text()
    low, high = wilson(notes["test_accuracy"], notes["test_images"])
    reached = f"{100 * notes['test_accuracy']:.2f} % on {notes['test_images']} test images"
    told = f"{reached}, 95 % interval {100 * low:.2f} % to {100 * high:.2f} %"
    for text in (page, card):
        assert told in text
        assert Run.open(built).digest in text
    assert page.index('<h1 class="answer">Model 1') < page.index(told) < page.index("Its numbers")
    assert "hypervolume" not in page.lower()
    Image.new("L", (9, 9), 77).save(built / "a.png")
    assert json.loads(thriftnas("predict", out / "model-01.safetensors", built / "a.png", "--json").out)


def test_weights_trained_elsewhere_are_taken(thriftnas, built, tmp_path):
    """The zoo's own model, put among the weights of another run of the same networks."""
    other = tmp_path / "other"
    other.mkdir()
    os.replace(built / "model.pt", other / "model.pt")
    trial = load_model(other / "model.pt").notes["trial"]
    metrics = Journal.open(built, readonly=True).records()[trial].metrics
    only = f"accuracy>={metrics['accuracy']}"
    plain = ("run", "export", built, "--maximize", "accuracy", "--limit", only, "--format", "state", "--json")
    assert "keeps no weights" in thriftnas(*plain).err
    answer = thriftnas(*plain, "--retrained", other)
    assert answer.code == 0, answer.err
    assert [model["trial"] for model in json.loads(answer.out)["models"]] == [trial]


@pytest.fixture
def exported(thriftnas, built) -> Path:
    """The best network of the zoo as a model-01.json."""
    assert thriftnas("run", "export", built, "--format", "json").code == 0
    return built / "export" / "model-01.json"


def trained_again(thriftnas, exported: Path, out: Path, *more: object) -> Path:
    """One epoch of an exported network."""
    options = ("--train", 40, "--val", 20, "--batch", 20, "--epochs", 1, "--path-dropout", 0, "--cutout", 0)
    answer = thriftnas("zoo", "train", exported, *options, *more, "--out", out)
    assert answer.code == 0, answer.err
    return out


def test_an_exported_network_is_trained_as_it_is(thriftnas, built, exported, tmp_path):
    """Its file says what builds it, so that `zoo train` needs no sizes, and `run export` takes it with its numbers."""
    first = load_model(built / "model.pt")
    blueprint = read_blueprint(str(exported))
    assert blueprint == first.blueprint
    counted = json.loads(thriftnas("zoo", "cost", exported, "--json").out)
    assert counted == {name: first.notes[name] for name in ("params", "macs")}
    again = trained_again(thriftnas, exported, tmp_path / "again", "--seed", 5)
    model = load_model(again / "model.pt")
    assert model.skeleton == first.skeleton
    _, record = Run.open(built).best
    only = f"accuracy>={record.metrics['accuracy']}"
    asked = ("--maximize", "accuracy", "--limit", only, "--format", "json,csv,state", "--retrained", again, "--json")
    (told,) = json.loads(thriftnas("run", "export", built, *asked).out)["models"]
    assert told["metrics"]["accuracy"] == model.notes["accuracy"]
    assert told["metrics"]["macs"] == model.notes["macs"] == record.metrics["macs"]
    assert told["inherited"]["accuracy"] == record.metrics["accuracy"]
    table = pd.read_csv(built / "export" / "models.csv")
    assert table["accuracy"].tolist() == [model.notes["accuracy"]]
    assert table["inherited_accuracy"].tolist() == [record.metrics["accuracy"]]
    assert load_model(built / "export" / "model-01.pt").notes == model.notes


def test_another_network_is_not_taken_for_a_retrained_one(thriftnas, built, exported, tmp_path):
    larger = trained_again(thriftnas, exported, tmp_path / "larger", "--channels", 8)
    refused = thriftnas("run", "export", built, "--retrained", larger, "--out", tmp_path / "out")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "larger is another network: channels 8, expected 4" in refused.err
    model = load_model(built / "model.pt")
    others = {
        "classes": (dataclasses.replace(model, classes=model.classes[::-1]), "the classes 9, 8, 7, 6, 5, ... (10 in"),
        "genotype": (dataclasses.replace(model, network=network_of(DARTS_V1, model), genotype=DARTS_V1), "genotype is"),
    }
    for name, (other, message) in others.items():
        save_model(other, tmp_path / f"{name}.pt")
        refused = thriftnas("run", "export", built, "--retrained", tmp_path / f"{name}.pt", "--out", tmp_path / "out")
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert message in refused.err
    assert not (tmp_path / "out").exists()


def network_of(genotype, model):
    return build_any(genotype, model.skeleton, torch.Generator().manual_seed(0)).eval()


def test_a_study_exports_its_genotypes(thriftnas, finished):
    answer = thriftnas("run", "export", finished, "--models", 1, "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["measured"] == 3


def test_no_run_is_one_line(thriftnas, tmp_path):
    answer = thriftnas("run", "export", tmp_path / "nothing")
    assert answer.code == 2
    assert "holds no run" in answer.err
