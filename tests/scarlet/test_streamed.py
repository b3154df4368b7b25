"""Supernets on images that do not fit in memory: parts of epochs, searches on what is held of a stream, chunks."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import scarlet
from scarlet.evaluation import tree
from scarlet.evaluation.tree import recalibrated
from scarlet.experiments.sources import held_images
from scarlet.extraction.inherited import InheritedModels
from scarlet.supernet.material import HeldImages, StreamedImages
from scarlet.supernet.training import SupernetEvaluator
from tests.interrupted import broken_off
from tests.photos import cats_and_dogs
from zoo.data.stream import Reader, open_stream
from zoo.experiments import ImageSource, execute
from zoo.population import ProxySetting
from zoo.spaces import Skeleton
from zoo.training import TrainingSetup

pytestmark = pytest.mark.usefixtures("without_drawing")
SIDE = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cats_and_dogs(tmp_path_factory.mktemp("stream") / "photos")


def source(folder, streamed=True):
    return ImageSource(name=f"imagefolder:{folder}", resolution=SIDE, streamed=streamed)


def training(every=None):
    setup = TrainingSetup(
        skeleton=Skeleton(channels=4, cells=8, resolution=SIDE, classes=2),
        recipe=dataclasses.replace(scarlet.RECIPE, batch=10), seed=3, engine="auto",
    )  # fmt: skip
    return scarlet.SupernetExperiment(
        form=scarlet.SupernetForm(space="nas-bench-macro"),
        setting=ProxySetting(0, 0, 0, 2),
        setup=scarlet.SupernetSetup(training=setup, sampling="fair", every=every),
        loaders=0,
    )


@pytest.fixture(scope="module")
def net(folder, tmp_path_factory):
    """A supernet of two epochs of four steps, in parts of three steps and one."""
    return execute(training(3), source(folder), tmp_path_factory.mktemp("net") / "run")


def test_a_supernet_in_parts_is_the_one_of_whole_epochs(net, folder, tmp_path):
    whole = execute(training(), source(folder), tmp_path / "whole")
    assert [record.epochs_paid for record in records(net).values()] == [0.5] * 4
    assert [("accuracy" in record.metrics) for record in records(net).values()] == [False, True, False, True]
    assert len(records(whole)) == 2
    files = [scarlet.load_supernet(run.folder / "supernet.pt")[0] for run in (net, whole)]
    for a, b in zip(*(held.network.state_dict().values() for held in files), strict=True):
        assert torch.equal(a, b)
    assert files[0].notes == files[1].notes
    assert "after 2 epochs" in str(net.report().page)


def records(run):
    with run.journal() as journal:
        return journal.records()


def test_a_training_killed_in_the_middle_of_an_epoch_goes_on_there(net, folder, tmp_path):
    with broken_off(SupernetEvaluator, 3), pytest.raises(KeyboardInterrupt):
        execute(training(3), source(folder), tmp_path / "run")
    again = execute(training(3), source(folder), tmp_path / "run")
    assert again.digest == net.digest
    assert [record.epochs_paid for record in records(again).values()] == [0.5] * 4  # nothing is trained twice


def test_a_stream_is_validated_as_the_same_images_in_memory(net, folder, monkeypatch):
    monkeypatch.setattr("scarlet.supernet.material.CHUNK", 5)
    held, _ = scarlet.load_supernet(net.folder / "supernet.pt")
    stream = open_stream(f"imagefolder:{folder}", resolution=SIDE, seed=3)
    setup, paths = training().setup.training, np.random.default_rng(0).integers(3, size=(4, 8))
    with Reader(stream) as reader:
        streamed = StreamedImages(setup, stream, reader)
        found, compared = streamed.scores(held.network, paths), streamed.compared(6)
    memory = HeldImages(setup, held_images(source(folder, streamed=False), 3, SIDE))
    wanted = memory.scores(held.network, paths)
    assert (found.predictions == wanted.predictions).all()
    assert np.allclose(found.losses, wanted.losses)
    assert (streamed.labels == memory.labels).all()
    assert torch.equal(compared, memory.compared(6))


def test_a_search_holds_the_validation_images_and_those_it_recalibrates_on(net, folder, tmp_path):
    parameters = scarlet.SearchParameters(population=4, generations=0)
    setup = scarlet.SubnetSetup(recalibration=7)
    supernet = scarlet.SupernetSource(supernet=net.folder, images=source(folder))
    run = execute(scarlet.FrontExperiment(parameters=parameters, group=4, setup=setup), supernet, tmp_path / "run")
    part = held_images(source(folder), 3, SIDE, 7)
    assert (len(part.train), len(part.validation), len(part.test)) == (7, len(part.validation), 0)
    assert part.fingerprint == run.identity["source"]["data"] == net.identity["data"]
    found = run.front()
    model = InheritedModels(run)(found.trials[0], found.records[0])
    assert model.notes["recalibrated"] == 7
    whole = open_stream(f"imagefolder:{folder}", resolution=SIDE, seed=3)
    assert {part.train.images[i].tobytes() for i in range(7)} <= pixels_of(whole)
    audited = scarlet.FrontExperiment(parameters=parameters, audit=scarlet.Audit(networks=5))
    with pytest.raises(ValueError, match="on images in memory"):
        execute(audited, supernet, tmp_path / "audited")


def pixels_of(stream):
    from zoo.data.stream import held_part

    return {image.tobytes() for image in held_part(stream, stream.train).train.images}


def test_statistics_of_many_pixels_are_the_mean_over_equal_parts(supernet, random_paths, monkeypatch):
    network = supernet("nas-bench-macro")
    images = torch.randn(12, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    paths = random_paths(network, 5)
    parts = [recalibrated(network, part, paths) for part in images.split(4)]
    monkeypatch.setattr(tree, "BATCH_PIXELS", 4 * 64)
    found = recalibrated(network, images, paths)
    assert found.keys() == parts[0].keys()
    for prefix, pairs in found.items():
        for place, pair in enumerate(pairs):
            for side, moment in enumerate(pair):
                wanted = torch.stack([part[prefix][place][side] for part in parts]).mean(dim=0)
                assert torch.allclose(moment, wanted, rtol=1e-12)


def test_checkpoints_without_a_step_are_refused():
    with pytest.raises(ValueError, match="--every must be at least 1 step, got 0"):
        training(0)
