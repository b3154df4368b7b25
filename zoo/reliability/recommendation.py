"""The cheapest setting one may trust, with the price of having looked at all of them.

The guarantee: a setting whose true Spearman ρ lies below the target is recommended in at most 1 − level of
all zoos one could have drawn, although the fastest that qualifies is picked from dozens measured on the same
networks. It needs bounds that hold for all settings at once. The error is split evenly between two routes to
qualify:

- simultaneous: the lower bound tanh(z − c·s) reaches the target, c being the quantile of the largest of all
  settings' errors, jointly normal with the correlation that the resamples show (settings share their
  networks, so c is far below Bonferroni's);
- in sequence: from the slowest setting upwards, each reaches it by its own bound, c a plain normal quantile,
  until the first that does not. The order is known before anything is measured, so no price is paid for the
  number of settings.

s is the larger of the bootstrap and the normal-theory standard error: looking for the best picks settings
whose spread came out too small by chance, and the bootstrap's alone recommends wrongly too often. Compared in
exploratory simulations and rejected: the quantile of the resamples' own maximum (the tail of z* is far too long
for a few dozen networks, so hardly any zoo gets an answer); either route alone (the simultaneous one answers
less often; the sequence prefers slower settings, and one weak setting ends it); step-down (as single-step: the
fastest is hardly ever the one it adds). What the rule kept achieves: `python -m benchmarks coverage`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt

from zoo.reliability.correlation import (
    Array,
    pair,
    resampled_kendall,
    resampled_overlap,
    resampled_spearman,
    resampled_tolerant,
)
from zoo.reliability.interval import (
    FEWEST,
    Estimate,
    bonett_wright,
    fisher,
    from_draws,
    resample,
    resampled_estimate,
    spread,
    undefined,
)


@dataclass(frozen=True, slots=True)
class Score:
    """How one setting ranks the networks, all against the mean of the reference's repeats."""

    setting: str
    spearman: Estimate
    tolerant: Estimate
    kendall: Estimate
    top_k: Estimate
    k: int  # networks that count as top
    tolerance: float  # b of the tolerant measure, in units of the scores
    networks: int  # compared
    failed: int  # of these, failed at this setting: ranked below all others
    left_out: int  # without any reference


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single truth value
class Recommendation:
    """The answer, or a plain statement that there is none."""

    index: int | None  # of the recommended setting
    sentence: str
    warning: str  # the report's first line if the ceiling is below the target, else empty
    promised: float | None  # ρ that the recommended setting has at least, never above the ceiling
    target: float
    ceiling: Estimate  # Spearman between repeats of the reference; undefined with one repeat
    needed_networks: int | None  # about how many make the best candidate qualify; None: no number, or no need
    bounds: Array  # (settings,) lower bounds on ρ, simultaneous at the level asked for; NaN where undefined


def score(
    scores: npt.ArrayLike,
    reference: npt.ArrayLike,
    names: Sequence[str],
    rng: np.random.Generator,
    *,
    validation_images: int,
    k: int | None = None,
    resamples: int = 2000,
    level: float = 0.95,
) -> list[Score]:
    """All measures of every setting with two-sided intervals; the settings share their resamples.

    scores (settings, networks), accuracies as fractions, NaN = failed; reference (networks,) or (networks,
    repeats), of which the mean over the repeats that did not fail counts. k: top networks, default a quarter
    of those compared, at least 1. The tolerance is 0.15 % or one validation image, whichever is larger
    (Appendix B, Zhou 2020). Raises ValueError for shapes that do not match and a k outside 1 … networks.
    """
    if validation_images < 1:
        raise ValueError(f"expected at least 1 validation image, got {validation_images}")
    x, y, left_out = _matched(scores, reference, names)
    tolerance = max(0.0015, 1 / validation_images)
    top = max(1, len(y) // 4) if k is None else k
    counts = resample(len(y), rng, resamples)
    tolerant = partial(resampled_tolerant, tolerance=tolerance)
    overlap = partial(resampled_overlap, k=top)
    return [
        Score(
            setting=name,
            spearman=resampled_estimate(resampled_spearman, row, y, counts, level),
            tolerant=resampled_estimate(tolerant, row, y, counts, level),
            kendall=resampled_estimate(resampled_kendall, row, y, counts, level),
            top_k=resampled_estimate(overlap, row, y, counts, level, "percentile"),
            k=top,
            tolerance=tolerance,
            networks=len(y),
            failed=int(np.isneginf(row).sum()),
            left_out=left_out,
        )
        for name, row in zip(names, x, strict=True)
    ]


def ceiling(reference: npt.ArrayLike, rng: np.random.Generator, resamples: int = 2000, level: float = 0.95) -> Estimate:
    """How well the reference ranks like itself: Spearman between two repeats, mean over all pairs of repeats.

    reference (networks,) or (networks, repeats), NaN = failed; a pair is compared over the networks that have
    both. Undefined, with the reason, for a single repeat.
    """
    values = _columns(reference)
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
    """The setting with the greatest acceleration that has Spearman's ρ ≥ target, safe at `level`, or None.

    scores (settings, networks), NaN = failed, ranked below all others; reference (networks,) or (networks,
    repeats), the mean over repeats counts, a network without any is left out; acceleration (settings,),
    positive, known beforehand. Where the point estimate of the ceiling is below the target, nothing is
    recommended: the target cannot be met. Raises ValueError for shapes that do not match, a target or level
    outside (0, 1).
    """
    if not 0 < target < 1 or not 0 < level < 1:
        raise ValueError(f"expected a target and a level between 0 and 1, got {target} and {level}")
    x, y, _ = _matched(scores, reference, names)
    speed = np.asarray(acceleration, dtype=np.float64)
    if speed.shape != (len(x),) or not (np.isfinite(speed) & (speed > 0)).all():
        raise ValueError(f"expected a positive acceleration for each of {len(x)} settings, got {speed}")
    evidence = _evidence(x, y, speed, target, level, rng, resamples)
    return _answer(evidence, ceiling(reference, rng, resamples), names)


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """What the zoo says about every setting; arrays are (settings,)."""

    rho: Array  # estimates, NaN where undefined
    bounds: Array  # simultaneous lower bounds, NaN where undefined
    needed: Array  # networks it would take to qualify, inf where no number would do
    speed: Array
    networks: int
    target: float
    level: float


def _evidence(
    x: Array, y: Array, speed: Array, target: float, level: float, rng: np.random.Generator, resamples: int
) -> _Evidence:
    settings, networks = x.shape
    rho, bounds, needed = np.full(settings, np.nan), np.full(settings, np.nan), np.full(settings, np.inf)
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
    errors = np.zeros(settings)
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
    slow_first = np.argsort(speed, kind="stable")
    in_sequence = slow_first[np.logical_and.accumulate(alone[slow_first])]
    bounds[in_sequence] = np.maximum(bounds[in_sequence], target)

    above = usable & (z > goal)
    needed[above] = 3 + (networks - 3) * (joint * errors[above] / (z[above] - goal)) ** 2
    return evidence


def _joint_quantile(draws: Array, probability: float, rng: np.random.Generator) -> float:
    """Quantile of the largest of jointly normal errors, correlated like the draws (settings, resamples)."""
    spreads = draws.std(axis=1, keepdims=True)
    # a setting whose draws are constant has no error to share: independent of the others, the careful reading
    standard = (draws - draws.mean(axis=1, keepdims=True)) / np.where(spreads > 0, spreads, 1)
    correlation = standard @ standard.T / draws.shape[1]
    np.fill_diagonal(correlation, 1)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    largest = np.max(root @ rng.standard_normal((len(root), 5_000)), axis=0)
    return float(np.quantile(largest, probability))


def _answer(evidence: _Evidence, top: Estimate, names: Sequence[str]) -> Recommendation:
    """Choose, and say it in plain words. A ceiling below the target overrules everything else."""
    target, bounds = evidence.target, evidence.bounds
    if top.value < target:  # never so for an unknown ceiling
        warning = (
            f"Warning: the reference itself repeats only to rho {top.value:.2f}, below the target of "
            f"{target:.2f}; train it longer or average more repeats before trusting any proxy."
        )
        sentence = (
            f"No setting can be trusted to rho {target:.2f}: two trainings of the reference agree only to "
            f"rho {top.value:.2f}, and no proxy is promised more than that."
        )
        return Recommendation(None, sentence, warning, None, target, top, None, bounds)
    qualified = np.flatnonzero(bounds >= target)  # NaN does not qualify
    if not len(qualified):
        sentence, needed = _none_qualifies(evidence, names)
        return Recommendation(None, sentence, "", None, target, top, needed, bounds)
    index = int(qualified[np.argmax(evidence.speed[qualified])])
    promised = float(np.fmin(bounds[index], top.value))  # fmin: an unknown ceiling caps nothing
    sentence = (
        f"Search with {names[index]}: {evidence.speed[index]:.3g} times cheaper than the reference, it ranks "
        f"networks with rho of at least {promised:.2f} (estimate {evidence.rho[index]:.2f}; "
        f"{evidence.level:.0%} confidence over {len(bounds)} settings and {evidence.networks} networks)."
    )
    if np.isnan(top.value):
        sentence += f" The ceiling is unknown: {top.reason}."
    return Recommendation(index, sentence, "", promised, target, top, None, bounds)


def _none_qualifies(evidence: _Evidence, names: Sequence[str]) -> tuple[str, int | None]:
    """The sentence, and about how many networks would change it, if a number would."""
    rho, needed, networks = evidence.rho, evidence.needed, evidence.networks
    if networks < FEWEST:
        return (
            f"No setting can be judged: {networks} networks have a reference, at least {FEWEST} are needed.",
            None,
        )
    if np.isnan(evidence.bounds).all():
        return "No setting can be judged: at none is the ranking of the networks defined.", None
    start = (
        f"No setting reaches rho {evidence.target:.2f} with {evidence.level:.0%} confidence "
        f"on these {networks} networks"
    )
    if np.isinf(needed).all():
        best = int(np.nanargmax(rho))
        estimate = f"the best, {names[best]}, is estimated at {rho[best]:.2f}"
        if rho[best] >= evidence.target:  # in perfect or nearly perfect order, which chance gives a few networks
            return f"{start}: {estimate}, but so few networks cannot show it; measure more.", None
        return f"{start}: {estimate}, so on this evidence no number of networks would do.", None
    best = int(np.argmin(needed))
    number = int(np.ceil(needed[best]))
    return f"{start}: the best, {names[best]} (estimate {rho[best]:.2f}), needs about {number}.", number


def _columns(reference: npt.ArrayLike) -> Array:
    """The reference as (networks, repeats)."""
    values = np.asarray(reference, dtype=np.float64)
    if values.ndim not in (1, 2):
        raise ValueError(f"expected a reference of shape (networks,) or (networks, repeats), got shape {values.shape}")
    return values[:, None] if values.ndim == 1 else values


def _matched(scores: npt.ArrayLike, reference: npt.ArrayLike, names: Sequence[str]) -> tuple[Array, Array, int]:
    """Scores (settings, networks) and mean reference (networks,) from `pair`; how many were left out."""
    x, values = np.asarray(scores, dtype=np.float64), _columns(reference)
    if x.ndim != 2 or x.shape != (len(names), len(values)) or len(names) == 0:
        raise ValueError(
            f"expected scores of (settings, networks) = ({len(names)}, {len(values)}), at least one setting, "
            f"got shape {x.shape}"
        )
    trained = ~np.isnan(values)
    repeats = trained.sum(axis=1)
    mean = np.where(trained, values, 0).sum(axis=1) / np.maximum(repeats, 1)
    mean = np.round(mean, 12)  # equal sums of fractions, added in another order, stay tied
    x, y = pair(x, np.where(repeats > 0, mean, np.nan))
    return x, y, int((repeats == 0).sum())
