"""Held images: arrays or tensors in memory as a pool."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.folder import hold_out
from zoo.data.pool import Pool
from zoo.data.resizing import resize

COLOURS = (1, 3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrays:
    """Images and labels in memory, with names of the classes and, where the data has one, a test split of its own.

    Attributes:
        images: uint8, (N, H, W, C) or (N, C, H, W) with 1 or 3 colours, or (N, H, W); arrays or tensors.
        labels: (N,) whole numbers from 0.
        classes: names of the classes, in the order of their numbers; None: the numbers.
        test_images: of the test split, as ``images``; None: a fifth of the images, the same ones whatever the seed.
        test_labels: of the test split.
        flip: whether training may mirror an image; None: an image with 3 colours, and no grey one.
    """

    images: Any
    labels: Any
    classes: Sequence[str] | None = None
    test_images: Any = None
    test_labels: Any = None
    flip: bool | None = None


def pool_of(arrays: Arrays) -> Pool:
    """The pool of images that are in memory.

    Raises:
        ValueError: for another type or shape, or labels that do not fit.
    """
    pixels, labels = _split(arrays.images, arrays.labels)
    own = len(pixels)
    if (arrays.test_images is None) != (arrays.test_labels is None):
        raise ValueError("a test split has images and labels, got only one of them")
    if arrays.test_images is not None:
        more, numbers = _split(arrays.test_images, arrays.test_labels)
        if more.shape[1:] != pixels.shape[1:]:
            raise ValueError(f"test images must be like the others, {pixels.shape[1:]}, got {more.shape[1:]}")
        pixels, labels = np.concatenate([pixels, more]), np.concatenate([labels, numbers])
    count = int(labels.max()) + 1
    names = tuple(map(str, range(count) if arrays.classes is None else arrays.classes))
    if labels.min() < 0 or count > len(names) or len(names) < 2:
        raise ValueError(f"labels must lie between 0 and {len(names) - 1}, got {labels.min()} to {labels.max()}")
    everything = np.arange(len(labels), dtype=np.int64)
    train, test = hold_out(labels) if own == len(labels) else (everything[:own], everything[own:])

    def read(indices: NDArray[np.int64], side: int) -> NDArray[np.uint8]:
        return resize(np.ascontiguousarray(pixels[indices]), side)

    return Pool(
        classes=names,
        labels=labels,
        train=train,
        validation=None,
        test=test,
        base=pixels.shape[2],
        channels=pixels.shape[1],
        flip=pixels.shape[1] == 3 if arrays.flip is None else arrays.flip,
        read=read,
    )


def _split(images: Any, labels: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images as (N, C, H, W), and their labels."""
    pixels, numbers = _pixels(images), _whole(labels)
    if len(pixels) != len(numbers) or len(numbers) < 4:
        raise ValueError(f"expected a label for each of at least 4 images, got {len(pixels)} and {len(numbers)}")
    return pixels, numbers


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


def _whole(labels: Any) -> NDArray[np.int64]:
    array = _array(labels, "labels")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers (N,), got {array.dtype} {array.shape}")
    return array.astype(np.int64)
