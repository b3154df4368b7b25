"""The comparison of thousands of networks, whose pairs are too many to resample: exact values, asymptotic errors.

The standard error on Fisher's scale is the larger of two: that of normal theory (Bonett and Wright 2000), and that of
the infinitesimal jackknife (Jaeckel 1972), which assumes no distribution. The first alone is within 12 % of what
resampling gives on the published tables of NAS-Bench-201 and NAS-Bench-Macro, but where ρ is high and one network in a
hundred has failed, it is three times too small.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from zoo.pages.written import percent
from zoo.reliability.ceiling import corrected, how_reliable, spearman_brown
from zoo.reliability.comparison import Comparison, Score
from zoo.reliability.correlation import Array
from zoo.reliability.interval import Estimate, bonett_wright, fisher, resample, undefined
from zoo.reliability.recommendation import Candidate, Recommendation, matched, stacked
from zoo.reliability.shortlist import holds_best, regret

LEVEL = 0.95
LISTED = 100
"""Networks of a short list at most: a quarter of thousands would be no short list."""
RESAMPLES = 200
"""For the values of the short list, which have no interval here."""


def compare_many(
    candidates: Sequence[Candidate],
    reference: Array,
    rng: np.random.Generator,
    *,
    target: float,
    control: Array | None = None,
) -> Comparison:
    """As :func:`zoo.reliability.comparison.compare`, without the tolerant measure, Kendall's and the top-k overlap.

    Bounds hold for all candidates at once by Bonferroni's inequality, or in sequence, as those of ``choose``.
    """
    names = [one.name for one in candidates]
    x, y, kept = matched(stacked(candidates), reference, names)
    top, rhos = _ceiling(reference), [_spearman(row, y) for row in x]
    k, counts = min(LISTED, max(1, len(y) // 4)), resample(len(y), rng, RESAMPLES)
    nothing, no_control = undefined("not computed for so many networks"), undefined("there is no control")
    fixed = None if control is None else control[kept]
    scores = tuple(
        Score(
            name=name,
            spearman=rho.estimate(len(y)),
            corrected=corrected(rho.value, top.value),
            beyond=no_control if fixed is None else _partial(row, y, fixed),
            tolerant=nothing,
            kendall=nothing,
            top_k=nothing,
            holds_best=Estimate(holds_best(row, y, k, counts).value, math.nan, math.nan, nothing.reason),
            regret=Estimate(regret(row, y, k, counts).value, math.nan, math.nan, nothing.reason),
            k=k,
            tolerance=0.0,
            networks=len(y),
            failed=int(np.isneginf(row).sum()),
            left_out=len(kept) - len(y),
        )
        for name, row, rho in zip(names, x, rhos, strict=True)
    )
    fake = no_control
    if fixed is not None:
        order = ranks(fixed)
        fake = _partial(order + rng.normal(size=len(order)) * order.std() / 2, y, fixed)
    return Comparison(scores, _choose(candidates, rhos, top, len(y), target), fake)


@dataclass(frozen=True, slots=True, eq=False)
class _Rho:
    """A correlation and what every network adds to its error: the influence function, (n,), of mean zero."""

    value: float
    influence: Array

    def error(self, networks: int) -> float:
        """Standard error on Fisher's scale."""
        flat = 1 - float(np.tanh(fisher(self.value, networks))) ** 2
        jackknife = math.sqrt(float(np.mean(self.influence**2)) / len(self.influence)) / flat
        return max(bonett_wright(self.value, networks), jackknife)

    def estimate(self, networks: int) -> Estimate:
        """With its interval."""
        from scipy.special import ndtri

        reach = float(ndtri((1 + LEVEL) / 2)) * self.error(networks)
        low, high = np.tanh(fisher(self.value, networks) + np.array([-reach, reach]))
        return Estimate(self.value, min(self.value, float(low)), max(self.value, float(high)))


def _spearman(x: Array, y: Array) -> _Rho:
    """Of x and y, both (n,), -inf among them; NaN where one is constant.

    With a and b the ranks, from -1 to 1, it is C / √(A B) for C = Σ w a b, A = Σ w a², B = Σ w b², w = 1 / n. A rank is
    a sum of weighted signs itself: dC / dw_k = a_k b_k + Σ w_i (s(x_i - x_k) b_i + s(y_i - y_k) a_i), and so on.
    """
    a, b = ((2 * ranks(values) - (len(values) + 1)) / len(values) for values in (x, y))
    c, aa, bb = (float(np.mean(product)) for product in (a * b, a * a, b * b))
    if not aa * bb > 0:
        return _Rho(math.nan, np.full(len(x), math.nan))
    rho = min(1.0, max(-1.0, c / math.sqrt(aa * bb)))
    by_c = a * b + _signed_mean(x, b) + _signed_mean(y, a)
    by_a, by_b = a * a + 2 * _signed_mean(x, a), b * b + 2 * _signed_mean(y, b)
    return _Rho(rho, by_c / math.sqrt(aa * bb) - rho / 2 * (by_a / aa + by_b / bb))


def _signed_mean(x: Array, values: Array) -> Array:
    """Σ_i sign(x_i - x_k) values_i / n, for every k."""
    order = np.argsort(x, kind="stable")
    ascending, sums = x[order], np.concatenate([[0.0], np.cumsum(values[order])])
    above = sums[-1] - sums[np.searchsorted(ascending, x, side="right")]
    return np.asarray((above - sums[np.searchsorted(ascending, x, side="left")]) / len(x), dtype=np.float64)


def _partial(x: Array, y: Array, control: Array) -> Estimate:
    """Spearman's ρ of x and y given a control, as :func:`zoo.reliability.partial.partial_spearman`."""
    xy, xz, yz = _spearman(x, y), _spearman(x, control), _spearman(y, control)
    left, right = 1 - xz.value**2, 1 - yz.value**2
    if not left * right > 1e-12:
        return undefined("the order is constant, or that of the control itself")
    root = math.sqrt(left * right)
    value = min(1.0, max(-1.0, (xy.value - xz.value * yz.value) / root))
    by_xz, by_yz = value * xz.value / left - yz.value / root, value * yz.value / right - xz.value / root
    influence = xy.influence / root + by_xz * xz.influence + by_yz * yz.influence
    return _Rho(value, influence).estimate(len(y) - 1)


def ranks(values: Array) -> Array:
    """From 1 up; equal values share the mean of theirs."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=np.float64)


def _choose(
    candidates: Sequence[Candidate], rhos: Sequence[_Rho], top: Estimate, networks: int, target: float
) -> Recommendation:
    from scipy.special import ndtri

    rho = np.array([one.value for one in rhos])
    errors = np.array([one.error(networks) for one in rhos])
    z, goal = fisher(rho, networks), float(np.arctanh(target))
    tail = (1 - LEVEL) / 2  # half the error for each route
    joint = float(ndtri(1 - tail / len(rho)))
    bounds = np.tanh(z - joint * errors)
    speed = np.array([one.acceleration for one in candidates])
    slow_first = np.argsort(speed, kind="stable")
    in_sequence = slow_first[np.logical_and.accumulate((z + ndtri(tail) * errors >= goal)[slow_first])]
    bounds[in_sequence] = np.maximum(bounds[in_sequence], target)
    if top.value < target:  # never so for an unknown ceiling
        unreliable = f"the reference itself is {how_reliable(top.value)}"
        warning = f"Warning: {unreliable}, below the target of {target:.2f}; measure it more often."
        sentence = f"Nothing can be trusted to rho {target:.2f}: {unreliable}, and no proxy is promised more than that."
        return Recommendation(None, sentence, warning, None, target, top, None, bounds)
    qualified = np.flatnonzero(bounds >= target)
    if len(qualified):
        index = int(max(qualified, key=lambda i: (speed[i], bounds[i], -i)))
        promised = float(np.fmin(bounds[index], top.value))
        sentence = (
            f"Search with {candidates[index].name}: {speed[index]:.3g} times cheaper than the reference, it ranks "
            f"networks with rho of at least {promised:.2f} (estimate {rho[index]:.2f}; {percent(LEVEL, 0)} confidence "
            f"over {len(rho)} candidate{'' if len(rho) == 1 else 's'} and {networks} networks)."
        )
        sentence += f" The ceiling is unknown: {top.reason}." if math.isnan(top.value) else ""
        return Recommendation(index, sentence, "", promised, target, top, None, bounds)
    best = int(np.argmax(rho))
    needed = 3 + (networks - 3) * (joint * errors[best] / (z[best] - goal)) ** 2 if z[best] > goal else math.inf
    number = math.ceil(needed) if math.isfinite(needed) else None
    sentence = (
        f"Nothing reaches rho {target:.2f} with {percent(LEVEL, 0)} confidence on these {networks} networks: the best, "
        f"{candidates[best].name}, is estimated at {rho[best]:.2f}"
        + (f" and needs about {number} networks." if number else ", and no number of networks would do.")
    )
    return Recommendation(None, sentence, "", None, target, top, number, bounds)


def _ceiling(reference: Array) -> Estimate:
    """As :func:`zoo.reliability.ceiling.ceiling`."""
    networks, repeats = reference.shape
    if repeats < 2:
        return undefined("the reference was trained once")
    found, influence = [], np.zeros(networks)
    for first, second in combinations(reference.T, 2):
        both = ~np.isnan(first) & ~np.isnan(second)
        if both.sum() >= 2:
            found.append(_spearman(first[both], second[both]))
            influence[both] += found[-1].influence * networks / both.sum()
    if not found or math.isnan(sum(one.value for one in found)):
        return undefined("the repeats of the reference are constant or share no networks")
    mean = math.fsum(one.value for one in found) / len(found)
    single = _Rho(mean, influence / len(found)).estimate(networks)
    value, low, high = (spearman_brown(one, repeats) for one in (single.value, single.low, single.high))
    return Estimate(value, low, high)
