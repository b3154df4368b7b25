"""Streams: the splits and pixels of an image set without holding it, the same whoever decodes, and resumable."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.photos import cats_and_dogs
from zoo.data import load
from zoo.data.stream import AREA, RATIO, ImageStream, Reader, Request, crop_box, open_stream
from zoo.population import Job, ProxySetting, Trial
from zoo.spaces import PUBLISHED, Skeleton
from zoo.training import Recipe, TrainingSetup
from zoo.training.distributed import ProcessGroup
from zoo.training.epoch import Stage
from zoo.training.stream import StreamBatches, StreamEvaluator

SIDE = 8
SETUP = TrainingSetup(
    skeleton=Skeleton(channels=2, cells=3, resolution=SIDE, classes=2), recipe=Recipe(batch=10, cutout=0.25), seed=3
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cats_and_dogs(tmp_path_factory.mktemp("stream") / "photos")


@pytest.fixture(scope="module")
def images(folder: Path) -> ImageStream:
    return open_stream(f"imagefolder:{folder}", resolution=SIDE, seed=3)


def read(stream: ImageStream, numbers: np.ndarray, loaders: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    with Reader(stream, loaders) as reader:
        ((pixels, labels),) = reader.batches([[Request(number, SIDE) for number in numbers.tolist()]])
    return pixels, labels


# ---------------------------------------------------------------- the images


@pytest.mark.parametrize(("train", "validation"), [(None, None), (20, 7)])
def test_a_stream_has_the_splits_pixels_and_statistics_of_the_image_set(folder, tmp_path, train, validation):
    name = f"imagefolder:{folder}"
    held = load(name, resolution=SIDE, train=train, validation=validation, seed=3, root=tmp_path)
    stream = open_stream(name, resolution=SIDE, train=train, validation=validation, seed=3)
    assert (stream.classes, stream.mean, stream.std, stream.flip) == (held.classes, held.mean, held.std, held.flip)
    for part in ("train", "validation", "test"):
        pixels, labels = read(stream, getattr(stream, part))
        np.testing.assert_array_equal(pixels.numpy(), getattr(held, part).images)
        np.testing.assert_array_equal(labels.numpy(), getattr(held, part).labels)


def test_the_fingerprint_is_of_the_files_and_splits_not_of_the_path(folder, tmp_path):
    def fingerprint(root: Path, **options: int) -> str:
        return open_stream(f"imagefolder:{root}", **({"resolution": SIDE, "seed": 3} | options)).fingerprint

    moved = tmp_path / "elsewhere"
    for path in folder.rglob("*.png"):
        target = moved / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    first = fingerprint(folder)
    assert fingerprint(moved) == first
    assert (
        len({first, fingerprint(folder, seed=4), fingerprint(folder, train=20), fingerprint(folder, resolution=4)}) == 4
    )
    (moved / "cat" / "00.png").rename(moved / "cat" / "99.png")
    assert fingerprint(moved) != first


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [("digits", {}, "imagefolder:DIR"), ("imagefolder:nowhere", {}, "readable folder"), (None, {"train": 99}, "1 to")],
)
def test_bad_input_is_named(folder, name, options, expected):
    with pytest.raises(ValueError, match=expected):
        open_stream(name or f"imagefolder:{folder}", resolution=SIDE, **options)


# ---------------------------------------------------------------- the reader


@pytest.mark.parametrize("size", [(50, 40), (300, 20), (7, 90), (1, 1)])
def test_crops_lie_in_the_picture_and_have_the_area_and_ratio_of_the_paper(size):
    width, height = size
    picture, shapes = Image.new("RGB", size), set()
    for seed in range(200):
        top, left, h, w = crop_box(picture, np.random.default_rng(seed))
        assert 0 <= top <= top + h <= height
        assert 0 <= left <= left + w <= width
        shapes.add((h, w))
        if size == (50, 40):
            slack = 1 / min(h, w)  # sides are whole pixels
            assert AREA[0] * (1 - 2 * slack) <= h * w / (width * height) <= 1
            assert RATIO[0] * (1 - 2 * slack) <= w / h <= RATIO[1] * (1 + 2 * slack)
    assert len(shapes) > 100 or size != (50, 40)


def test_a_request_is_answered_alike_by_every_number_of_loaders(images):
    """Random crops too; and the global random stream stays where it was."""
    plan = [[Request(n, SIDE, (1, 2, n)) for n in part.tolist()] for part in np.array_split(images.train, 4)]
    before = torch.get_rng_state()
    answers = []
    for loaders in (0, 2):
        with Reader(images, loaders) as reader:
            first = list(reader.batches(plan))
            again = list(reader.batches(plan))  # the same processes serve a second epoch
        assert all(torch.equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True))
        answers.append(first)
    for here, there in zip(*answers, strict=True):
        assert torch.equal(here[0], there[0])
        assert torch.equal(here[1], there[1])
    assert torch.equal(torch.get_rng_state(), before)
    other = [[Request(n, SIDE, (1, 3, n)) for n in images.train[:5].tolist()]]
    with Reader(images) as reader:
        assert not torch.equal(next(reader.batches(other))[0], answers[0][0][0][:5])


@pytest.mark.parametrize("loaders", [0, 1])
def test_a_damaged_image_is_one_line_that_names_it(images, folder, loaders):
    path = folder / "cat" / "29.png"
    number = list(images.files).index(os.path.join("cat", "29.png"))
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    try:
        with (
            Reader(images, loaders) as reader,
            pytest.raises(ValueError, match=r"cat/29\.png: expected a readable") as error,
        ):
            list(reader.batches([[Request(number, SIDE, (0,))]]))
        assert "\n" not in str(error.value)
    finally:
        path.write_bytes(whole)


# ---------------------------------------------------------------- the evaluator


def stage(epoch: int) -> Stage:
    return Stage(start=epoch, stop=epoch + 1, epochs=4, seed=SETUP.seed, root=0)


def epoch_seen(
    images: ImageStream,
    epoch: int,
    ranks: ProcessGroup = ProcessGroup(),  # noqa: B008
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    with Reader(images) as reader:
        batches = batches_of(images, reader, epoch, ranks)
        return list(batches.part(range(len(batches.slices))))


def batches_of(images: ImageStream, reader: Reader, epoch: int, ranks: ProcessGroup) -> StreamBatches:
    return StreamBatches(images, reader, images.train, SETUP, SIDE, stage(epoch), epoch, ranks)


def test_an_epoch_goes_on_after_any_step_as_if_it_had_never_stopped(images):
    whole = epoch_seen(images, 1)
    with Reader(images) as reader:
        rest = list(batches_of(images, reader, 1, ProcessGroup()).part(range(1, len(whole))))
    assert len(rest) == len(whole) - 1 > 0
    assert all(torch.equal(a, b) for pair in zip(whole[1:], rest, strict=True) for a, b in zip(*pair, strict=True))


def test_an_epoch_shows_every_image_once_in_an_order_and_with_crops_of_its_own(images):
    first, again, second = (epoch_seen(images, epoch) for epoch in (0, 0, 1))
    for (a, _), (b, _) in zip(first, again, strict=True):
        assert torch.equal(a, b)
    labels = [torch.cat([label for _, label in seen]) for seen in (first, second)]
    assert sorted(labels[0].tolist()) == sorted(labels[1].tolist()) == sorted(images.labels[images.train].tolist())
    assert not torch.equal(*labels)
    assert math.isclose(first[0][0].mean().item(), 0, abs_tol=0.5)  # normalised


def test_processes_share_what_one_would_see(images):
    alone = epoch_seen(images, 2)
    shares = [epoch_seen(images, 2, ProcessGroup(rank, 3)) for rank in range(3)]
    for number, (pixels, labels) in enumerate(alone):
        parts = [share[number] for share in shares]
        assert torch.equal(torch.cat([part for part, _ in parts]), pixels)
        assert torch.equal(torch.cat([part for _, part in parts]), labels)


def test_stages_continue_one_another_exactly_and_learn(images):
    setting = ProxySetting(0, 0, 0, 3)

    def run(evaluator: StreamEvaluator, start: int, stop: int, checkpoint: bytes | None) -> tuple[dict, bytes]:
        trial = Trial(
            index=stop, genotype=PUBLISHED["PC_DARTS"], setting=setting, start=start, stop=stop,
            resumes=start if start else None, keep=True,
        )  # fmt: skip
        ((record, weights),) = evaluator([Job(trial, 0, checkpoint)])
        assert record.ok, record.reason
        return dict(record.metrics), weights

    with Reader(images) as reader:
        whole = run(StreamEvaluator(SETUP, images, reader), 0, 3, None)
    with Reader(images) as reader:
        half = run(StreamEvaluator(SETUP, images, reader), 0, 1, None)
    with Reader(images) as reader:
        rest = run(StreamEvaluator(SETUP, images, reader), 1, 3, half[1])
    assert rest == whole
    assert whole[0]["train_loss"] < half[0]["train_loss"]
    assert whole[0]["images"] == len(images.train)
