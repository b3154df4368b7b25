"""The skeleton around the cells: stem, number of cells, channels, resolution, where the reductions are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from zoo.spaces.genotype import CellGenotype

Form = Literal["cifar", "imagenet"]

DIVISOR: dict[Form, int] = {"cifar": 4, "imagenet": 32}
"""By how much a form shrinks an image; its resolution must be a multiple of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPlan:
    """What one cell of a network receives and makes.

    Attributes:
        before_previous: channels of input 0 (the output of the cell before the previous one).
        previous: channels of input 1.
        channels: channels of every node of this cell.
        resolution: pixels of input 1; the cell's output has half of it in a reduction cell.
        reduction: whether this is a reduction cell.
        after_reduction: whether input 0 is twice as large as input 1, because the previous cell reduced.
    """

    before_previous: int
    previous: int
    channels: int
    resolution: int
    reduction: bool
    after_reduction: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """Everything about a cell network except its cells.

    The CIFAR form is EcoNAS's original setting by default: 20 cells, 36 channels, a 3×3 stem with three times as
    many channels. The ImageNet form starts with three strided convolutions and usually has 14 cells.

    Raises:
        ValueError: for counts that are not positive or a resolution the form does not divide.
    """

    channels: int = 36
    cells: int = 20
    resolution: int = 32
    in_channels: int = 3
    classes: int = 10
    form: Form = "cifar"
    stem_multiplier: int = 3

    def __post_init__(self) -> None:
        for name in ("channels", "cells", "resolution", "in_channels", "classes", "stem_multiplier"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.form not in DIVISOR:
            raise ValueError(f"form must be one of {', '.join(DIVISOR)}, got {self.form!r}")
        if self.form == "imagenet" and self.channels < 2:
            raise ValueError(
                f"the imagenet form halves its channels in the stem and needs at least 2, got {self.channels}"
            )
        if self.resolution % DIVISOR[self.form]:
            raise ValueError(
                f"the {self.form} form needs a resolution that is a multiple of {DIVISOR[self.form]}, "
                f"got {self.resolution}"
            )

    @property
    def reductions(self) -> tuple[int, ...]:
        """Positions of the reduction cells: ⌊L/3⌋ and ⌊2L/3⌋, counted from 0."""
        return tuple(sorted({self.cells // 3, 2 * self.cells // 3}))

    @property
    def stem_channels(self) -> int:
        """Channels the stem hands to the first cell."""
        return self.stem_multiplier * self.channels if self.form == "cifar" else self.channels

    def plan(self, genotype: CellGenotype) -> Iterator[CellPlan]:
        """Yield what every cell receives and makes, in order."""
        before = previous = self.stem_channels
        channels = self.channels
        resolution = self.resolution if self.form == "cifar" else self.resolution // 8
        after_reduction = self.form == "imagenet"  # its second stem halves once more than the first
        for position in range(self.cells):
            reduction = position in self.reductions
            if reduction:
                channels *= 2
            yield CellPlan(
                before_previous=before,
                previous=previous,
                channels=channels,
                resolution=resolution,
                reduction=reduction,
                after_reduction=after_reduction,
            )
            cell = genotype.reduction if reduction else genotype.normal
            before, previous = previous, channels * len(cell.concat)
            if reduction:
                resolution //= 2
            after_reduction = reduction
