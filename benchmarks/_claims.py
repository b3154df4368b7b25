"""EcoNAS's claims about cheap settings, tested in the trainings of studies: ρ of one setting less ρ of another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zoo.population.proxy import ProxySetting
from zoo.reliability.correlation import Array

SAMPLES = "at equal iterations, more samples and fewer epochs"
CHANNELS = "at equal epochs, fewer channels rather than a lower resolution"
DROPOUT = "no path dropout in cheap trainings"
CLAIMS = (SAMPLES, CHANNELS, DROPOUT)
"""What ranks better: the first and the last (E.2) are claims of Zhou 2020, the second is a question to it."""


def _half_the_samples(setting: ProxySetting) -> ProxySetting:
    return replace(setting, s=setting.s + 1, e=2 * setting.e)


def _resolution(setting: ProxySetting) -> ProxySetting:
    return replace(setting, c=setting.r, r=setting.c)


PAIRS: Mapping[str, Callable[[ProxySetting], ProxySetting]] = {SAMPLES: _half_the_samples, CHANNELS: _resolution}


def pairs(claim: str, settings: Sequence[ProxySetting]) -> list[tuple[ProxySetting, ProxySetting]]:
    """Of a grid, the settings that differ in what the claim is about alone; the better one by the claim is first."""
    better = [one for one in settings if claim != CHANNELS or (one.c > 0 and one.r == 0)]
    return [(one, other) for one in better if (other := PAIRS[claim](one)) in settings]


def difference(claim: str, rho: Mapping[ProxySetting, Array]) -> Array:
    """The mean over the claim's pairs of ρ less ρ, in every resample; NaN where the grid has no pair.

    Args:
        claim: SAMPLES or CHANNELS.
        rho: (resamples,) of every setting.
    """
    found = pairs(claim, list(rho))
    if not found:
        return np.full(len(next(iter(rho.values()))), np.nan)
    mean: Array = np.mean([rho[better] - rho[worse] for better, worse in found], axis=0)
    return mean


def verdict(claim: str, draws: Array) -> dict[str, Any]:
    """What the studies together say of a claim, with a 95 % percentile interval over networks.

    Args:
        claim: its text.
        draws: (1 + resamples,) mean differences over studies; the first is the studies themselves.
    """
    low, high = np.quantile(draws[1:], (0.025, 0.975))
    if low > 0:
        said = "reproduced"
    elif high < 0:
        said = "contradicted"
    else:
        said = f"no effect larger than {max(-low, high):.2f}"
    return {
        "claim": claim,
        "difference": round(float(draws[0]), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "verdict": said,
    }
