"""`scarlet search` on a table and on a supernet: the whole way, kills, and what is refused."""

import argparse
import contextlib
import dataclasses
import io
import json
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch

import zoo.cli
from benchmarks import subnet_eval
from scarlet.experiments.front import FrontExperiment
from scarlet.extraction.settled import take_statistics
from scarlet.strategy import imagination
from scarlet.supernet.file import TrainedSupernet, load_supernet, save_supernet
from tests.overriding import overridden
from zoo.data import load
from zoo.export import load_model
from zoo.networks import build_chain
from zoo.population import Journal
from zoo.spaces import Skeleton
from zoo.spaces.chain_space import CHAIN_SPACES

pytestmark = pytest.mark.usefixtures("without_drawing")

FEW = ("--population", 6, "--generations", 3, "--group", 4, "--surrogate", "none")


@pytest.fixture
def thriftnas(monkeypatch, tmp_path):
    """Runs a command in this process."""
    monkeypatch.setenv("THRIFTNAS_CACHE", str(tmp_path / "cache"))

    def call(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = zoo.cli.main(overridden(arguments))
        return code, out.getvalue(), err.getvalue()

    return call


def test_a_search_ends_with_a_front_and_says_how_to_export(thriftnas, table, tmp_path, digest, monkeypatch):
    monkeypatch.setattr(imagination, "GENERATIONS", 4)  # most of the time
    words = ("scarlet", "search", "--table", table, *FEW, "--surrogate", "auto")
    code, out, err = thriftnas(*words, "--out", tmp_path / "run")
    assert (code, err) == (0, "")
    assert "The best of the front: thriftnas run export" in out
    assert out.rstrip().splitlines()[-1].startswith("Models along it: thriftnas run export")
    assert (tmp_path / "run" / "front.html").exists()
    code, out, _ = thriftnas("run", "export", tmp_path / "run", "--models", 2, "--json")
    assert code == 0
    assert json.loads(out)["objectives"] == ["max accuracy", "min macs", "max params"]
    assert digest(tmp_path / "run")


def test_an_interrupted_search_ends_with_the_same_records(thriftnas, table, tmp_path, monkeypatch, digest):
    command = ("scarlet", "search", "--table", table, *FEW, "--limit", "accuracy>=0.4")
    assert thriftnas(*command, "--out", tmp_path / "whole")[0] == 0
    real, left = FrontExperiment.evaluator, iter(range(3))

    def torn(*arguments):
        evaluator = real(*arguments)

        def evaluate(jobs):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return evaluator(jobs)

        return evaluate

    with monkeypatch.context() as patch:
        patch.setattr(FrontExperiment, "evaluator", torn)
        assert thriftnas(*command, "--out", tmp_path / "parts")[0] == 130
    assert Journal.open(tmp_path / "parts", readonly=True).counts()["done"] == 12
    assert thriftnas(*command, "--out", tmp_path / "parts")[0] == 0
    assert digest(tmp_path / "parts") == digest(tmp_path / "whole")
    assert thriftnas(*command, "--out", tmp_path / "parts")[0] == 0  # finished: nothing is left to do


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--weights", "accuracy=0.5,macs=0.4,params=0.2"), "weights must sum to 1, got 1.1"),
        (("--weights", "accuracy=1.4,macs=-0.4,params=0"), "weights must lie between 0 and 1"),
        (("--weights", "accuracy=1"), "a weight for each of 3 objectives, got 1"),
        (("--weights", "speed=1"), "expected one weight for each of accuracy, macs, params"),
        (("--weights", "accuracy"), "'accuracy' is not a weight"),
        (("--limit", "macs<=1000"), "no network found with macs<=1000: the nearest of"),
        (("--limit", "macs<=3e6", "--limit", "params>=1200"), "macs<=3e+06 and params>=1200: each is kept by some"),
        (("--limit", "macs"), "is not a limit"),
        (("--maximize", "speed"), "nobody measures 'speed', expected one of accuracy, macs, params"),
        (("--minimize", "latency"), "nobody measures 'latency'"),
        (("--random", "0.5"), "random, reinforced and prior must sum to 1"),
        (("--population", "1"), "population must be at least 2"),
        (("--group", "0"), "group must be at least 1"),
        (("--surrogate", "tree"), "the surrogate is one of none, auto, forest, gp, got 'tree'"),
        (("--budget", "7", "--surrogate", "auto"), "a surrogate learns from 8 networks at least, 7 evaluations pay 7"),
        (("--seed", "-1"), "the seed at least 0"),
        (("--signal", "error"), "signal must be one of accuracy, balanced_accuracy, loss, auto, got 'error'"),
        (("--signal", "loss"), "signal must be one of accuracy, which is what is measured; got 'loss'"),
        (("--signal", "accuracy", "--minimize", "macs"), "expected none beside objectives that are named"),
        (("--latency", "missing.csv"), "missing.csv"),
        (("--supernet", "there"), "either --supernet RUN or --table FILE"),
    ],
)
def test_what_cannot_be_searched_for_is_one_line_and_leaves_no_run(thriftnas, table, tmp_path, options, message):
    code, _, err = thriftnas("scarlet", "search", "--table", table, *FEW, *options, "--out", tmp_path / "run")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_accuracy_nobody_has_ends_the_run_with_one_line(thriftnas, table, tmp_path):
    options = ("--limit", "accuracy>=0.999", "--rounds", 3, "--out", tmp_path / "run")
    for _ in range(2):  # the second time from the journal
        code, _, err = thriftnas("scarlet", "search", "--table", table, *FEW, *options)
        assert code == 2
        assert "no network found with accuracy>=0.999: none of 36 networks kept it" in err.splitlines()[-1]


def test_a_latency_is_an_objective_like_any_other(thriftnas, table, tmp_path):
    rows = [f"{layer},{choice},{(layer + 1) * choice}" for layer in range(8) for choice in range(3)]
    (tmp_path / "ms.csv").write_text("\n".join(["layer,choice,latency", *rows]) + "\n")
    code, _, err = thriftnas(
        "scarlet", "search", "--table", table, *FEW, "--latency", tmp_path / "ms.csv", "--maximize", "accuracy",
        "--minimize", "latency", "--limit", "latency<=30", "--out", tmp_path / "run",
    )  # fmt: skip
    assert (code, err) == (0, "")
    frame = Journal.open(tmp_path / "run", readonly=True).frame()
    assert frame["latency"].max() <= 30


# ---------------------------------------------------------------- on a supernet


@pytest.fixture
def trained(supernet, tmp_path):
    """A supernet's file and the images it knows, as a folder."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in range(4):
        (tmp_path / "photos" / f"class{label}").mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 64, (8, 8, 3), dtype=np.uint8) + np.uint8(60 * label)
            Image.fromarray(pixels).save(tmp_path / "photos" / f"class{label}" / f"{i:02}.png")
    images = load(f"imagefolder:{tmp_path / 'photos'}", resolution=8, seed=3, root=tmp_path / "cache")
    network = deepcopy(supernet("nas-bench-macro", dtype=torch.float32))
    held = TrainedSupernet(
        network=network, classes=images.classes, mean=images.mean, std=images.std,
        notes={"data": images.fingerprint, "seed": 3},
    )  # fmt: skip
    (tmp_path / "net").mkdir()
    save_supernet(held, tmp_path / "net" / "supernet.pt")
    return tmp_path


def command(trained, *more):
    data = f"imagefolder:{trained / 'photos'}"
    return ("scarlet", "search", "--supernet", trained / "net", "--data", data, *FEW, "--device", "cpu", *more)


def test_a_search_on_inherited_weights_and_its_models(thriftnas, trained):
    code, _, err = thriftnas(*command(trained, "--out", trained / "run"))
    assert (code, err) == (0, "")
    journal = Journal.open(trained / "run", readonly=True)
    records, trials = journal.records(), journal.trials()
    assert all({"accuracy", "loss", "macs", "params"} <= set(record.metrics) for record in records.values())
    journal.close()
    code, out, err = thriftnas("run", "export", trained / "run", "--models", 2, "--format", "json,state", "--json")
    assert code == 0, err
    for model in json.loads(out)["models"]:
        assert model["weights"]["notes"]["weights"] == "inherited"
        assert (trained / "run" / "export" / model["files"]["state"]).exists()
        assert trials[model["trial"]].genotype.key == model["key"]
    (trained / "moved").mkdir()
    for name in ("run", "net", "photos"):
        (trained / name).rename(trained / "moved" / name)
    code, _, err = thriftnas("run", "export", trained / "moved/run", "--best", "--format", "state", "--json")
    assert code == 0, err
    assert thriftnas("run", "resume", trained / "moved/run", "--json")[0] == 0
    (trained / "moved/net").rename(trained / "lost")
    code, _, err = thriftnas("run", "resume", trained / "moved/run")
    assert (code, "is gone" in err, f"--out {trained / 'moved/run'}" in err) == (2, True, True)


def test_models_of_a_recalibrated_search_are_as_accurate_as_it_measured(thriftnas, trained, monkeypatch):
    monkeypatch.chdir(trained)
    more = ("--recalibrate", 30, "--out", "run")
    assert thriftnas(*command(trained, *more), "--data", "imagefolder:photos")[0] == 0
    (trained / "elsewhere").mkdir()
    monkeypatch.chdir(trained / "elsewhere")  # where the images were is known all the same
    run = trained / "run"
    code, out, err = thriftnas("run", "export", run, "--models", 2, "--format", "state", "--json")
    assert code == 0, err
    images = load("imagefolder:../photos", resolution=8, seed=3)
    for model in json.loads(out)["models"]:
        read = load_model(run / "export" / model["files"]["state"])
        found = read.predict(torch.tensor(images.validation.images)).argmax(dim=1).numpy()
        assert (found == images.validation.labels).mean() == model["metrics"]["accuracy"]
        assert read.notes["recalibrated"] == 30
        proof = read.notes["folding"]
        assert read.notes["inexact_layers"] == [layer["layer"] for layer in proof if not layer["exact"]] == []
        assert max(layer["deviation"] for layer in proof) < 1e-12
    next((trained / "photos" / "class0").iterdir()).unlink()
    code, _, err = thriftnas("run", "export", run, "--format", "state", "--out", trained / "late")
    assert code == 2
    assert "have changed: its networks were recalibrated on others" in err
    assert err.count("\n") == 1
    assert not (trained / "late").exists()


@pytest.mark.slow
def test_the_benchmark_of_evaluation_takes_the_populations_of_a_search(thriftnas, trained):
    assert thriftnas(*command(trained, "--out", trained / "run"))[0] == 0
    parser = argparse.ArgumentParser()
    subnet_eval.add_arguments(parser)
    few = ["--images", "8", "--rounds", "1", "--data", f"imagefolder:{trained / 'photos'}"]
    found = subnet_eval.run(parser.parse_args(["--search", str(trained / "run"), *few]))
    names = [row["population"] for row in found["rows"]]
    assert names == ["random", "children of generation 1", "survivors of generation 3"]
    assert found["populations"] == found["weights"] == str(trained / "run")
    assert all(row["agreement_float32"] > 0.9 for row in found["rows"])
    with pytest.raises(ValueError, match="not both"):
        subnet_eval.run(parser.parse_args(["--search", "there", "--supernet", "there"]))


def test_a_model_that_is_not_what_was_measured_is_measured_as_it_is_delivered(thriftnas, trained):
    """A shortcut behind a learned skip: what is exported is another function than what the search measured."""
    run, options = trained / "run", ("--signal", "accuracy", "--recalibrate", 0, "--population", 30, "--generations", 0)
    assert thriftnas(*command(trained, *options, "--out", run))[0] == 0
    code, out, err = thriftnas("run", "export", run, "--format", "json,csv,state")
    assert code == 0, err
    models = json.loads((run / "export" / "models.json").read_text())["models"]
    inexact = [model for model in models if model["weights"]["notes"]["inexact_layers"]]
    assert 0 < len(inexact) < len(models)
    images = load(f"imagefolder:{trained / 'photos'}", resolution=8, seed=3)
    table = pd.read_csv(run / "export" / "models.csv")
    measured = Journal.open(run, readonly=True).records()
    changed = 0
    for model in models:
        told = [line for line in out.splitlines() if f"Model {model['model']}: folding is inexact at layers" in line]
        assert len(told) == (model in inexact)
        searched, row = measured[model["trial"]].metrics["accuracy"], table.iloc[model["model"] - 1]
        if model not in inexact:
            assert (model["metrics"]["accuracy"], row["weights"]) == (searched, "of the run")
            continue
        assert f"taken from {len(images.train)} training images after it" in told[0]
        assert f"that of this network on {len(images.validation)} validation images" in told[0]
        read = load_model(run / "export" / model["files"]["state"])
        labels = read.predict(torch.tensor(images.validation.images)).argmax(dim=1).numpy()
        reached = (labels == images.validation.labels).mean()
        numbers = row["accuracy"], model["metrics"]["accuracy"], model["weights"]["accuracy"]["value"]
        assert numbers == (reached,) * 3
        assert model["weights"]["accuracy"]["low"] <= reached <= model["weights"]["accuracy"]["high"]
        assert (row["inherited_accuracy"], row["weights"]) == (searched, "remeasured")
        changed += reached != searched
    assert changed
    assert f"{len(images.validation)} validation images, 95 % interval" in (run / "export" / "MODEL.md").read_text()
    (trained / "photos").rename(trained / "lost")
    code, out, err = thriftnas("run", "export", run, "--format", "csv,state")
    assert code == 0, err
    assert "still those of before it; its accuracy is not known" in out
    known = pd.read_csv(run / "export" / "models.csv").set_index("weights")["accuracy"].notna()
    assert known["of the run"].all()
    assert not known["remeasured"].any()


def test_statistics_of_a_network_are_those_of_its_own_maps():
    network = build_chain(
        CHAIN_SPACES["nas-bench-macro"].sample(np.random.default_rng(0)),
        Skeleton(channels=4, resolution=8, classes=4),
        torch.Generator().manual_seed(0),
    )
    images = torch.randn(24, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 3 + 1
    take_statistics(network.eval(), images)
    assert not network.training
    first = next(part for part in network.stem if isinstance(part, torch.nn.BatchNorm2d))
    maps = network.stem[0](images)
    assert torch.allclose(first.running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(first.running_var, maps.var(dim=(0, 2, 3)), rtol=1e-4)


def test_more_images_to_recalibrate_on_than_there_are_leave_no_run(thriftnas, trained):
    code, _, err = thriftnas(*command(trained, "--recalibrate", 999, "--out", trained / "run"))
    assert code == 2
    assert "training images to recalibrate on, got 999" in err
    assert err.count("\n") == 1
    assert not (trained / "run").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [("digits", "reads images of 3 channels, those of digits have 1"), ("imagefolder:pair", "knows the 4 classes")],
)
def test_images_a_supernet_cannot_read_leave_no_run(thriftnas, trained, monkeypatch, data, message):
    monkeypatch.chdir(trained)
    (trained / "pair").mkdir()
    for label in range(2):
        (trained / "pair" / f"class{label}").symlink_to(trained / "photos" / f"class{label}")
    held, _ = load_supernet(trained / "net" / "supernet.pt")
    save_supernet(dataclasses.replace(held, notes={}), trained / "net" / "supernet.pt")  # it does not say what it saw
    code, _, err = thriftnas("scarlet", "search", "--supernet", "net", "--data", data, *FEW, "--out", "run")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not (trained / "run").exists()


def test_other_images_than_the_supernets_are_refused(thriftnas, trained):
    code, _, err = thriftnas(*command(trained, "--val", 8, "--out", trained / "run"))
    assert code == 2
    assert "trained on other images" in err
    assert not (trained / "run").exists()


def test_a_supernet_that_changed_gives_no_models(thriftnas, trained):
    assert thriftnas(*command(trained, "--out", trained / "run"))[0] == 0
    path = trained / "net" / "supernet.pt"
    path.write_bytes(path.read_bytes() + b"x")
    code, _, err = thriftnas("run", "export", trained / "run", "--format", "state")
    assert code == 2
    assert "is not at" in err
    assert not (trained / "run" / "export").exists()


@pytest.mark.parametrize("content", [b"", b"not a supernet", b"\x80\x04cos\nsystem\n(S'true'\ntR."])
def test_what_is_no_supernet_is_refused(thriftnas, trained, content):
    (trained / "net" / "supernet.pt").write_bytes(content)
    code, _, err = thriftnas(*command(trained, "--out", trained / "run"))
    assert code == 2
    assert err.count("\n") == 1
    assert not (trained / "run").exists()
