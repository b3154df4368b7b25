"""Batches: the training images divided among w, α and β, and each share in batches."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo import purposes
from zoo.data.image_set import ImageSet, split_off
from zoo.training.distributed import ProcessGroup
from zoo.training.epoch import EpochBatches, Examples, Stage
from zoo.training.recipe import Recipe

# Of w's images, α's and β's.
ORDERS = (purposes.WEIGHT_ORDER, purposes.ALPHA_ORDER, purposes.BETA_ORDER)
DRAWS = (purposes.WEIGHT_DRAWS, purposes.ALPHA_DRAWS, purposes.BETA_DRAWS)
OWNERS = ("the weights", "alpha", "beta")


def divide_images(images: ImageSet, split: int, seed: int) -> list[NDArray[np.int64]]:
    """Indices of the training images of w, α and, with a split in 3, β: equal shares with the same classes.

    Deviation: the papers measure a search on the images that train α. Here the image set's validation images
    are for measuring alone, so that sizes and epochs are compared on images nobody has trained on.

    Raises:
        ValueError: naming the class, if a share has no image of it.
    """
    labels = images.train.labels
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
    for number, name in enumerate(images.classes):
        for owner, part in zip(OWNERS, parts, strict=False):
            if number not in labels[part]:
                raise ValueError(
                    f"class {name!r} has {np.count_nonzero(labels == number)} training images, expected at least "
                    f"{split}: split in {split}, {owner} would see none of them"
                )
    if len(parts) < split:
        raise ValueError(f"expected at least {split} training images to split in {split}, got {len(labels)}")
    return parts


class Batches:
    """One owner's images in one epoch: augmented batches by step, the same whichever step is asked for first.

    Args:
        examples: the owner's images.
        owner: 0 for w, 1 for α, 2 for β.
        recipe: batch and cutout.
        stage: whose seed and root the random numbers come from.
        epoch: from 0.
        process group: who shares every batch.
    """

    def __init__(
        self, examples: Examples, owner: int, recipe: Recipe, stage: Stage, epoch: int, ranks: ProcessGroup
    ) -> None:
        self._epoch = EpochBatches(examples, recipe, stage, epoch, ranks, (ORDERS[owner], DRAWS[owner]))

    def __len__(self) -> int:
        return len(self._epoch)

    def batch(self, step: int) -> tuple[Tensor, Tensor, slice]:
        """This process's pixels (b, C, H, W) and labels (b,) of a step, and the whole batch's place; steps wrap."""
        step %= len(self._epoch)
        return *self._epoch.batch(step), self._epoch.slices[step]


def owned_examples(images: ImageSet, parts: Sequence[NDArray[np.int64]], device: str) -> list[Examples]:
    """Every owner's images on the device."""
    return [
        Examples(
            images=torch.tensor(images.train.images[part], device=device),
            labels=torch.tensor(images.train.labels[part], device=device),
            resolution=images.resolution,
            mean=images.mean,
            std=images.std,
            flip=images.flip,
        )
        for part in parts
    ]
