"""The short list: what retraining only the k best by a cheap measurement finds, and what it misses.

Both measures are means over zoos drawn again from this one. A network drawn twice counts as two, so that k of n stay
the same share of a zoo: counted once, a list of k would be a larger share of fewer networks and promise too much.

A zoo says little about its best network, for it has one: the zoos drawn from it have two or three different ones. That
is the number of trials behind an interval (Kish 1965), which is Wilson's (1927). In simulation (normal zoos of 16 to
50, ρ from 0 to 0.95, a quarter listed) it covers the chance in 93-100 %; the regret's interval covers 86-100 %.
Rejected: the jackknife-after-bootstrap's alone, which covers 20-90 %: where no zoo misses its best, it is certain.
"""

import numpy as np

from zoo.population.share import wilson
from zoo.reliability.correlation import Array
from zoo.reliability.interval import FEWEST, Estimate, undefined


def holds_best(x: Array, y: Array, k: int, counts: Array, level: float = 0.95) -> Estimate:
    """The chance that the k best by x hold the best by y, over zoos like this one; with an interval.

    Args:
        x: scores (n,), -inf = failed.
        y: the reference (n,).
        k: length of the list.
        counts: resamples (resamples, n).
        level: of the interval.
    """
    if reason := _too_few(y, 2) or _unlisted(x):
        return undefined(reason)
    best, listed = _heights(x, y, k, counts)
    chance = float((listed == best).mean())
    if reason := _too_few(y, FEWEST):
        return Estimate(chance, np.nan, np.nan, reason)
    return Estimate(chance, *wilson(chance, _different(best), level))


def regret(x: Array, y: Array, k: int, counts: Array, level: float = 0.95) -> Estimate:
    """How far the best by y of the k best by x lies below the best by y, over zoos like this one; in units of y.

    The interval is the jackknife-after-bootstrap's (Efron 1992, JRSS B 54), and at least that of the chance to miss,
    times what a miss costs: the mean where some zoo misses, else the step from the best to the next.

    Args:
        x: scores (n,), -inf = failed.
        y: the reference (n,).
        k: length of the list.
        counts: resamples (resamples, n).
        level: of the interval.
    """
    if reason := _too_few(y, 2) or _unlisted(x):
        return undefined(reason)
    best, listed = _heights(x, y, k, counts)
    missing = best - listed
    mean = float(missing.mean())
    if reason := _too_few(y, FEWEST):
        return Estimate(mean, np.nan, np.nan, reason)
    missed = missing > 0
    cost = missing[missed].mean() if missed.any() else np.ptp(np.sort(y)[-2:])
    held, held_high = wilson(1 - float(missed.mean()), _different(best), level)
    from scipy.special import ndtri

    reach = float(ndtri((1 + level) / 2)) * _jackknife_after_bootstrap(missing, counts)
    low = max(0.0, min(mean - reach, (1 - held_high) * cost))
    return Estimate(mean, low, float(max(mean + reach, (1 - held) * cost)))


def _too_few(y: Array, least: int) -> str:
    networks = len(y)
    if networks >= least:
        return ""
    if networks < 2:
        return f"too few networks with a reference: expected at least 2, got {networks}"
    return f"no interval from {networks} networks: at least {least} are needed"


def _unlisted(x: Array) -> str:
    """Why there is no list; empty if there is one."""
    return "all networks are scored alike" if (x == x[0]).all() else ""


def _heights(x: Array, y: Array, k: int, counts: Array) -> tuple[Array, Array]:
    """The best by y of all and of the list, in every resampled zoo, (resamples,) each.

    Equal scores are listed worst first: chance does not help.
    """
    order = np.lexsort((y, -x))
    copies, heights = counts[:, order], y[order]
    listed = (copies > 0) & (copies.cumsum(axis=1) - copies < k)
    best = np.where(copies > 0, heights, -np.inf).max(axis=1)
    return best, np.where(listed, heights, -np.inf).max(axis=1)


def _different(best: Array) -> float:
    """How many different best networks the resampled zoos have, the effective number of them."""
    shares = np.unique(best, return_counts=True)[1] / len(best)
    return float(1 / np.sum(shares**2))


def _jackknife_after_bootstrap(values: Array, counts: Array) -> float:
    """Standard error of the mean of values over resamples, from those that miss each network."""
    networks = counts.shape[1]
    absent = (counts == 0).astype(np.float64)  # (resamples, n)
    often = absent.sum(axis=0)
    without = np.where(often > 0, values @ absent / np.maximum(often, 1), values.mean())
    return float(np.sqrt((networks - 1) / networks * np.sum((without - without.mean()) ** 2)))
