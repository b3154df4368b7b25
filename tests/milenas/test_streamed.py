"""A differentiable search on images that do not fit in memory: its parts, its feeds, what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

import milenas
from milenas.training.batches import divide_images
from milenas.training.material import StreamedImages
from milenas.training.setup import paper_setup
from tests.interrupted import broken_off
from tests.photos import cats_and_dogs
from zoo.cli import main
from zoo.data.stream import Reader, open_stream
from zoo.experiments import ImageSource, execute
from zoo.training.distributed import ALONE
from zoo.training.epoch import Stage

pytestmark = pytest.mark.usefixtures("without_drawing")
SIDE = 8
SIZES = {"channels": 2, "cells": 3, "final_channels": 2, "final_cells": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cats_and_dogs(tmp_path_factory.mktemp("stream") / "photos")


def source(folder):
    return ImageSource(name=f"imagefolder:{folder}", resolution=SIDE, streamed=True)


def setup(topology="fixed", **changes):
    shape = milenas.paper_config(topology, operations=("skip_connect", "sep_conv_3x3"), nodes=5)
    return paper_setup(shape, SIZES, {"batch": 6}, epochs=2, seed=3, **changes)


def search(**changes):
    finals = {"retrain": changes.pop("retrain", 0)}
    return milenas.DifferentiableExperiment(setup=setup(**changes), loaders=0, **finals)


def records(run):
    with run.journal() as journal:
        return journal.records()


def test_a_search_in_parts_that_is_killed_ends_as_one_of_whole_epochs(folder, tmp_path):
    whole = execute(search(retrain=1, retrain_epochs=1, eigenvalue=True), source(folder), tmp_path / "whole")
    assert whole.summary["test_accuracy"] >= 0  # of the network that was retrained on the stream
    parts = search(retrain=1, retrain_epochs=1, eigenvalue=True, every=2)
    with broken_off(milenas.SearchEvaluator, 1), pytest.raises(KeyboardInterrupt):
        execute(parts, source(folder), tmp_path / "parts")
    ended = execute(parts, source(folder), tmp_path / "parts")
    assert (tmp_path / "parts" / "model.pt").exists()
    last, other = (
        [dict(one.metrics) for one in records(run).values() if "eigenvalue" in one.metrics] for run in (whole, ended)
    )
    assert len(last) == 2
    for one, same in zip(other, last, strict=True):  # epoch by epoch, the supernet is the same
        assert one.pop("train_loss") == pytest.approx(same.pop("train_loss"))  # summed in parts
        assert one == same
    assert 0 < min(one.epochs_paid for one in records(ended).values()) < 1


def test_owners_take_turns_and_their_batches_are_the_same_whichever_step_comes_first(folder):
    one = setup("stretchable", split=3)
    stream = open_stream(f"imagefolder:{folder}", resolution=SIDE, seed=3)
    stage = Stage(start=0, stop=2, epochs=2, seed=3, root=0)
    with Reader(stream) as reader:
        images = StreamedImages(one, stream, reader)
        feed = images.feed(stage, 0, ALONE)
        assert len(feed) == images.steps > 1
        seen = [[ask() for ask in asks] for asks in feed.part(range(len(feed) + 1))]
        late = [[ask() for ask in asks] for asks in images.feed(stage, 0, ALONE).part(range(1, 2))]
        other = [[ask() for ask in asks] for asks in images.feed(stage, 1, ALONE).part(range(1))]
    assert [len(asks) for asks in seen] == [3] * (len(feed) + 1)
    for (pixels, labels, place), (again, same, where) in zip(seen[1], late[0], strict=True):
        assert torch.equal(pixels, again)
        assert torch.equal(labels, same)
        assert place == where
    assert torch.equal(seen[0][0][0], seen[len(feed)][0][0])  # steps begin anew
    assert not torch.equal(seen[0][0][0], other[0][0][0])  # every epoch has crops of its own
    shares = divide_images(stream.labels[stream.train], stream.classes, 3, 3)
    assert sum(map(len, shares)) == len(stream.train)
    counts = [sum(len(labels) for _, labels, _ in column) for column in zip(*seen[: len(feed)], strict=True)]
    assert counts[0] == len(shares[0]) - 1 == 12  # a last batch of one image is left out


def test_what_a_stream_cannot_be_is_one_line(folder, tmp_path, capsys):
    command = ["darts", "search", "--stream", "--out", str(tmp_path / "run")]
    assert main([*command, "--data", "digits"]) == 2
    assert "data set to stream: expected imagefolder:DIR" in capsys.readouterr().err
    assert main([*command, "--data", f"imagefolder:{folder}", "--loaders", "-1"]) == 2
    assert "loaders must be at least 0" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    sizes = ["--resolution", "8", "--cells", "3", "--channels", "2", "--batch", "6", "--epochs", "1", "--loaders", "0"]
    assert main([*command, "--data", f"imagefolder:{folder}", *sizes, "--dry-run", "--json"]) == 0
    assert "hours" in capsys.readouterr().out


def test_it_is_measured_on_the_validation_images_as_those_in_memory_are(folder):
    """The centre squares of a stream are the pixels that a set in memory has."""
    from milenas.supernet.supernet import build_supernet
    from milenas.training.material import HeldImages

    one = setup()
    stream = open_stream(f"imagefolder:{folder}", resolution=SIDE, seed=3)
    held = ImageSource(name=f"imagefolder:{folder}", resolution=SIDE).images(3)
    skeleton = one.skeleton.__class__(channels=2, cells=3, resolution=SIDE, classes=2)
    net = build_supernet(one.shape, skeleton, torch.Generator().manual_seed(0))
    with Reader(stream) as reader:
        streamed = StreamedImages(one, stream, reader).measured(net)
    assert streamed["accuracy"] == HeldImages(one, held).measured(net)["accuracy"]
    assert np.isfinite(streamed["loss"])
