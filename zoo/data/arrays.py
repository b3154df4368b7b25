"""Arrays or tensors in memory as an image set, split as every other data set is."""

from collections.abc import Sequence
from typing import Any

from zoo.data.held import Arrays, pool_of
from zoo.data.image_set import ImageSet
from zoo.data.sources import image_set

NAME = "arrays"


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
    pool = pool_of(Arrays(images=images, labels=labels, classes=classes))
    return image_set(NAME, pool, resolution=resolution, train=train, validation=validation, seed=seed)
