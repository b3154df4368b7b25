"""Pairs: what speed benchmarks share. Fixed networks and images, sides timed in turns, ratios with intervals."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from torch import nn

from zoo.data.image_set import ImageSet, Split
from zoo.networks.depthwise import Depthwise
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Job, Trial
from zoo.spaces import CellGenotype, Skeleton, cell_space
from zoo.training import Recipe

SETTING = ProxySetting(4, 4, 0, 1)
"""c4r4: 9 channels, 8 pixels, 20 cells; one epoch."""

RECIPE = Recipe(batch=384, lr=0.1, lr_min=0.0, cutout=0.0)
"""EcoNAS's search (Appendix E.1 and E.2, Zhou 2020)."""

DRAWS = 2000  # bootstrap samples of an interval


Module = TypeVar("Module", bound=nn.Module)


def genotypes(count: int, space: str = "econas-search") -> list[CellGenotype]:
    """The same random networks in every benchmark."""
    return [cell_space(space).sample(np.random.default_rng(seed)) for seed in range(count)]


def noise(train: int, validation: int, resolution: int = 32) -> ImageSet:
    """Random RGB images of ten classes, brighter by class: what is in them makes no difference to the time."""

    def split(count: int, seed: int) -> Split:
        rng = np.random.default_rng(seed)
        labels = np.arange(count, dtype=np.int64) % 10
        pixels = rng.integers(0, 156, (count, 3, resolution, resolution)) + 10 * labels[:, None, None, None]
        return Split(images=pixels.astype(np.uint8), labels=labels)

    return ImageSet(
        name="noise",
        classes=tuple("0123456789"),
        train=split(train, 0),
        validation=split(validation, 1),
        test=split(10, 2),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        flip=True,
    )


def jobs(networks: Sequence[CellGenotype], setting: ProxySetting = SETTING) -> list[Job]:
    """One training each, from scratch."""
    return [
        Job(Trial(index=i, genotype=genotype, setting=setting, start=0, stop=setting.e), i, None)
        for i, genotype in enumerate(networks)
    ]


def proxy_skeleton() -> Skeleton:
    """The skeleton of :data:`SETTING`."""
    return SETTING.skeleton(Skeleton())


def torchs_own(network: Module) -> Module:
    """The network with torch's depthwise convolutions in the place of ours, as a plain one has them."""
    for module in network.modules():
        if isinstance(module, Depthwise):
            module.__class__ = nn.Conv2d  # type: ignore[assignment]
    return network


def in_turns(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Wall-clock seconds of every side, once a round, one after the other, after a round that is thrown away."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            began = time.perf_counter()
            side()
            if number:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def compared(times: Sequence[Mapping[str, Sequence[float]]], ours: str, theirs: str, goal: float) -> dict[str, object]:
    """How many times faster ``ours`` is than ``theirs``: medians of rounds, geometric mean over networks.

    The interval is a bootstrap over the rounds of every network, 95 %.
    """
    ratio, low, high = _quotient(times, theirs, ours)
    return {
        "what": f"{ours} against {theirs}",
        **_rounded(ratio, low, high, 3),
        **_medians(times, ours, theirs),
        "goal": goal,
        "reached": ratio >= goal,
    }


def share(times: Sequence[Mapping[str, Sequence[float]]], part: str, whole: str, limit: float) -> dict[str, object]:
    """What share of ``whole`` the time of ``part`` is, at most ``limit``; medians and interval as :func:`compared`."""
    ratio, low, high = _quotient(times, part, whole)
    return {
        "what": f"{part}, share of {whole}",
        **_rounded(ratio, low, high, 5),
        **_medians(times, part, whole),
        "limit": limit,
        "reached": ratio <= limit,
    }


def _quotient(times: Sequence[Mapping[str, Sequence[float]]], over: str, under: str) -> tuple[float, float, float]:
    """Medians of ``over`` by those of ``under``, geometric mean over networks, with its interval."""
    pairs = [(np.asarray(each[over]), np.asarray(each[under])) for each in times]
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        picks = [rng.integers(len(a), size=len(a)) for a, _ in pairs]
        draws.append(_geometric([np.median(a[p]) / np.median(b[p]) for (a, b), p in zip(pairs, picks, strict=True)]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return _geometric([np.median(a) / np.median(b) for a, b in pairs]), float(low), float(high)


def _rounded(ratio: float, low: float, high: float, digits: int) -> dict[str, float]:
    return {"ratio": round(ratio, digits), "low": round(low, digits), "high": round(high, digits)}


def _medians(times: Sequence[Mapping[str, Sequence[float]]], first: str, other: str) -> dict[str, object]:
    """Both sides' median seconds, arithmetic means over networks."""
    a, b = (statistics.mean(float(np.median(each[side])) for each in times) for side in (first, other))
    return {
        "median_seconds": round(a, 4),
        "median_seconds_of_the_other": round(b, 4),
        "rounds": len(times[0][first]),
        "networks": len(times),
    }


def _geometric(ratios: Sequence[float]) -> float:
    return math.exp(statistics.mean(math.log(ratio) for ratio in ratios))
