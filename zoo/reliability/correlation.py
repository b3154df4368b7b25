"""How far two measurements of the same networks agree on their order.

Conventions, the same in every function of this package:

- `x` is the proxy: one score per network, higher is better. NaN means that the network failed there (it
  diverged, say); a search would discard it, so it ranks below all others, and several failures tie.
- `y` is the reference. A network whose reference is NaN is left out of everything (`pair` does it; whoever
  reports counts them).
- An undefined measure is NaN, never a warning; `undefined_because` gives the reason.

Every measure exists twice: for people (`spearman(x, y)`) and for resampling (`resampled_spearman(x, y,
counts)`), which evaluates all bootstrap resamples at once. A resample is a row of `counts`: how often each
network was drawn. The order of two networks does not depend on who else was drawn, so the rank sums of all
resamples are one matrix product with the matrix of pairwise signs.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Measure = Callable[[Array, Array, Array], Array]
"""(x, y, counts) → one value per row of counts; x (n,) or (settings, n), y (n,), counts (resamples, n)."""


def pair(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array]:
    """Check and clean proxy scores `x`, (n,) or (settings, n), and the reference `y`, (n,).

    Networks without a reference are dropped from both; failures in `x` become -inf, below every score.
    Raises ValueError for other shapes, unequal lengths or infinite values.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if ys.ndim != 1:
        raise ValueError(f"expected a one-dimensional reference, got shape {ys.shape}")
    if xs.ndim not in (1, 2) or xs.shape[-1] != len(ys):
        raise ValueError(f"expected one proxy score for each of {len(ys)} networks, got shape {xs.shape}")
    if np.isinf(xs).any() or np.isinf(ys).any():
        raise ValueError("expected finite scores, or NaN for a failed network, got an infinite value")
    kept = ~np.isnan(ys)
    xs, ys = xs[..., kept], ys[kept]
    return np.where(np.isnan(xs), -np.inf, xs), ys


def undefined_because(x: npt.ArrayLike, y: npt.ArrayLike) -> str:
    """Why a rank correlation of `x` and `y`, both (n,), is undefined; empty if it is defined."""
    xs, ys = _vectors(x, y)
    if len(ys) < 2:
        return f"too few networks with a reference: expected at least 2, got {len(ys)}"
    if (xs == xs[0]).all():
        return "every network failed at the proxy" if np.isneginf(xs[0]) else "the proxy scores are all equal"
    return "the reference values are all equal" if (ys == ys[0]).all() else ""


def spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Spearman's rank correlation of x and y, both (n,); in [-1, 1], NaN where undefined. Zhou 2020.

    Equals scipy.stats.spearmanr. Raises ValueError for unequal lengths.
    """
    return _once(resampled_spearman, x, y)


def tolerant_spearman(x: npt.ArrayLike, y: npt.ArrayLike, tolerance: float) -> float:
    """Spearman's correlation that forgives pairs too close to call; in [-1, 1], NaN where undefined.

    A pair of networks that differs by at most `tolerance` (in units of the scores) in both settings counts as
    tied: s_x(i, j) = 0 if tied, else sign(x_i − x_j); rank_x(i) = (n + 1)/2 + ½ Σ_j s_x(i, j); the result is
    the Pearson correlation of rank_x and rank_y. With tolerance 0 it equals `spearman`. Appendix B, Zhou
    2020, who leave open how to rank when ties are not transitive: the rank sum is ours. Raises ValueError for
    unequal lengths or a negative tolerance.
    """
    return _once(lambda a, b, counts: resampled_tolerant(a, b, counts, tolerance=tolerance), x, y)


def kendall(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Kendall's tau-b of x and y, both (n,); in [-1, 1], NaN where undefined. As scipy.stats.kendalltau."""
    return _once(resampled_kendall, x, y)


def top_k_overlap(x: npt.ArrayLike, y: npt.ArrayLike, k: int) -> float:
    """Share of the k best networks by y that are among the k best by x; in [0, 1].

    Where equal scores straddle the k-th place, the expected share if ties were broken at random,
    independently in x and y. Chance level is k / n. Raises ValueError for unequal lengths or a k outside 1 …
    n.
    """
    return _once(lambda a, b, counts: resampled_overlap(a, b, counts, k=k), x, y)


def entropy(values: npt.ArrayLike) -> float:
    """ρ_e: Spearman correlation of a sequence (L,) with an increasing one; in [-1, 1]. Zhou 2020, Appendix D.

    Near ±1: the values grow or fall along the factor; near 0: no trend. NaN if the values are all equal,
    fewer than two, or one of them is undefined.
    """
    sequence = np.asarray(values, dtype=np.float64)
    if sequence.ndim != 1:
        raise ValueError(f"expected a one-dimensional sequence, got shape {sequence.shape}")
    return float(_row_entropy(sequence[None])[0])


def resampled_spearman(x: Array, y: Array, counts: Array) -> Array:
    """`spearman` of every resample: x, y (n,) from `pair`, counts (resamples, n) → (resamples,)."""
    return _rank_correlation(_signs(x), _signs(y), counts)


def resampled_tolerant(x: Array, y: Array, counts: Array, *, tolerance: float) -> Array:
    """`tolerant_spearman` of every resample: x, y (n,) from `pair`, counts (resamples, n) → (resamples,)."""
    if not 0 <= tolerance < np.inf:
        raise ValueError(f"expected a tolerance of at least 0, got {tolerance}")
    distinct = ~(_within(x, tolerance) & _within(y, tolerance))
    return _rank_correlation(_signs(x) * distinct, _signs(y) * distinct, counts)


def resampled_kendall(x: Array, y: Array, counts: Array) -> Array:
    """`kendall` of every resample: x, y (n,) from `pair`, counts (resamples, n) → (resamples,)."""
    sx, sy = _signs(x), _signs(y)
    concordance, untied_x, untied_y = (
        np.einsum("bi,bi->b", counts @ pairs, counts) for pairs in (sx * sy, sx * sx, sy * sy)
    )
    return _ratio(concordance, np.sqrt(untied_x) * np.sqrt(untied_y))


def resampled_overlap(x: Array, y: Array, counts: Array, *, k: int) -> Array:
    """`top_k_overlap` of every resample: x, y (n,) from `pair`, counts (resamples, n) → (resamples,)."""
    if not 1 <= k <= len(y):
        raise ValueError(f"expected k between 1 and the {len(y)} networks with a reference, got {k}")
    chances = (_chance_in_top(x, counts, k), _chance_in_top(y, counts, k), counts)
    return np.asarray(np.einsum("bi,bi,bi->b", *chances) / k)


def resampled_entropy(x: Array, y: Array, counts: Array) -> Array:
    """`entropy` of the settings' correlations, for every resample.

    x (L, n): the proxy scores along one factor, in its order; y (n,); counts (resamples, n) → (resamples,).
    """
    if x.ndim != 2:
        raise ValueError(f"expected proxy scores of shape (settings, networks), got shape {x.shape}")
    return _row_entropy(np.stack([resampled_spearman(row, y, counts) for row in x], axis=1))


def _once(measure: Measure, x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    xs, ys = _vectors(x, y)
    return float(measure(xs, ys, np.ones((1, len(ys))))[0])


def _vectors(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Array, Array]:
    if np.ndim(x) != 1:
        raise ValueError(f"expected one-dimensional proxy scores, got shape {np.shape(x)}")
    return pair(x, y)


def _signs(x: Array) -> Array:
    """s(i, j) = sign(x_i − x_j), (n, n). Compared, not subtracted: -inf minus -inf is not a number."""
    return (x[:, None] > x).astype(np.float64) - (x[:, None] < x)


def _within(x: Array, tolerance: float) -> npt.NDArray[np.bool_]:
    """|x_i − x_j| ≤ tolerance, (n, n).

    Accuracies are fractions k / images: 0.9015 − 0.9 exceeds 0.0015 by rounding alone. The margin of 1e-9 of
    the tolerance is far above rounding, far below one image, and vanishes with the tolerance.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # two failures, -inf minus -inf: their sign is 0 anyway
        close: npt.NDArray[np.bool_] = np.abs(x[:, None] - x) <= tolerance * (1 + 1e-9)
    return close


def _rank_correlation(sx: Array, sy: Array, counts: Array) -> Array:
    """Pearson correlation of the ranks that the signs sum up to, weighted by counts, (resamples,).

    Ranks enter as twice their distance from the mean rank: Σ_j s(i, j), whole numbers, so that a constant
    rank vector has a variance of exactly 0.
    """
    rx, ry = counts @ sx.T, counts @ sy.T
    covariance, variance_x, variance_y = (
        np.einsum("bi,bi,bi->b", counts, a, b) for a, b in ((rx, ry), (rx, rx), (ry, ry))
    )
    return _ratio(covariance, np.sqrt(variance_x) * np.sqrt(variance_y))


def _ratio(numerator: Array, denominator: Array) -> Array:
    result = np.full_like(numerator, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return np.clip(result, -1, 1)


def _chance_in_top(x: Array, counts: Array, k: int) -> Array:
    """Probability that a copy of network i is among the k best, ties broken at random, (resamples, n)."""
    above = counts @ (x[:, None] < x).T.astype(np.float64)
    level = counts @ (x[:, None] == x).T.astype(np.float64)
    chance: Array = np.clip((k - above) / np.maximum(level, 1), 0, 1)
    return chance


def _row_entropy(values: Array) -> Array:
    """Spearman's correlation of every row with its column numbers: (resamples, L) → (resamples,)."""
    length = values.shape[1]
    ranks = np.sum(values[:, :, None] > values[:, None, :], axis=2, dtype=np.float64)
    ranks -= np.sum(values[:, :, None] < values[:, None, :], axis=2)
    order = 2.0 * np.arange(length) - (length - 1)
    result = _ratio(ranks @ order, np.sqrt(np.sum(ranks**2, axis=1) * np.sum(order**2)))
    return np.where(np.isnan(values).any(axis=1), np.nan, result)
