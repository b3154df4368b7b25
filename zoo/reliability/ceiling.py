"""The ceiling: how well the mean of a reference's repeats agrees with what it estimates."""

from itertools import combinations
from math import ceil, isnan

import numpy as np
import numpy.typing as npt

from zoo.reliability.correlation import Array, resampled_spearman
from zoo.reliability.interval import FEWEST, Estimate, fisher, from_draws, resample, undefined


def ceiling(reference: npt.ArrayLike, rng: np.random.Generator, resamples: int = 2000, level: float = 0.95) -> Estimate:
    """The reliability of the reference: Spearman of the mean of its repeats with the mean of as many others.

    The mean correlation r of two repeats, over all pairs, gives k r / (1 + (k - 1) r) for the mean of k (Spearman
    1910, Brown 1910); the formula is exact for Pearson's correlation of equally reliable repeats, and applied to
    Spearman's here. The interval is that of r, carried through the formula, which is monotone.

    Args:
        reference: (networks,) or (networks, repeats), NaN = failed; a pair is compared over the networks that have
            both.
        rng: draws the resamples.
        resamples: how many.
        level: of the interval.

    Returns:
        The reliability; undefined, with the reason, for a single repeat.
    """
    values = as_columns(reference)
    repeats = values.shape[1]
    single = agreement(values, rng, resamples, level)
    value, low, high = (spearman_brown(one, repeats) for one in (single.value, single.low, single.high))
    return Estimate(value, low, high, single.reason)


def agreement(values: Array, rng: np.random.Generator, resamples: int = 2000, level: float = 0.95) -> Estimate:
    """Spearman's correlation of two repeats, the mean over all pairs of columns of values (networks, repeats)."""
    if values.shape[1] < 2:
        return undefined("the reference was trained once")
    values = values[~np.isnan(values).all(axis=1)]
    networks = len(values)
    if networks < 2:
        return undefined(f"too few networks with a reference: expected at least 2, got {networks}")
    # row 0 is the zoo itself
    counts = np.vstack([np.ones(networks), resample(networks, rng, resamples)])
    total, pairs = np.zeros(len(counts)), 0
    for first, second in combinations(values.T, 2):
        both = ~np.isnan(first) & ~np.isnan(second)
        if both.sum() >= 2:
            total += resampled_spearman(first[both], second[both], counts[:, both])
            pairs += 1
    if pairs == 0 or np.isnan(total[0]):
        return undefined("the repeats of the reference are constant or share no networks")
    mean = total / pairs
    return from_draws(float(mean[0]), mean[1:], networks, level)


def spearman_brown(single: float, repeats: int) -> float:
    """The reliability of a mean of ``repeats`` measurements, of which two correlate by ``single``.

    At least -1; NaN where that is.
    """
    below = 1 + (repeats - 1) * single
    if isnan(single):
        return single
    return max(-1.0, repeats * single / below) if below > 0 else -1.0


def how_reliable(reliability: float) -> str:
    """A reliability below a target in words; repeats that do not agree at all can have a negative one."""
    return f"reliable only to rho {reliability:.2f}" if reliability > 0 else "not reliable at all"


def repeats_for(reliability: float, repeats: int, target: float) -> int | None:
    """How many repeats make a mean reliable to ``target``, if that of ``repeats`` is to ``reliability``.

    :func:`spearman_brown`, solved for the number: with r the correlation of two, t (1 - r) / (r (1 - t)), rounded up.
    None where no number would do: the reliability is not positive, or unknown.
    """
    if not reliability > 0:
        return None
    factor = target * (1 - reliability) / (reliability * (1 - target))
    return max(1, ceil(repeats * factor - 1e-9))  # rounding errors do not cost a training


def networks_for(top: Estimate, repeats: int, networks: int, target: float) -> int | None:
    """About how many networks lift the low end of the ceiling's interval to ``target``; None where no number would do.

    The interval of the correlation of two repeats narrows on Fisher's scale as 1 / √(networks - 3).

    Args:
        top: the ceiling.
        repeats: trainings per network.
        networks: it was measured on.
        target: what it is to reach.
    """
    if networks < FEWEST or not top.low < target < top.value:
        return None
    singles = [_single(one, repeats) for one in (top.value, top.low, target)]
    value, low, goal = (float(one) for one in fisher(singles, networks))
    if not goal < value:
        return None
    return ceil(3 + (networks - 3) * ((value - low) / (value - goal)) ** 2)


def _single(reliability: float, repeats: int) -> float:
    """The correlation of two repeats, where their mean has this reliability."""
    return reliability / (repeats - (repeats - 1) * reliability)


def corrected(rho: float, reliability: float) -> float:
    """ρ with the reference as it would be without noise: divided by the root of its reliability, at most 1.

    Correction for attenuation (Spearman 1904). An estimate, never what is promised. NaN where the reliability is
    unknown or not positive.
    """
    if not reliability > 0:
        return float("nan")
    return float(np.clip(rho / np.sqrt(reliability), -1, 1))


def as_columns(reference: npt.ArrayLike) -> Array:
    """A reference as (networks, repeats).

    Raises:
        ValueError: for an array of another form.
    """
    values = np.asarray(reference, dtype=np.float64)
    if values.ndim not in (1, 2):
        raise ValueError(f"expected a reference of shape (networks,) or (networks, repeats), got shape {values.shape}")
    return values[:, None] if values.ndim == 1 else values
