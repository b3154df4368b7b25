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

INVENTED, SIDE, CLASSES = 4000, 32, 10


def image_set(place: Place, train: int, validation: int) -> ImageSet:
    """So many training and validation images, and a few of the latter as test images: nothing is selected here."""
    first, second, classes = _held(place.data)
    parts = [_repeated(split, count) for split, count in ((first, train), (second, validation))]
    mean, std = _statistics(first)
    return ImageSet(
        name="images", classes=classes, train=parts[0], validation=parts[1], test=_repeated(second, 10),
        mean=mean, std=std, flip=True,
    )  # fmt: skip


@lru_cache(maxsize=4)
def examples_of(place: Place, count: int, resolution: int) -> Examples:
    """Training images on the device, where the next check finds them again."""
    split = _held(place.data)[0]
    chosen, (mean, std) = _repeated(split, count), _statistics(split)
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
    first, second, _ = _held(place.data)
    chosen, (mean, std) = _repeated(second, count), _statistics(first)
    images = torch.tensor(chosen.images, device=place.device)
    return prepare(images, resolution, mean, std), torch.tensor(chosen.labels, device=place.device)


def _statistics(split: Split) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return channel_statistics(split.images[:5000])


@lru_cache(maxsize=1)
def _held(path: Path | None) -> tuple[Split, Split, tuple[str, ...]]:
    """Training and validation images as they are, and the names of the classes.

    Raises:
        ValueError: for a file that `make gpu-bundle` has not written.
    """
    if path is None:
        return _invented(INVENTED, 0), _invented(INVENTED // 4, 1), tuple(map(str, range(CLASSES)))
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
        return first, second, tuple(str(name) for name in held["classes"])


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
