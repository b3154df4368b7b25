"""Proxy settings: how far channels, resolution, samples and epochs are reduced, and how much that saves."""

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from zoo.spaces.cost import cost
from zoo.spaces.genotype import CellGenotype
from zoo.spaces.skeleton import DIVISOR, Skeleton

LEVELS = 5
"""Levels of channels, resolution and samples: 0 is the original value, every level halves the cost."""

_SETTING = re.compile(r"c([0-9]+)r([0-9]+)s([0-9]+)e([0-9]+)")
_FACTOR = re.compile(r"([crse])([0-9]+|\{[^{}]*\})")
_BETWEEN_PARTS = re.compile(r"\s+(?![^{}]*\})")  # white space that is not inside braces


@dataclass(frozen=True, slots=True, order=True)
class ProxySetting:
    """A reduced training setting, written ``c4r4s0e60`` (§3.1, Zhou 2020).

    Attributes:
        c: level of the initial channels, 0 to 4.
        r: level of the input resolution, 0 to 4.
        s: level of the share of training images, 0 to 4.
        e: epochs of the full schedule, at least 1.

    Raises:
        ValueError: for a level that does not exist or no epochs.
    """

    c: int
    r: int
    s: int
    e: int

    def __post_init__(self) -> None:
        for name in "crs":
            if not 0 <= getattr(self, name) < LEVELS:
                raise ValueError(
                    f"level {name}{getattr(self, name)} does not exist, expected {name}0 to {name}{LEVELS - 1}"
                )
        if self.e < 1:
            raise ValueError(f"epochs must be at least 1, got e{self.e}")

    def __str__(self) -> str:
        return f"c{self.c}r{self.r}s{self.s}e{self.e}"

    @classmethod
    def parse(cls, text: str) -> "ProxySetting":
        """Read ``c4r4s0e60``.

        Raises:
            ValueError: if the text has another form or names a level that does not exist.
        """
        match = _SETTING.fullmatch(text.strip())
        if not match:
            raise ValueError(f"{text!r} is not a proxy setting, expected a form like c4r4s0e60")
        return cls(*map(int, match.groups()))

    def skeleton(self, original: Skeleton) -> Skeleton:
        """``original`` with this setting's channels and resolution."""
        return replace(
            original,
            channels=channels_at(original.channels, self.c),
            resolution=resolution_at(original.resolution, self.r, DIVISOR[original.form]),
        )


def channels_at(original: int, level: int) -> int:
    """Initial channels at a level: original · 2^(-level/2), rounded, ties up, at least 1."""
    return max(1, math.floor(original * 2 ** (-level / 2) + 0.5))


def resolution_at(original: int, level: int, divisor: int = 4) -> int:
    """Pixels at a level: the multiple of ``divisor`` nearest to original · 2^(-level/2), ties up, at least one."""
    return max(1, math.floor(original * 2 ** (-level / 2) / divisor + 0.5)) * divisor


def share_at(level: int) -> float:
    """Share of the training images at a level: 2^-level."""
    return 2.0**-level


def parse_grid(text: str) -> list[ProxySetting]:
    """Read a grid such as ``c{0,2,4}r{0,4}s0e{30,60}``, several of them separated by spaces, or plain settings.

    Settings come in reading order (the last factor fastest), each once.

    Raises:
        ValueError: naming the part that cannot be read.
    """
    settings: dict[ProxySetting, None] = {}
    for part in filter(None, _BETWEEN_PARTS.split(text)):
        factors = _FACTOR.findall(part)
        if [name for name, _ in factors] != list("crse") or "".join(a + b for a, b in factors) != part:
            raise ValueError(f"{part!r} is not a grid of settings, expected a form like c{{0,2,4}}r{{0,4}}s0e{{30,60}}")
        levels = [[_number(item, part) for item in values.strip("{}").split(",")] for _, values in factors]
        settings.update((ProxySetting(*row), None) for row in itertools.product(*levels))
    if not settings:
        raise ValueError("the grid of settings is empty, expected a form like c{0,2,4}r{0,4}s0e{30,60}")
    return list(settings)


def _number(item: str, part: str) -> int:
    if not re.fullmatch("[0-9]+", item.strip()):
        raise ValueError(f"{item!r} in {part!r} is not a level")
    return int(item)


def merge_coinciding(settings: Iterable[ProxySetting], original: Skeleton) -> tuple[list[ProxySetting], list[str]]:
    """Keep one of the settings that train the same thing on ``original`` (28 px: r3 and r4 are both 8 px).

    Returns:
        The settings kept, in order, and a notice for each one merged.
    """
    kept: dict[tuple[int, int, int, int], ProxySetting] = {}
    notices = []
    for setting in settings:
        small = setting.skeleton(original)
        effect = (small.channels, small.resolution, setting.s, setting.e)
        first = kept.setdefault(effect, setting)
        if first != setting:
            notices.append(f"{setting} is the same as {first} here: {small.channels} channels, {small.resolution} px")
    return list(kept.values()), notices


def training_macs(
    genotypes: Iterable[CellGenotype], original: Skeleton, setting: ProxySetting, images: Mapping[int, int]
) -> int:
    """Forward MACs of training every genotype once at ``setting``: MACs per image · images per epoch · epochs.

    ``images`` gives the training images per epoch for every sample level in use.
    """
    small = setting.skeleton(original)
    return sum(cost(genotype, small).macs for genotype in genotypes) * images[setting.s] * setting.e


def acceleration(
    genotypes: Sequence[CellGenotype],
    original: Skeleton,
    reference: ProxySetting,
    setting: ProxySetting,
    images: Mapping[int, int],
) -> float:
    """How many times less ``setting`` costs than ``reference``, counted over the genotypes (§3.1, Zhou 2020)."""
    full = training_macs(genotypes, original, reference, images)
    return full / training_macs(genotypes, original, setting, images)
