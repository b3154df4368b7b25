"""Batches: the training images divided among w, α and β, and the batches of all of them step by step."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zoo import purposes
from zoo.data.image_set import split_off
from zoo.data.stream import ImageStream, Reader
from zoo.training.distributed import ProcessGroup
from zoo.training.epoch import EpochBatches, Examples, Stage
from zoo.training.recipe import Recipe
from zoo.training.stream import Fed, StreamBatches

# Of w's images, α's and β's.
ORDERS = (purposes.WEIGHT_ORDER, purposes.ALPHA_ORDER, purposes.BETA_ORDER)
DRAWS = (purposes.WEIGHT_DRAWS, purposes.ALPHA_DRAWS, purposes.BETA_DRAWS)
OWNERS = ("the weights", "alpha", "beta")


def divide_images(labels: NDArray[np.int64], classes: Sequence[str], split: int, seed: int) -> list[NDArray[np.int64]]:
    """Places of the training images of w, α and, with a split in 3, β: equal shares with the same classes.

    Deviation: the papers measure a search on the images that train α. Here the image set's validation images
    are for measuring alone, so that sizes and epochs are compared on images nobody has trained on.

    Args:
        labels: of the training images, (N,).
        classes: their names.
        split: 2 or 3 shares.
        seed: of the division.

    Raises:
        ValueError: naming the class, if a share has no image of it.
    """
    rng = np.random.default_rng((seed, purposes.IMAGE_DIVISION))
    rest = np.arange(len(labels))
    parts: list[NDArray[np.int64]] = []
    for left in range(split, 1, -1):
        count = len(rest) // left
        if not count:
            break
        taken, kept = split_off(labels[rest], count, rng)
        parts.append(rest[taken])
        rest = rest[kept]
    parts.insert(0, rest)  # w has what is left over
    for number, name in enumerate(classes):
        for owner, part in zip(OWNERS, parts, strict=False):
            if number not in labels[part]:
                raise ValueError(
                    f"class {name!r} has {np.count_nonzero(labels == number)} training images, expected at least "
                    f"{split}: split in {split}, {owner} would see none of them"
                )
    if len(parts) < split:
        raise ValueError(f"expected at least {split} training images to split in {split}, got {len(labels)}")
    return parts


Batch = tuple[Tensor, Tensor, slice]
"""This process's pixels (b, C, H, W) and labels (b,), and where the whole batch is in the epoch."""
Ask = Callable[[], Batch]


class Feed(Protocol):
    """The batches of all owners in one epoch."""

    def __len__(self) -> int:
        """Steps of w, whose epoch it is; the other owners' batches begin anew where they end."""
        ...

    def part(self, steps: range) -> Iterator[tuple[Ask, ...]]:
        """For every step what gives the owners' batches, which are augmented where they are asked for."""
        ...


class HeldFeed:
    """The batches of images in memory, the same whichever step is asked for first.

    Args:
        owned: the images of w, α and, with a split in 3, β.
        recipe: batch and cutout.
        stage: whose seed and root the random numbers come from.
        epoch: from 0.
        ranks: whose processes share every batch.
    """

    def __init__(
        self, owned: Sequence[Examples], recipe: Recipe, stage: Stage, epoch: int, ranks: ProcessGroup
    ) -> None:
        self._epochs = [
            EpochBatches(examples, recipe, stage, epoch, ranks, (ORDERS[owner], DRAWS[owner]))
            for owner, examples in enumerate(owned)
        ]

    def __len__(self) -> int:
        return len(self._epochs[0])

    def part(self, steps: range) -> Iterator[tuple[Ask, ...]]:
        """As :meth:`Feed.part`."""
        return (tuple(partial(_held, epoch, step % len(epoch)) for epoch in self._epochs) for step in steps)


def _held(epoch: EpochBatches, step: int) -> Batch:
    return *epoch.batch(step), epoch.slices[step]


class _OfWeights(StreamBatches):
    purposes = (purposes.WEIGHT_ORDER, purposes.WEIGHT_DRAWS, purposes.WEIGHT_CROP)


class _OfAlpha(StreamBatches):
    purposes = (purposes.ALPHA_ORDER, purposes.ALPHA_DRAWS, purposes.ALPHA_CROP)


class _OfBeta(StreamBatches):
    purposes = (purposes.BETA_ORDER, purposes.BETA_DRAWS, purposes.BETA_CROP)


STREAMED = (_OfWeights, _OfAlpha, _OfBeta)


class StreamedFeed:
    """The batches of images that are decoded when they are needed: the owners' in turn, step by step.

    Args:
        images: the stream.
        reader: reads it.
        owned: numbers of the images of w, α and, with a split in 3, β.
        setup: batch, cutout, device.
        resolution: pixels a side.
        stage: whose seed and root the random numbers come from.
        epoch: from 0.
        ranks: whose processes share every batch.
    """

    def __init__(
        self,
        images: ImageStream,
        reader: Reader,
        owned: Sequence[NDArray[np.int64]],
        setup: Fed,
        resolution: int,
        stage: Stage,
        epoch: int,
        ranks: ProcessGroup,
    ) -> None:
        self._reader = reader
        self._epochs = [
            kind(images, reader, numbers, setup, resolution, stage, epoch, ranks)
            for kind, numbers in zip(STREAMED, owned, strict=False)
        ]

    def __len__(self) -> int:
        return len(self._epochs[0].slices)

    def part(self, steps: range) -> Iterator[tuple[Ask, ...]]:
        """As :meth:`Feed.part`; read are the batches of all owners."""
        plan = [(epoch, step % len(epoch.slices)) for step in steps for epoch in self._epochs]
        read = zip(plan, self._reader.batches(epoch.requests(step) for epoch, step in plan), strict=True)
        owned: list[Ask] = []
        for (epoch, step), (pixels, labels) in read:
            owned.append(partial(_seen, epoch, step, pixels, labels))
            if len(owned) == len(self._epochs):
                yield tuple(owned)
                owned = []


def _seen(epoch: StreamBatches, step: int, pixels: Tensor, labels: Tensor) -> Batch:
    return *epoch.seen(step, pixels, labels), epoch.slices[step]
