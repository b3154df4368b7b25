"""The estimate of a run: what it will cost, in numbers and in lines for people; and the price of training on images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.population.proxy import ProxySetting
from zoo.spaces.cost import cost
from zoo.spaces.genotype import CellGenotype
from zoo.spaces.skeleton import Skeleton

if TYPE_CHECKING:
    from zoo.data.image_set import ImageSet

JOURNAL_BYTES = 2_500
"""What a trial and its record take in the journal, about."""

FLOOR = 100_000
"""MACs an image that stand for what the smallest networks cost in dispatch alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will cost: numbers by name (hours, disk_mb, ...), and (name, text) for people."""

    numbers: Mapping[str, float]
    lines: tuple[tuple[str, str], ...]


def hours(value: float, note: str = ", timed here") -> tuple[str, str]:
    """A line with hours, short ones with two digits."""
    return "hours", f"{f'{value:.2f}' if value >= 0.1 else f'{value:.2g}'}{note}"


def disk(megabytes: float, note: str = "") -> tuple[str, str]:
    """A line with megabytes."""
    return "disk", f"{megabytes:.1f} MB{note}"


def epoch_price(genotype: CellGenotype, setting: ProxySetting, skeleton: Skeleton, images: int) -> float:
    """Price of an epoch on so many images: forward MACs, which training multiplies by about three, with a floor."""
    return float((cost(genotype, setting.skeleton(skeleton)).macs + FLOOR) * images)


def images_at(settings: Iterable[ProxySetting], images: "ImageSet", seed: int) -> dict[int, int]:
    """Training images per epoch for every sample level in use."""
    from zoo.training.evaluator import sample

    labels = images.train.labels
    return {s: len(sample(labels, s, seed)) if s else len(labels) for s in {setting.s for setting in settings}}
