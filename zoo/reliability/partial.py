"""What a measurement says about the reference beyond a third quantity, such as the number of MACs."""

import numpy as np
import numpy.typing as npt

from zoo.reliability.correlation import Array, resampled_spearman
from zoo.reliability.interval import Estimate, from_draws, undefined

PLACEBO = "placebo"
"""The control with noise added: it says nothing beyond the control, so its interval must hold zero."""


def partial_spearman(x: Array, y: Array, control: Array, counts: Array, level: float = 0.95) -> Estimate:
    """Spearman's correlation of x and y given ``control``, with its interval over networks.

    (r_xy - r_xz r_yz) / √((1 - r_xz²)(1 - r_yz²)), r being Spearman's correlations (Conover 1999, §5.4).

    Args:
        x: scores (n,), as :func:`zoo.reliability.correlation.pair` returns them.
        y: the reference (n,).
        control: (n,) what is held fixed.
        counts: resamples (resamples, n).
        level: of the interval.

    Returns:
        Undefined where x or y is constant, or the order of x or y is that of the control.
    """
    networks = len(y)
    if networks < 2:
        return undefined(f"too few networks with a reference: expected at least 2, got {networks}")
    draws = partial_draws(x, y, control, np.vstack([np.ones(networks), counts]))
    if np.isnan(draws[0]):
        return undefined("the order is constant, or that of the control itself")
    return from_draws(float(draws[0]), draws[1:], networks, level)


def partial_draws(x: Array, y: Array, control: Array, counts: Array) -> Array:
    """What :func:`partial_spearman` estimates, in every resample (R,); NaN where it is undefined."""
    xy, xz, yz = (resampled_spearman(a, b, counts) for a, b in ((x, y), (x, control), (y, control)))
    left = (1 - xz**2) * (1 - yz**2)
    result = np.full_like(xy, np.nan)
    np.divide(xy - xz * yz, np.sqrt(np.maximum(left, 0)), out=result, where=left > 1e-12)
    return np.clip(result, -1, 1)


def placebo(control: npt.ArrayLike, rng: np.random.Generator) -> Array:
    """The ranks of ``control`` (n,) plus normal noise of half their standard deviation: ρ with it is about 0.9."""
    values = np.asarray(control, dtype=np.float64)
    ranks = (values[:, None] > values).sum(axis=1) - (values[:, None] < values).sum(axis=1)
    noisy: Array = ranks / 2 + rng.normal(size=len(values)) * ranks.std() / 4
    return noisy
