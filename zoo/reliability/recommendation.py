"""The cheapest candidate one may trust, with the price of having looked at all of them.

A candidate is a setting with a signal, or a score without training. The guarantee: a candidate whose true Spearman
ρ lies below the target is recommended in at most 1 − level of all zoos one could have drawn, although the fastest that
qualifies is picked from dozens measured on the same networks. It needs bounds that hold for all candidates at once.
The error is split evenly between two routes to qualify:

- simultaneous: the lower bound tanh(z − c·s) reaches the target, c being the quantile of the largest of all
  candidates' errors, jointly normal with the correlation that the resamples show (candidates share their
  networks, and signals their trainings, so c is far below Bonferroni's);
- in sequence: from the slowest candidate upwards, each reaches it by its own bound, c a plain normal quantile,
  until the first that does not. The order is known before anything is measured, so no price is paid for the
  number of candidates. Which take part is said beforehand, too: of several signals, one.

s is the larger of the bootstrap and the normal-theory standard error: looking for the best picks settings
whose spread came out too small by chance, and the bootstrap's alone recommends wrongly too often. Compared in
exploratory simulations and rejected: the quantile of the resamples' own maximum (the tail of z* is far too long
for a few dozen networks, so hardly any zoo gets an answer); either route alone (the simultaneous one answers
less often; the sequence prefers slower settings, and one weak setting ends it); step-down (as single-step: the
fastest is hardly ever the one it adds). What the rule kept achieves: `python -m benchmarks coverage`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from zoo.pages.written import percent
from zoo.reliability.ceiling import as_columns, ceiling, how_reliable
from zoo.reliability.correlation import Array, pair, resampled_spearman
from zoo.reliability.interval import FEWEST, Estimate, bonett_wright, fisher, resample, spread

CostUnit = Literal["macs", "seconds"]
COST_UNITS: tuple[CostUnit, ...] = get_args(CostUnit)
"""What a candidate may save: counted multiply-accumulates, alike on every machine, or seconds as they were measured."""


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single truth value
class Candidate:
    """Something that ranks networks.

    Attributes:
        name: of the candidate: "c4r0s0e4 by loss", "macs", a column.
        values: (networks,), higher is better, NaN = failed.
        acceleration: how many times cheaper than the reference it is, positive, known beforehand.
        words: what the values are, in a few words: "validation loss"; may be empty.
        trains: whether networks are trained for it.
        speedup: how many times faster than the reference it was by the clock; NaN where nobody measured that.
    """

    name: str
    values: Array
    acceleration: float
    words: str = ""
    trains: bool = True
    speedup: float = math.nan

    @property
    def opening(self) -> str:
        """How a sentence that recommends it begins."""
        if not self.trains:
            return f"Rank networks by {self.name}, without training: it ranks"
        words = f" ({self.words})" if self.words else ""
        cheaper = f"{self.acceleration:.3g} times cheaper than the reference"
        if math.isfinite(self.speedup):
            cheaper += f" in MACs and {self.speedup:.2g} times faster by the clock"
        return f"Search with {self.name}{words}: {cheaper}, it ranks"


@dataclass(frozen=True, slots=True, eq=False)
class Recommendation:
    """The answer, or a plain statement that there is none."""

    index: int | None  # of the recommended candidate
    sentence: str
    warning: str  # the report's first line if the ceiling is below the target, else empty
    promised: float | None  # ρ that the recommended candidate has at least, never above the ceiling
    target: float
    ceiling: Estimate  # reliability of the mean of the reference's repeats; undefined with one repeat
    needed_networks: int | None  # about how many make the best candidate qualify; None: no number, or no need
    bounds: Array  # (candidates,) lower bounds on ρ, simultaneous at the level asked for; NaN where undefined


def recommend(
    scores: npt.ArrayLike,
    reference: npt.ArrayLike,
    acceleration: npt.ArrayLike,
    names: Sequence[str],
    rng: np.random.Generator,
    *,
    target: float = 0.8,
    level: float = 0.95,
    resamples: int = 2000,
) -> Recommendation:
    """As :func:`choose`, for candidates given as arrays.

    Args:
        scores: (candidates, networks), NaN = failed, ranked below all others.
        reference: (networks,) or (networks, repeats).
        acceleration: (candidates,), positive, known beforehand.
        names: of the candidates.
        rng: draws the resamples.
        target: Spearman's ρ.
        level: of confidence, for all candidates together.
        resamples: how many.

    Raises:
        ValueError: for shapes that do not match, or a target or level outside (0, 1).
    """
    matched(scores, reference, names)  # complains about shapes
    speed = np.asarray(acceleration, dtype=np.float64)
    if speed.shape != (len(names),):
        raise ValueError(f"expected a positive acceleration for each of {len(names)} candidates, got {speed}")
    rows = np.asarray(scores, dtype=np.float64)
    candidates = [Candidate(name, row, one) for name, row, one in zip(names, rows, speed.tolist(), strict=True)]
    return choose(candidates, reference, rng, target=target, level=level, resamples=resamples)


def choose(
    candidates: Sequence[Candidate],
    reference: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    target: float = 0.8,
    level: float = 0.95,
    resamples: int = 2000,
    sequence: Sequence[int] | None = None,
    cost: CostUnit = "macs",
) -> Recommendation:
    """The candidate with the greatest acceleration that has Spearman's ρ ≥ target, safe at `level`, or None.

    By seconds, the one with the greatest speed-up that was measured; the bounds are the same, for their order is known
    beforehand. Of equally fast ones the one with the highest bound. Where the point estimate of the ceiling is below
    the target, nothing is recommended: the target cannot be met.

    Args:
        candidates: at least one; a failed network is ranked below all others.
        reference: (networks,) or (networks, repeats), the mean over repeats counts; a network without any is left out.
        rng: draws the resamples.
        target: Spearman's ρ.
        level: of confidence, for all candidates together.
        resamples: how many.
        sequence: candidates of the route in sequence, chosen before anything was measured; None: all.
        cost: what the recommended candidate saves most of.

    Raises:
        ValueError: for shapes that do not match, a target or level outside (0, 1), or a candidate that is not there.
    """
    if not 0 < target < 1 or not 0 < level < 1:
        raise ValueError(f"expected a target and a level between 0 and 1, got {target} and {level}")
    x, y, _ = matched(stacked(candidates), reference, [one.name for one in candidates])
    speed = np.array([one.acceleration for one in candidates], dtype=np.float64)
    if not (np.isfinite(speed) & (speed > 0)).all():
        raise ValueError(f"expected a positive acceleration for each of {len(x)} candidates, got {speed}")
    members = np.arange(len(x)) if sequence is None else np.asarray(sequence, dtype=np.int64)
    if ((members < 0) | (members >= len(x))).any():
        raise ValueError(f"expected a sequence of candidates from 0 to {len(x) - 1}, got {members.tolist()}")
    slow_first = members[np.argsort(speed[members], kind="stable")]
    evidence = _evidence(x, y, speed, slow_first, _Wanted(target, level, resamples), rng)
    if cost == "seconds":
        evidence = replace(evidence, speed=np.nan_to_num([one.speedup for one in candidates], posinf=np.inf))
    return _answer(evidence, ceiling(reference, rng, resamples), candidates)


def stacked(candidates: Sequence[Candidate]) -> Array:
    """The values of all candidates, (candidates, networks).

    Raises:
        ValueError: if they are not of equal length, or there are none.
    """
    shapes = {np.shape(one.values) for one in candidates}
    if len(shapes) != 1 or len(*shapes) != 1:
        raise ValueError(f"expected candidates with one value a network each, got shapes {sorted(shapes)}")
    return np.array([one.values for one in candidates], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked of the evidence."""

    target: float
    level: float
    resamples: int


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """What the zoo says about every candidate; arrays are (candidates,)."""

    rho: Array  # estimates, NaN where undefined
    bounds: Array  # simultaneous lower bounds, NaN where undefined
    needed: Array  # networks it would take to qualify, inf where no number would do
    speed: Array
    networks: int
    target: float
    level: float


def _evidence(
    x: Array,
    y: Array,
    speed: Array,
    slow_first: npt.NDArray[np.int64],
    wanted: _Wanted,
    rng: np.random.Generator,
) -> _Evidence:
    candidates, networks = x.shape
    target, level, resamples = wanted.target, wanted.level, wanted.resamples
    rho, bounds, needed = np.full(candidates, np.nan), np.full(candidates, np.nan), np.full(candidates, np.inf)
    evidence = _Evidence(rho, bounds, needed, speed, networks, target, level)
    if networks < FEWEST:
        return evidence
    whole = np.ones((1, networks))
    rho[:] = [resampled_spearman(row, y, whole)[0] for row in x]
    counts = resample(networks, rng, resamples)
    draws = fisher(np.stack([resampled_spearman(row, y, counts) for row in x]), networks)
    usable = ~np.isnan(rho) & (2 * np.isnan(draws).sum(axis=1) < resamples)
    if not usable.any():
        return evidence
    errors = np.zeros(candidates)
    for i in np.flatnonzero(usable):
        defined = ~np.isnan(draws[i])
        errors[i] = max(spread(draws[i, defined]), bonett_wright(rho[i], networks))
        draws[i, ~defined] = draws[i, defined].mean()

    z, goal = fisher(rho, networks), np.arctanh(target)
    tail = (1 - level) / 2  # half the error for each route
    joint = _joint_quantile(draws[usable], 1 - tail, rng)
    bounds[usable] = np.tanh(z - joint * errors)[usable]
    from scipy.special import ndtri

    alone = usable & (z + ndtri(tail) * errors >= goal)
    in_sequence = slow_first[np.logical_and.accumulate(alone[slow_first])]
    bounds[in_sequence] = np.maximum(bounds[in_sequence], target)

    above = usable & (z > goal)
    needed[above] = 3 + (networks - 3) * (joint * errors[above] / (z[above] - goal)) ** 2
    return evidence


def _joint_quantile(draws: Array, probability: float, rng: np.random.Generator) -> float:
    """Quantile of the largest of jointly normal errors, correlated like the draws (candidates, resamples)."""
    spreads = draws.std(axis=1, keepdims=True)
    # a candidate whose draws are constant has no error to share: independent of the others, the careful reading
    standard = (draws - draws.mean(axis=1, keepdims=True)) / np.where(spreads > 0, spreads, 1)
    correlation = standard @ standard.T / draws.shape[1]
    np.fill_diagonal(correlation, 1)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    largest = np.max(root @ rng.standard_normal((len(root), 5_000)), axis=0)
    return float(np.quantile(largest, probability))


def _answer(evidence: _Evidence, top: Estimate, candidates: Sequence[Candidate]) -> Recommendation:
    """Choose, and say it in plain words. A ceiling below the target overrules everything else."""
    target, bounds = evidence.target, evidence.bounds
    if top.value < target:  # never so for an unknown ceiling
        warning = (
            f"Warning: the reference itself is {how_reliable(top.value)}, below the target of "
            f"{target:.2f}; train it longer or average more repeats before trusting any proxy."
        )
        sentence = (
            f"Nothing can be trusted to rho {target:.2f}: the mean of the reference's trainings is "
            f"{how_reliable(top.value)}, and no proxy is promised more than that."
        )
        return Recommendation(None, sentence, warning, None, target, top, None, bounds)
    qualified = np.flatnonzero(bounds >= target)  # NaN does not qualify
    if not len(qualified):
        sentence, needed = _none_qualifies(evidence, [one.name for one in candidates])
        return Recommendation(None, sentence, "", None, target, top, needed, bounds)
    index = int(max(qualified, key=lambda i: (evidence.speed[i], bounds[i], -i)))
    promised = float(np.fmin(bounds[index], top.value))  # fmin: an unknown ceiling caps nothing
    number = f"{len(bounds)} candidate{'' if len(bounds) == 1 else 's'}"
    sentence = (
        f"{candidates[index].opening} networks with rho of at least {promised:.2f} (estimate "
        f"{evidence.rho[index]:.2f}; {percent(evidence.level, 0)} confidence over {number} and "
        f"{evidence.networks} networks)."
    )
    if np.isnan(top.value):
        sentence += f" The ceiling is unknown: {top.reason}."
    return Recommendation(index, sentence, "", promised, target, top, None, bounds)


def _none_qualifies(evidence: _Evidence, names: Sequence[str]) -> tuple[str, int | None]:
    """The sentence, and about how many networks would change it, if a number would."""
    rho, needed, networks = evidence.rho, evidence.needed, evidence.networks
    if networks < FEWEST:
        return (
            f"Nothing can be judged: {networks} networks have a reference, at least {FEWEST} are needed.",
            None,
        )
    if np.isnan(evidence.bounds).all():
        return "Nothing can be judged: for no candidate is the ranking of the networks defined.", None
    sure = percent(evidence.level, 0)
    start = f"Nothing reaches rho {evidence.target:.2f} with {sure} confidence on these {networks} networks"
    if np.isinf(needed).all():
        best = int(np.nanargmax(rho))
        estimate = f"the best, {names[best]}, is estimated at {rho[best]:.2f}"
        if rho[best] >= evidence.target:  # in perfect or nearly perfect order, which chance gives a few networks
            return f"{start}: {estimate}, but so few networks cannot show it; measure more.", None
        return f"{start}: {estimate}, so on this evidence no number of networks would do.", None
    best = int(np.argmin(needed))
    number = int(np.ceil(needed[best]))
    return f"{start}: the best, {names[best]} (estimate {rho[best]:.2f}), needs about {number}.", number


def matched(
    scores: npt.ArrayLike, reference: npt.ArrayLike, names: Sequence[str]
) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Scores and the mean of the reference's repeats, of the networks that have one.

    Args:
        scores: (candidates, networks), NaN = failed.
        reference: (networks,) or (networks, repeats), NaN = failed.
        names: of the candidates.

    Returns:
        Scores (candidates, compared), -inf = failed; the reference (compared,); which networks these are (networks,).

    Raises:
        ValueError: for shapes that do not match, or no candidate.
    """
    x, values = np.asarray(scores, dtype=np.float64), as_columns(reference)
    if x.ndim != 2 or x.shape != (len(names), len(values)) or len(names) == 0:
        raise ValueError(
            f"expected scores of (candidates, networks) = ({len(names)}, {len(values)}), at least one candidate, "
            f"got shape {x.shape}"
        )
    trained = ~np.isnan(values)
    repeats = trained.sum(axis=1)
    mean = np.where(trained, values, 0).sum(axis=1) / np.maximum(repeats, 1)
    mean = np.round(mean, 12)  # equal sums of fractions, added in another order, stay tied
    x, y = pair(x, np.where(repeats > 0, mean, np.nan))
    return x, y, repeats > 0
