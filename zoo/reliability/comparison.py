"""The comparison: candidates of any kind against a reference, all measures of each, and the recommendation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from zoo.reliability.ceiling import corrected
from zoo.reliability.correlation import (
    Array,
    resampled_kendall,
    resampled_overlap,
    resampled_spearman,
    resampled_tolerant,
)
from zoo.reliability.interval import Estimate, from_draws, resample, resampled_estimate, undefined
from zoo.reliability.partial import PLACEBO, partial_spearman, placebo
from zoo.reliability.recommendation import Candidate, Recommendation, choose, matched, stacked
from zoo.reliability.shortlist import holds_best, regret

__all__ = ["Candidate", "Comparison", "Difference", "Score", "compare", "difference", "measured", "score"]


@dataclass(frozen=True, slots=True)
class Score:
    """How one candidate ranks the networks, all against the mean of the reference's repeats."""

    name: str
    spearman: Estimate
    corrected: float  # ρ were the reference free of noise, an estimate; NaN where its reliability is unknown
    beyond: Estimate  # partial Spearman given the control; undefined without one
    tolerant: Estimate
    kendall: Estimate
    top_k: Estimate
    holds_best: Estimate  # chance that its k best hold the best
    regret: Estimate  # what its k best miss, in units of the reference
    k: int  # networks that count as top
    tolerance: float  # b of the tolerant measure, in units of the scores
    networks: int  # compared
    failed: int  # of these, failed here: ranked below all others
    left_out: int  # without any reference


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better one candidate ranks than another, on the same networks."""

    first: str
    second: str
    spearman: Estimate  # ρ of the first less ρ of the second


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What the candidates are worth; ``scores`` are in their order, as is the recommendation's index."""

    scores: tuple[Score, ...]
    recommendation: Recommendation
    placebo: Estimate  # partial Spearman of the control plus noise: its interval must hold zero


def compare(
    candidates: Sequence[Candidate],
    reference: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    target: float = 0.8,
    tolerance: float = 0.0015,
    control: npt.ArrayLike | None = None,
    sequence: Sequence[int] | None = None,
    resamples: int = 2000,
) -> Comparison:
    """All measures of all candidates, and which of them to trust.

    Args:
        candidates: at least one.
        reference: (networks,) or (networks, repeats), NaN = failed.
        rng: draws resamples, which the candidates share.
        target: Spearman's ρ that a candidate must reach.
        tolerance: differences that the tolerant measure forgives, in units of the scores (Appendix B, Zhou 2020).
        control: (networks,), what the partial correlation holds fixed, such as MACs.
        sequence: as of :func:`zoo.reliability.recommendation.choose`.
        resamples: how many.

    Raises:
        ValueError: for shapes that do not match, or a value out of range.
    """
    answer = choose(candidates, reference, rng, target=target, resamples=resamples, sequence=sequence)
    return measured(answer, candidates, reference, rng, tolerance=tolerance, control=control, resamples=resamples)


def measured(
    answer: Recommendation,
    candidates: Sequence[Candidate],
    reference: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    tolerance: float = 0.0015,
    control: npt.ArrayLike | None = None,
    resamples: int = 2000,
) -> Comparison:
    """As :func:`compare`, with the answer given.

    Args:
        answer: the recommendation among the candidates.
        candidates: at least one.
        reference: as of :func:`compare`, and so are the others.
        rng: draws resamples, which the candidates share.
        tolerance: of the tolerant measure.
        control: what the partial correlation holds fixed.
        resamples: how many.

    Raises:
        ValueError: for shapes that do not match, or a value out of range.
    """
    names = [one.name for one in candidates]
    fixed = None if control is None else np.asarray(control, dtype=np.float64)
    scores = score(
        stacked(candidates), reference, names, rng, tolerance=tolerance, control=fixed, resamples=resamples
    )  # fmt: skip
    nothing = undefined("there is no control")
    if fixed is not None:
        fake = placebo(fixed, rng)[None]
        nothing = score(fake, reference, [PLACEBO], rng, control=fixed, resamples=resamples)[0].beyond
    reliable = answer.ceiling.value
    return Comparison(
        tuple(replace(one, corrected=corrected(one.spearman.value, reliable)) for one in scores), answer, nothing
    )


def score(
    scores: npt.ArrayLike,
    reference: npt.ArrayLike,
    names: Sequence[str],
    rng: np.random.Generator,
    *,
    tolerance: float = 0.0015,
    control: Array | None = None,
    k: int | None = None,
    resamples: int = 2000,
) -> list[Score]:
    """All measures of every candidate with two-sided 95 % intervals; the candidates share their resamples.

    What needs the reliability of the reference, the corrected ρ, is left undefined.

    Args:
        scores: (candidates, networks), NaN = failed.
        reference: (networks,) or (networks, repeats), of which the mean over the repeats that did not fail counts.
        names: of the candidates.
        rng: draws the resamples.
        tolerance: of the tolerant measure, in units of the scores.
        control: (networks,), for the partial correlation.
        k: top networks; None: a quarter of those compared, at least 1.
        resamples: how many.

    Raises:
        ValueError: for shapes that do not match and a k outside 1 … networks.
    """
    x, y, kept = matched(scores, reference, names)
    top = max(1, len(y) // 4) if k is None else k
    counts = resample(len(y), rng, resamples)
    tolerant = partial(resampled_tolerant, tolerance=tolerance)
    overlap = partial(resampled_overlap, k=top)
    fixed = None if control is None else np.asarray(control, dtype=np.float64)[kept]
    found = []
    for name, row in zip(names, x, strict=True):
        beyond = undefined("there is no control") if fixed is None else partial_spearman(row, y, fixed, counts)
        found.append(
            Score(
                name=name,
                spearman=resampled_estimate(resampled_spearman, row, y, counts),
                corrected=float("nan"),
                beyond=beyond,
                tolerant=resampled_estimate(tolerant, row, y, counts),
                kendall=resampled_estimate(resampled_kendall, row, y, counts),
                top_k=resampled_estimate(overlap, row, y, counts, scale="percentile"),
                holds_best=holds_best(row, y, top, counts),
                regret=regret(row, y, top, counts),
                k=top,
                tolerance=tolerance,
                networks=len(y),
                failed=int(np.isneginf(row).sum()),
                left_out=len(kept) - len(y),
            )
        )
    return found


def difference(
    first: Candidate,
    second: Candidate,
    reference: npt.ArrayLike,
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Difference:
    """How much better the first ranks than the second: a paired difference of ρ, with its percentile interval."""
    x, y, _ = matched(stacked([first, second]), reference, [first.name, second.name])
    networks = len(y)
    if networks < 2:
        reason = f"too few networks with a reference: expected at least 2, got {networks}"
        return Difference(first.name, second.name, undefined(reason))
    counts = np.vstack([np.ones(networks), resample(networks, rng, resamples)])
    draws = resampled_spearman(x[0], y, counts) - resampled_spearman(x[1], y, counts)
    if np.isnan(draws[0]):
        return Difference(first.name, second.name, undefined("one of the rankings is constant"))
    found = from_draws(float(draws[0]), draws[1:], networks, level, "percentile")
    return Difference(first.name, second.name, found)
