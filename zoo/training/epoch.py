"""An epoch: the order of its images, the draws that augment them, and the batches that they come in.

Every training takes its batches from here. All random numbers of an epoch are drawn on the host, so that every device
and every process shows the same images in the same order.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.augmentation import Augmentation, EpochDraws, augment, draw
from zoo.data.image_set import ImageSet
from zoo.purposes import IMAGE_DRAWS, IMAGE_ORDER
from zoo.training.distributed import ALONE, ProcessGroup
from zoo.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a schedule: epochs ``start`` to ``stop`` of ``epochs``, seeded by (seed, root) and the epoch."""

    start: int
    stop: int
    epochs: int
    seed: int
    root: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Some steps of an epoch, from 0, which a trial trains; of a stage in whole epochs."""

    stage: Stage
    epoch: int
    steps: range


def portions(stage: Stage, steps: int, every: int | None) -> list[Portion]:
    """What a stage trains: whole epochs of so many steps, or parts of ``every`` steps, which the stage counts then."""
    size = every or steps
    parts = -(-steps // size)
    whole = replace(stage, start=stage.start // parts, stop=-(-stage.stop // parts), epochs=stage.epochs // parts)
    places = [divmod(number, parts) for number in range(stage.start, stage.stop)]
    return [
        Portion(stage=whole, epoch=epoch, steps=range(place * size, min((place + 1) * size, steps)))
        for epoch, place in places
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Training images on the device and how they are seen: uint8 (N, C, H, W), labels (N,), pixels per side."""

    images: Tensor
    labels: Tensor
    resolution: int
    mean: Sequence[float]
    std: Sequence[float]
    flip: bool

    @classmethod
    def of(cls, images: ImageSet, part: slice | NDArray[np.int64], resolution: int, device: str) -> "Examples":
        """A part of the training images of a set, copied to a device."""
        return cls(
            images=torch.tensor(images.train.images[part], device=device),
            labels=torch.tensor(images.train.labels[part], device=device),
            resolution=resolution,
            mean=images.mean,
            std=images.std,
            flip=images.flip,
        )


def random_stream(stage: Stage, purpose: int, epoch: int) -> np.random.Generator:
    """The random numbers of one purpose in one epoch."""
    return np.random.default_rng((stage.seed, stage.root, purpose, epoch))


def batch_slices(count: int, batch: int, processes: int = 1) -> list[slice]:
    """The batches of an epoch of ``count`` images, as slices of its order.

    A last batch of fewer than two images per process, which batch normalisation cannot use, is left out.

    Raises:
        ValueError: if not one batch is left.
    """
    slices = [slice(i, min(i + batch, count)) for i in range(0, count, batch) if min(batch, count - i) >= 2 * processes]
    if not slices:
        raise ValueError(
            f"training in {processes} process{'' if processes == 1 else 'es'} needs batches of at least "
            f"{2 * processes} images, got {count} in batches of {batch}"
        )
    return slices


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """How training images are seen.

    Attributes:
        augmentation: padding, flips, cutout.
        base: pixels a side of an image before it is augmented.
        resolution: and after.
        mean: per channel, of pixels in [0, 1].
        std: per channel.
    """

    augmentation: Augmentation
    base: int
    resolution: int
    mean: Sequence[float]
    std: Sequence[float]

    @classmethod
    def held(cls, examples: Examples, recipe: Recipe) -> "View":
        """How images in memory are seen: padded, cropped, and resized after that."""
        base, resolution = examples.images.shape[-1], examples.resolution
        cutout = cutout_pixels(recipe, resolution)
        augmentation = Augmentation.scaled(base, resolution, flip=examples.flip, cutout=cutout)
        return cls(
            augmentation=augmentation, base=base, resolution=resolution, mean=examples.mean, std=examples.std
        )  # fmt: skip

    def augmented(self, images: Tensor, draws: EpochDraws) -> Tensor:
        """Images (b, C, H, W) and their draws as the network sees them: (b, C, resolution, resolution)."""
        return augment(images, draws, self.augmentation, self.resolution, self.mean, self.std)


def cutout_pixels(recipe: Recipe, resolution: int) -> int:
    """Side of the blanked square; ties round up."""
    return math.floor(recipe.cutout * resolution + 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """All random numbers of an epoch of N images.

    Attributes:
        order: int64 (N,), the images' numbers in the order in which they are shown.
        draws: of every place in that order.
    """

    order: NDArray[np.int64]
    draws: EpochDraws


def draw_epoch(
    count: int, view: View, stage: Stage, epoch: int, purposes: tuple[int, int] = (IMAGE_ORDER, IMAGE_DRAWS)
) -> Drawn:
    """The random numbers of an epoch of ``count`` images; the purposes are those of the order and of the draws."""
    order = random_stream(stage, purposes[0], epoch).permutation(count)
    rng = random_stream(stage, purposes[1], epoch)
    return Drawn(order, draw(view.augmentation, rng, count, view.base, view.base, view.resolution))


class Batches(Protocol):
    """The batches of an epoch, of which a training may want a part."""

    slices: list[slice]

    def part(self, steps: range) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of these steps: this process's share of each, pixels (b, C, r, r) and labels (b,)."""
        ...


class EpochBatches:
    """The batches of an epoch of images in memory, by step: the same whichever step is asked for first.

    Args:
        examples: the images.
        recipe: batch and cutout.
        stage: whose seed and root the random numbers come from.
        epoch: of its schedule, from 0.
        process group: whose processes share every batch; all of them draw the same numbers.
        purposes: of the two random streams.

    Raises:
        ValueError: for too few images.
    """

    def __init__(
        self,
        examples: Examples,
        recipe: Recipe,
        stage: Stage,
        epoch: int,
        ranks: ProcessGroup = ALONE,
        purposes: tuple[int, int] = (IMAGE_ORDER, IMAGE_DRAWS),
    ) -> None:
        count, device = len(examples.labels), examples.images.device
        self._examples, self._ranks = examples, ranks
        self._view = View.held(examples, recipe)
        drawn = draw_epoch(count, self._view, stage, epoch, purposes)
        self._order, self._draws = torch.from_numpy(drawn.order).to(device), drawn.draws.to(device)
        self.slices = batch_slices(count, recipe.batch, ranks.size)

    def __len__(self) -> int:
        return len(self.slices)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.part(range(len(self)))

    def part(self, steps: range) -> Iterator[tuple[Tensor, Tensor]]:
        """As :meth:`Batches.part`."""
        return (self.batch(step) for step in steps)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """This process's share of a step's batch: pixels (b, C, r, r) and labels (b,)."""
        mine = self._ranks.share(self.slices[step])
        chosen = self._order[mine]
        pixels = self._view.augmented(self._examples.images[chosen], self._draws[mine])
        return pixels, self._examples.labels[chosen]

    @classmethod
    def together(cls, epochs: Sequence["EpochBatches"], step: int) -> tuple[Tensor, Tensor]:
        """A step's batches of K networks that train on the same examples, augmented at once.

        Returns:
            Pixels (K, b, C, r, r) and labels (K, b).
        """
        first, mine = epochs[0], epochs[0].slices[step]
        chosen = torch.stack([epoch._order[mine] for epoch in epochs])  # (K, b)
        draws = EpochDraws.together([epoch._draws[mine] for epoch in epochs])
        flat = first._view.augmented(first._examples.images[chosen.flatten()], draws)
        return flat.view(*chosen.shape, *flat.shape[1:]), first._examples.labels[chosen]
