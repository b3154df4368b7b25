"""How well rankings of networks are, and how much better one is than another: intervals over networks and seeds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from zoo.reliability.correlation import resampled_kendall, resampled_spearman
from zoo.reliability.interval import resample
from zoo.reliability.partial import partial_draws

Array = NDArray[np.float64]
Measure = Callable[[Array, Array, Array], Array]
"""Of scores (n,), the truth (n,) and resamples (R, n): (R,)."""
TOP = 10


def ranks(values: Array) -> Array:
    """Ranks (n,), 1 the least, ties their mean."""
    found: Array = stats.rankdata(values)
    return found


def top_regret(x: Array, y: Array, k: int = TOP) -> float:
    """How far the best by y of the k best by x lies below the best by y, in units of y; ties in x by their order."""
    return float(y.max() - y[np.argsort(-x, kind="stable")[:k]].max())


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over seeds with its 95 % interval over networks and seeds."""

    value: float
    low: float
    high: float

    def cells(self, name: str) -> dict[str, float]:
        """Cells of a row."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


def mean_of(draws: Array) -> Mean:
    """The mean of seeds' values, each with its resamples of networks.

    The variance over networks, the seeds held fixed, and that over seeds add up; Student's quantile has the degrees of
    freedom of the sum (Satterthwaite 1946, Biometrics Bulletin 2).

    Args:
        draws: (seeds, 1 + R): first the value, then those of resamples of the networks, the same for every seed. NaN
            where a resample defines no value.
    """
    each, resampled = draws[:, 0], draws[:, 1:].mean(axis=0)
    value, defined = float(each.mean()), resampled[~np.isnan(resampled)]
    if np.isnan(value) or 2 * len(defined) < len(resampled):
        return Mean(value, math.nan, math.nan)
    networks = float(defined.var(ddof=1))
    seeds = float(each.var(ddof=1)) / len(each) if len(each) > 1 else 0.0
    if networks + seeds == 0:
        return Mean(value, value, value)
    freedom = (networks + seeds) ** 2 / (seeds**2 / (len(each) - 1)) if seeds else math.inf
    reach = float(stats.t.ppf(0.975, freedom)) * math.sqrt(networks + seeds)
    return Mean(value, value - reach, value + reach)


class Judge:
    """Judges rankings of the same networks, in the same resamples of them.

    Args:
        truth: (n,) what the networks are worth.
        macs: (n,) of the networks.
        rng: of the resamples and of the placebo.
    """

    def __init__(self, truth: Array, macs: Array, rng: np.random.Generator) -> None:
        self.truth, self.macs = truth, macs
        self._counts = np.vstack([np.ones(len(truth)), resample(len(truth), rng)])

    def draws(self, scores: Sequence[Array], measure: Measure = resampled_kendall) -> Array:
        """A measure of every ranking, (rankings, 1 + R)."""
        return np.stack([measure(one, self.truth, self._counts) for one in scores])

    def beyond(self, scores: Sequence[Array]) -> Array:
        """Spearman's correlation given MACs, as :meth:`draws`."""
        return self.draws(scores, partial(_beyond, self.macs))

    def row(self, scores: Sequence[Array]) -> dict[str, Any]:
        """τ with its interval, ρ, ρ given MACs with its interval, regret of the ten best: means over seeds."""
        return {
            **mean_of(self.draws(scores)).cells("tau"),
            "rho": float(self.draws(scores, resampled_spearman)[:, 0].mean()),
            **mean_of(self.beyond(scores)).cells("beyond_macs"),
            "top_10_regret": float(np.mean([top_regret(one, self.truth) for one in scores])),
        }

    def gain(self, scores: Sequence[Array], others: Sequence[Array]) -> Mean:
        """How much higher τ is, seed by seed; ``others`` has a ranking for each seed, or one for all."""
        return mean_of(self.draws(scores) - self.draws(others))


def _beyond(macs: Array, x: Array, y: Array, counts: Array) -> Array:
    return partial_draws(x, y, macs, counts)
