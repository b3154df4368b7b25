"""`zoo train`: a model from the last epoch, the same after any interruption, and bad input in one line."""

import contextlib
import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo.training.evaluator as evaluators
from zoo.data import load
from zoo.data.image_set import Split
from zoo.data.stream import open_stream
from zoo.experiments import Run
from zoo.export import load_model
from zoo.population.journal import Journal
from zoo.spaces.literature import PUBLISHED

pytestmark = pytest.mark.usefixtures("without_drawing")

SIZES = {"--channels": 2, "--cells": 3, "--batch": 20}


def words(options: dict[str, object]) -> list[str]:
    return [str(word) for pair in options.items() for word in pair]


TRAIN = ["zoo", "train", "PC_DARTS", *words({"--data": "digits", "--resolution": 8, **SIZES})]
TRAIN += words({"--epochs": 3, "--train": 40, "--val": 20})
STREAM = ["--stream", *words({"--loaders": 0, "--resolution": 8, "--epochs": 2, "--train": 40, "--val": 16})]


@pytest.fixture(scope="session")
def trained(tmp_path_factory, thriftnas) -> Path:
    folder = tmp_path_factory.mktemp("train") / "run"
    answer = thriftnas(*TRAIN, "--out", folder)
    assert answer.code == 0, answer.err
    (folder.parent / "said").write_text(answer.out)
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "epochs.csv").open() as file:
        return list(csv.DictReader(file))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_model(folder / "model.pt").network.state_dict()


def same_model(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return all(torch.equal(tensor, b[name]) for name, tensor in a.items())


@pytest.fixture
def interrupted_after(monkeypatch) -> Callable[[int], None]:
    """From here on Ctrl-C is pressed in the epoch after so many."""
    make = evaluators.TrainingEvaluator

    def interrupt(count: int) -> None:
        left = iter(range(count))

        def make_interrupted(*arguments, **named):
            evaluator = make(*arguments, **named)

            def evaluate(jobs: Sequence[object]):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return evaluator(jobs)

            return evaluate

        monkeypatch.setattr(evaluators, "TrainingEvaluator", make_interrupted)

    return interrupt


# ---------------------------------------------------------------- what it leaves


def test_a_training_ends_with_a_model_and_says_how_to_use_it(trained):
    folder = trained
    last = (folder.parent / "said").read_text().splitlines()[-1]
    assert last == f"Model: {folder / 'model.pt'} (use: thriftnas predict {folder / 'model.pt'} IMAGE)"
    model, best = load_model(folder / "model.pt"), json.loads((folder / "best.json").read_text())
    assert model.genotype == PUBLISHED["PC_DARTS"]
    assert best["genotype"] == model.genotype.to_dict()
    assert best["params"] == sum(parameter.numel() for parameter in model.network.parameters())
    assert best["macs"] > best["params"]


def test_the_model_is_the_last_epoch_whatever_the_best_was(trained):
    folder, best = trained, json.loads((trained / "best.json").read_text())
    with_epochs = rows(folder)
    assert [row["epoch"] for row in with_epochs] == ["1", "2", "3"]
    assert (best["trial"], best["accuracy"]) == (2, float(with_epochs[2]["accuracy"]))
    journal = Journal.open(folder, readonly=True)
    assert [(t.role, t.start, t.stop, t.keep) for t in journal.trials()] == [
        ("retrain", i, i + 1, True) for i in range(3)
    ]
    assert [path.name for path in (folder / "checkpoints").iterdir()] == [journal.records()[2].checkpoint]
    journal.close()


def test_the_accuracies_are_the_models_own(trained):
    model, images = load_model(trained / "model.pt"), load("digits", train=40, validation=20, resolution=8)
    best = json.loads((trained / "best.json").read_text())
    for name, split in (("accuracy", images.validation), ("test_accuracy", images.test)):
        hits = model.predict(torch.tensor(split.images)).argmax(dim=1).numpy() == split.labels
        assert best[name] == pytest.approx(hits.mean(), abs=1e-12)


def test_the_test_images_change_nothing_but_the_final_number(trained, thriftnas, tmp_path, monkeypatch):
    """So they are neither trained on nor selected with. (The fingerprint is of all images, hence not the digest.)"""

    def with_noise(*arguments, **choices):
        images = load(*arguments, **choices)
        noise = np.random.default_rng(0).integers(0, 256, images.test.images.shape, dtype=np.uint8)
        test = Split(images=noise, labels=images.test.labels)
        fields = {field.name: getattr(images, field.name) for field in dataclasses.fields(images) if field.init}
        return type(images)(**{**fields, "test": test})

    monkeypatch.setattr("zoo.data.load", with_noise)
    assert thriftnas(*TRAIN, "--out", tmp_path / "run").code == 0
    assert same_model(tmp_path / "run", trained)


# ---------------------------------------------------------------- continuing


@pytest.mark.parametrize("count", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_an_interrupted_training_continues_to_the_same_model(
    trained, thriftnas, tmp_path, digest, interrupted_after, monkeypatch, count
):
    folder = tmp_path / "run"
    with monkeypatch.context():
        interrupted_after(count)
        answer = thriftnas(*TRAIN, "--out", folder)
        assert answer.code == 130
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert not (folder / "model.pt").exists()
    state = json.loads(thriftnas("run", "status", folder, "--json").out)
    assert (state["done"], state["pending"]) == (count, 1)
    assert thriftnas("run", "resume", folder).code == 0
    assert digest(folder) == digest(trained)
    assert same_model(folder, trained)


def test_a_time_limit_stops_between_epochs_and_the_same_command_continues(trained, thriftnas, tmp_path, digest):
    folder = tmp_path / "run"
    stopped = thriftnas(*TRAIN, "--out", folder, "--time", "0.0001s", "--json")
    assert json.loads(stopped.out)["finished"] is False
    finished = thriftnas(*TRAIN, "--out", folder, "--json")
    assert json.loads(finished.out)["model"] == str(folder / "model.pt")
    assert digest(folder) == digest(trained)


@pytest.mark.parametrize(
    ("change", "named"),
    [(["--seed", "1"], "seed"), (["--lr", "0.01"], "recipe.lr"), (["--epochs", "4"], "setting"),
     (["--smoothing", "0.1"], "smoothing"), (["--auxiliary"], "auxiliary")],
)  # fmt: skip
def test_another_training_in_the_same_folder_is_refused(trained, thriftnas, digest, change, named):
    before = digest(trained)
    answer = thriftnas(*TRAIN, "--out", trained, *change)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "holds another run" in answer.err
    assert named in answer.err
    assert digest(trained) == before


def test_a_training_that_diverges_says_so_and_leaves_no_model(thriftnas, tmp_path):
    diverging = [*TRAIN, "--out", tmp_path / "run", "--lr", "1e30", "--clip", "1e30"]
    for _ in range(2):  # the same again: it is known by now
        answer = thriftnas(*diverging)
        assert answer.code == 2
        assert "the training failed in epoch 1: diverged" in answer.err
    assert not (tmp_path / "run" / "model.pt").exists()


# ---------------------------------------------------------------- streams


def test_a_streamed_training_ends_with_a_model_too(thriftnas, photos, tmp_path, digest):
    """And with another number of loaders it is the same training: here, an attempt to continue is accepted."""
    streamed = [
        "zoo",
        "train",
        "PC_DARTS",
        "--data",
        f"imagefolder:{photos}",
        *words(SIZES),
        *STREAM,
        "--out",
        tmp_path / "run",
    ]
    answer = thriftnas(*streamed)
    assert answer.code == 0, answer.err
    model = load_model(tmp_path / "run" / "model.pt")
    assert (model.classes, model.skeleton.form) == (("cat", "dog"), "cifar")
    before = digest(tmp_path / "run")
    assert (
        json.loads(thriftnas(*streamed, "--loaders", "1", "--json").out)["test_accuracy"]
        == model.notes["test_accuracy"]
    )
    assert digest(tmp_path / "run") == before


def test_the_imagenet_recipe_has_its_form_and_streams(thriftnas, photos, tmp_path):
    answer = thriftnas(
        "zoo", "train", "PC_DARTS", "--recipe", "imagenet", "--data", f"imagefolder:{photos}", "--resolution", 32,
        *words(SIZES), "--epochs", 3, "--batch", 30, "--loaders", 0, "--out", tmp_path / "run", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    model = load_model(tmp_path / "run" / "model.pt")
    assert (model.skeleton.form, model.skeleton.resolution) == ("imagenet", 32)
    recipe = Journal.open(tmp_path / "run", readonly=True).identity["setup"]["recipe"]
    assert (recipe["warmup"], recipe["warmup_lr"], recipe["lr"], recipe["batch"]) == (2, 0.2, 0.8, 30)


def test_a_damaged_image_can_be_repaired_and_the_training_goes_on(thriftnas, photos, tmp_path):
    streamed = [
        "zoo",
        "train",
        "PC_DARTS",
        "--data",
        f"imagefolder:{photos}",
        *words(SIZES),
        *STREAM,
        "--out",
        tmp_path / "run",
    ]
    reads = open_stream(f"imagefolder:{photos}", resolution=8, train=40, validation=16)
    path = photos / reads.files[reads.validation[0]]
    whole = path.read_bytes()
    path.write_bytes(whole[:50] + bytes(len(whole) - 50))
    answer = thriftnas(*streamed)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert f"{path}: expected a readable image" in answer.err
    path.write_bytes(whole)
    assert thriftnas(*streamed).code == 0


# ---------------------------------------------------------------- before it starts


@pytest.mark.parametrize("streamed", [False, True])
def test_a_dry_run_says_the_price_and_writes_nothing(thriftnas, photos, tmp_path, tree, streamed):
    before = tree(tmp_path)
    more = ["--data", f"imagefolder:{photos}", *STREAM] if streamed else []
    answer = thriftnas(*TRAIN, *more, "--out", "new", "--dry-run", "--json")
    price = json.loads(answer.out)
    assert (price["networks"], price["epochs"]) == (1, 2 if streamed else 3)
    assert 0 < price["hours"] < 1
    assert price["disk_mb"] > 0
    assert tree(tmp_path) == before
    assert "hours" in thriftnas(*TRAIN, *more, "--out", "new", "--dry-run").out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (["--recipe", "svhn"], "expected cifar or imagenet"),
        (["--recipe", "imagenet", "--resolution", "32"], "expected imagefolder:DIR"),
        (["--stream"], "expected imagefolder:DIR"),
        (["--epochs", "0"], "at least 1"),
        (["--warmup", "3"], "shorter than the 3 epochs"),
        (["--batch", "1"], "at least 2"),
        (["--lr", "-1"], "learning rates"),
        (["--smoothing", "1"], "smoothing"),
        (["--path-dropout", "1"], "path_dropout"),
        (["--channels", "0"], "channels"),
        (["--resolution", "18"], "multiple of 4"),
        (["--seed", "-1"], "negative"),
        (["--threads", "0"], "threads"),
        (["--loaders", "-1"], "loaders"),
        (["--device", "tpu"], "cuda"),
        (["--sync-bn"], "several processes"),
        (["--train", "100000"], "expected 1 to"),
        (["--time", "soon"], "90s"),
        (["--data", "cifar11"], "digits"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(thriftnas, tmp_path, tree, change, expected):
    before = tree(tmp_path)
    answer = thriftnas(*TRAIN, "--out", "new", *change)
    assert (answer.code, answer.out.strip(), answer.err.count("\n")) == (2, "", 1)
    assert expected in answer.err
    assert tree(tmp_path) == before


def test_a_genotype_that_is_none_is_named(thriftnas, tmp_path):
    (tmp_path / "cell.json").write_text("{}")
    for source in ("DARTS_V9", "cell.json"):
        answer = thriftnas("zoo", "train", source)
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert source in answer.err


# ---------------------------------------------------------------- kills and several processes


def start(*arguments: object, several: int = 0) -> subprocess.Popen[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(several)] if several else []
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "zoo.cli", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def with_children(number: int) -> list[int]:
    """A process and all it has started; torchrun gives its workers sessions of their own."""
    try:
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [number, *(one for child in children for one in with_children(int(child)))]


def kill_after(process: subprocess.Popen[str], folder: Path, records: int) -> None:
    """SIGKILL to the process and all it has started, once so many epochs are in the journal."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "journal.sqlite").exists():
            journal = Journal.open(folder, readonly=True)
            done = journal.counts()["done"]
            journal.close()
            if done >= records:
                break
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    for number in with_children(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("streamed", [False, True])
def test_killed_twice_it_ends_with_the_same_model(thriftnas, photos, tmp_path, digest, streamed):
    long = [*TRAIN, *(["--data", f"imagefolder:{photos}", *STREAM, "--loaders", 1] if streamed else []), "--epochs", 12]
    assert thriftnas(*long, "--out", tmp_path / "whole").code == 0
    for records in (2, 6):
        kill_after(start(*long, "--out", tmp_path / "run"), tmp_path / "run", records)
    assert thriftnas(*long, "--out", tmp_path / "run").code == 0
    assert digest(tmp_path / "run") == digest(tmp_path / "whole")
    assert same_model(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_under_torchrun_continue_after_a_kill(photos, tmp_path, digest):
    long = [*TRAIN, "--data", f"imagefolder:{photos}", *STREAM, "--epochs", 8, "--device", "cpu"]
    whole = start(*long, "--out", tmp_path / "whole", several=2)
    out, err = whole.communicate(timeout=280)
    assert whole.returncode == 0, err
    assert out.count("Model: ") == 1  # the first process alone speaks
    kill_after(start(*long, "--out", tmp_path / "run", several=2), tmp_path / "run", 3)
    rest = start(*long, "--out", tmp_path / "run", several=2)
    _, err = rest.communicate(timeout=280)
    assert rest.returncode == 0, err
    assert digest(tmp_path / "run") == digest(tmp_path / "whole")
    assert same_model(tmp_path / "run", tmp_path / "whole")


def test_parts_of_epochs_are_trials_and_belong_to_the_run(thriftnas, tmp_path):
    run = tmp_path / "run"
    answer = thriftnas(*TRAIN, "--every", "1", "--out", run)
    assert answer.code == 0, answer.err
    assert "after 3 epochs: validation" in answer.out
    assert [row["accuracy"] != "" for row in rows(run)] == [False, True] * 3  # two steps an epoch
    assert Run.open(run).experiment.per_epoch == 2, "or whoever replays the run asks for other trials"
    assert "holds another run" in thriftnas(*TRAIN, "--out", run).err
    assert "--every must be at least 1 step, got 0" in thriftnas(*TRAIN, "--every", "0", "--out", run).err
