"""Pairs: what speed benchmarks share. Fixed networks and images, sides timed in turns, ratios with intervals."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from zoo.data.image_set import ImageSet, Split
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Job, Trial
from zoo.spaces import CellGenotype, Skeleton, cell_space
from zoo.training import Recipe

SETTING = ProxySetting(4, 4, 0, 1)
"""c4r4: 9 channels, 8 pixels, 20 cells; one epoch."""

RECIPE = Recipe(batch=384, lr=0.1, lr_min=0.0, cutout=0.0)
"""EcoNAS's search (Appendix E.1 and E.2, Zhou 2020)."""

DRAWS = 2000  # bootstrap samples of an interval


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
    pairs = [(np.asarray(each[theirs]), np.asarray(each[ours])) for each in times]
    ratio = _geometric([np.median(a) / np.median(b) for a, b in pairs])
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        picks = [rng.integers(len(a), size=len(a)) for a, _ in pairs]
        draws.append(_geometric([np.median(a[p]) / np.median(b[p]) for (a, b), p in zip(pairs, picks, strict=True)]))
    low, high = np.quantile(draws, [0.025, 0.975])
    return {
        "what": f"{ours} against {theirs}",
        "ratio": round(ratio, 3),
        "low": round(float(low), 3),
        "high": round(float(high), 3),
        "median_seconds": round(statistics.mean(float(np.median(b)) for _, b in pairs), 4),
        "median_seconds_of_the_other": round(statistics.mean(float(np.median(a)) for a, _ in pairs), 4),
        "rounds": len(pairs[0][0]),
        "networks": len(pairs),
        "goal": goal,
        "reached": ratio >= goal,
    }


def _geometric(ratios: Sequence[float]) -> float:
    return math.exp(statistics.mean(math.log(ratio) for ratio in ratios))
