"""Images of the groups: those of the bundle, or invented ones of the same shape, repeated where more are wanted."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks._gpu.bundle import FILE
from benchmarks._gpu.place import Place
from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet, Split, channel_statistics
from zoo.training.epoch import Examples

INVENTED, DRY, SIDE, CLASSES = 4000, 80, 32, 10

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of every channel."""


def image_set(place: Place, train: int, validation: int) -> ImageSet:
    """So many training and validation images, and a few of the latter as test images: nothing is selected here."""
    first, second, classes, (mean, std) = _held(place.data, place.size(INVENTED, DRY))
    parts = [_repeated(split, count) for split, count in ((first, train), (second, validation))]
    return ImageSet(
        name="images", classes=classes, train=parts[0], validation=parts[1], test=_repeated(second, 10),
        mean=mean, std=std, flip=True,
    )  # fmt: skip


@lru_cache(maxsize=4)
def examples_of(place: Place, count: int, resolution: int) -> Examples:
    """Training images on the device, where the next check finds them again."""
    split, _, _, (mean, std) = _held(place.data, place.size(INVENTED, DRY))
    chosen = _repeated(split, count)
    return Examples(
        images=torch.tensor(chosen.images, device=place.device),
        labels=torch.tensor(chosen.labels, device=place.device),
        resolution=resolution,
        mean=mean,
        std=std,
        flip=True,
    )


def pictures(place: Place, count: int, resolution: int) -> tuple[Tensor, Tensor]:
    """Prepared validation images (N, 3, r, r) and labels (N,) on the device."""
    _, second, _, (mean, std) = _held(place.data, place.size(INVENTED, DRY))
    chosen = _repeated(second, count)
    images = torch.tensor(chosen.images, device=place.device)
    return prepare(images, resolution, mean, std), torch.tensor(chosen.labels, device=place.device)


@lru_cache(maxsize=1)
def _held(path: Path | None, invented: int) -> tuple[Split, Split, tuple[str, ...], Statistics]:
    """Training and validation images as they are, the names of the classes, means and deviations of the channels.

    Raises:
        ValueError: for a file that `make gpu-bundle` has not written.
    """
    if path is None:
        split = _invented(invented, 0)
        return split, _invented(invented // 4, 1), tuple(map(str, range(CLASSES))), channel_statistics(split.images)
    file = path / FILE if path.is_dir() else path
    with np.load(file, allow_pickle=False) as held:
        wanted = ("train_images", "train_labels", "validation_images", "validation_labels", "classes")
        missing = [name for name in wanted if name not in held]
        if missing:
            raise ValueError(f"{file} has no {', '.join(missing)}, expected a file of `make gpu-bundle`")
        first, second = (
            Split(images=held[f"{name}_images"], labels=held[f"{name}_labels"].astype(np.int64))
            for name in ("train", "validation")
        )
        names = tuple(str(name) for name in held["classes"])
        return first, second, names, channel_statistics(first.images[:5000])


def _invented(count: int, seed: int) -> Split:
    """Noise, brighter by class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % CLASSES
    pixels = rng.integers(0, 156, (count, 3, SIDE, SIDE), dtype=np.uint8)
    return Split(images=pixels + (10 * labels[:, None, None, None]).astype(np.uint8), labels=labels)


def _repeated(split: Split, count: int) -> Split:
    """The first ``count`` images, from the start again where there are fewer: they take the same time."""
    chosen = np.arange(count) % len(split)
    return Split(images=split.images[chosen], labels=split.labels[chosen])
