"""Arrays or tensors in memory as an image set, split as every other data set is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.folder import hold_out
from zoo.data.image_set import ImageSet
from zoo.data.pool import Pool
from zoo.data.sources import image_set, resize

NAME = "arrays"
COLOURS = (1, 3)


def image_set_of(
    images: Any,
    labels: Any,
    *,
    classes: Sequence[str] | None = None,
    resolution: int | None = None,
    train: int | None = None,
    validation: int | None = None,
    seed: int = 0,
) -> ImageSet:
    """An image set of arrays or tensors; a fifth of the images is the test split, whatever the seed.

    Args:
        images: uint8, (N, H, W, C) or (N, C, H, W) with 1 or 3 colours, or (N, H, W).
        labels: (N,) whole numbers from 0.
        classes: names of the classes, in the order of their numbers; the numbers by default.
        resolution: pixels a side; None: the height of the images.
        train: training images in total, class-balanced; None: all that remain.
        validation: images taken from training; None: a fifth.
        seed: of the splits.

    Raises:
        ValueError: for another type or shape, labels that do not fit, or counts out of range.
    """
    pixels, numbers = _pixels(images), _labels(labels)
    if len(pixels) != len(numbers) or len(numbers) < 4:
        raise ValueError(f"expected a label for each of at least 4 images, got {len(pixels)} and {len(numbers)}")
    count = int(numbers.max()) + 1
    names = tuple(map(str, range(count))) if classes is None else tuple(map(str, classes))
    if numbers.min() < 0 or count > len(names) or len(names) < 2:
        raise ValueError(f"labels must lie between 0 and {len(names) - 1}, got {numbers.min()} to {numbers.max()}")
    kept, test = hold_out(numbers)

    def read(indices: NDArray[np.int64], side: int) -> NDArray[np.uint8]:
        return resize(np.ascontiguousarray(pixels[indices]), side)

    pool = Pool(
        classes=names,
        labels=numbers,
        train=kept,
        validation=None,
        test=test,
        base=pixels.shape[2],
        channels=pixels.shape[1],
        flip=pixels.shape[1] == 3,
        read=read,
    )
    return image_set(NAME, pool, resolution=resolution, train=train, validation=validation, seed=seed)


def _array(values: Any, what: str) -> NDArray[Any]:
    """Of a list, an array, or a tensor, which may be on a GPU or part of a graph."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{what} must be an array, got a {type(values).__name__} of unequal parts") from None


def _pixels(images: Any) -> NDArray[np.uint8]:
    """As (N, C, H, W)."""
    array = _array(images, "images")
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        raise ValueError(f"images must be uint8 (N, H, W, C) or (N, C, H, W), got {array.dtype} {array.shape}")
    if array.ndim == 3:
        return array[:, None]
    if array.shape[1] in COLOURS and array.shape[3] not in COLOURS:
        return array
    if array.shape[3] in COLOURS and array.shape[1] not in COLOURS:
        return array.transpose(0, 3, 1, 2)
    raise ValueError(f"images must have 1 or 3 colours, first or last of each, got {array.shape}")


def _labels(labels: Any) -> NDArray[np.int64]:
    array = _array(labels, "labels")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers (N,), got {array.dtype} {array.shape}")
    return array.astype(np.int64)
