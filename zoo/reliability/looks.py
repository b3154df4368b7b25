"""The looks: the numbers of networks at which a study may end early, and what it decides there.

Looks are fixed beforehand (12, 16, 24, 36 and 50 networks). At each, a study ends if some candidate is safe and cheap
enough, or if none can be; settings that cannot be safe are trained no more.

The price of looking several times is paid by spending the error α = 0.05 little by little (Lan and DeMets 1983,
Biometrika 70): once a share t of all networks is measured, 2 − 2 Φ(z_{α/2} / √t) has been spent, their function in the
manner of O'Brien and Fleming. A look's bounds may fail in what has been added since the look before. The increments are
summed up (the union bound), so that all statements of all looks hold together at 1 − α, however the looks depend on
one another; no correlation between them is assumed, and the exact boundaries of group-sequential trials, which are a
little lower, are not used.

The function leaves next to nothing to the first looks, where the errors of ρ have longer tails than normal ones; a
study of fewer than 50 networks spends no more there than one of 50. Compared in simulation and rejected: Pocock's
α ln(1 + (e − 1) t) and α t^(3/2) end studies up to a tenth cheaper, but where 15 % of the networks are bad they are
wrong in 5.5 % and 5.7 % of the zoos (400 and 950), this one in 3.6 % (1,950); with Student's quantiles they are no
cheaper than it. `python -m benchmarks coverage` has the figures of what was kept.

Three kinds of bounds share a look's error:

- safe: the lower bounds of `zoo.reliability.recommendation`, at the look's level; in sequence, from the slowest setting
  that is cheap enough. A study that has ended by one is wrong in at most α of all zoos.
- none can be: every cheap candidate's own upper bound lies below the target. Where one of them does reach the target,
  its own bound has to fail for that, so there is no price for their number: an end without an answer is wrong in at
  most α, too. That is less strict than bounds that hold for all of them at once, and as safe.
- dropped: the simultaneous upper bounds of all signals of a setting lie below the target. On Fisher's scale the errors
  are symmetric, so the upper bound lies as far above the estimate as the lower one below it.

What is dropped counts no more in the joint quantile of later looks. A candidate near the target, which might be
recommended wrongly, is hardly ever dropped, for its simultaneous bound had to fail; one that is dropped lies so far
below that it would not have been recommended. In sequence no candidate qualifies behind a dropped one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from zoo.pages.written import percent
from zoo.population.json_value import JSON
from zoo.population.proxy import ProxySetting, acceleration
from zoo.population.trial import Record, Trial
from zoo.purposes import STUDY_INTERVALS
from zoo.reliability.ceiling import ceiling
from zoo.reliability.correlation import Array, resampled_spearman
from zoo.reliability.interval import FEWEST, Estimate, bonett_wright, fisher, resample, spread
from zoo.reliability.recommendation import Candidate, Recommendation, choose, matched, stacked

if TYPE_CHECKING:
    from zoo.reliability.findings import Design

NETWORKS = (12, 16, 24, 36, 50)
"""At which a study looks."""
ERROR = 0.05
"""In how many of all zoos a study that ends early may be wrong, all looks together."""
LEAST = 1e-6
"""Error below which there is no look."""

Answer = Literal["safe", "none", "ceiling", "open"]


@dataclass(frozen=True, slots=True)
class Look:
    """One look.

    Attributes:
        networks: measured before it.
        level: of the bounds there.
        last: whether no look follows.
    """

    networks: int
    level: float
    last: bool


def spent(share: float, error: float = ERROR) -> float:
    """The error that is spent once a share of all networks is measured: α₁* of Lan and DeMets 1983."""
    from scipy.special import ndtr, ndtri

    return float(2 * ndtr(ndtri(error / 2) / math.sqrt(share))) if share > 0 else 0.0


def looks(most: int, error: float = ERROR) -> tuple[Look, ...]:
    """The looks of a study of at most so many networks; the last one is at the end.

    Raises:
        ValueError: for fewer networks than the first look needs.
    """
    if most < NETWORKS[0]:
        raise ValueError(f"models must be at least {NETWORKS[0]} until decided, for that is the first look, got {most}")
    found, before = [], 0.0
    for networks in (networks for networks in NETWORKS if networks < most):
        by_then = spent(networks / max(most, NETWORKS[-1]), error)
        if by_then - before >= LEAST:  # with less, nothing can be decided
            found.append(Look(networks, 1 - (by_then - before), last=False))
            before = by_then
    return (*found, Look(most, 1 - (error - before), last=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a study has decided.

    Attributes:
        target: Spearman's ρ that a candidate must reach.
        at_least: how many times cheaper than one training of the reference it must be.
        resamples: of every look.

    Raises:
        ValueError: for a value out of range.
    """

    target: float = 0.8
    at_least: float = 4.0
    resamples: int = 2000

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(f"the target must lie between 0 and 1, got {self.target:g}")
        if not 1 <= self.at_least < math.inf:
            raise ValueError(f"at_least must be at least 1, got {self.at_least:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a study decided at a look, as JSON-ready data.

    Attributes:
        networks: measured at the look.
        level: of its bounds.
        last: whether no look follows.
        answer: "safe": a candidate is safe and cheap enough; "none": none can be; "ceiling": the reference is not
            reliable enough; "open": none of these.
        target: Spearman's ρ.
        at_least: how many times cheaper is cheap enough.
        candidate: "safe" and "open": the fastest that is safe; "none": the cheap one that may reach most; empty where
            there is none.
        acceleration: of the candidate; 0 where there is none.
        rho: what is promised of a safe candidate, at least; "none" and "ceiling": what is reached at most; None where
            neither is known.
        dropped: settings that are trained no more from here on.
    """

    networks: int
    level: float
    last: bool
    answer: Answer
    target: float
    at_least: float
    candidate: str = ""
    acceleration: float = 0.0
    rho: float | None = None
    dropped: tuple[str, ...] = ()

    @property
    def ends(self) -> bool:
        """Whether the study ends here."""
        return self.last or self.answer != "open"

    @property
    def sentence(self) -> str:
        """The decision in plain words."""
        words = f"After {self.networks} networks: {self._found()}"
        if self.dropped and not self.ends:
            words += f" {', '.join(self.dropped)} cannot reach the target and will be trained no more."
        if self.last:
            words += " This was the last look: networks that are added carry no guarantee."
        return words

    def _found(self) -> str:
        times = f"{self.acceleration:.3g} times cheaper than the reference in MACs"
        if self.answer == "safe":
            return (
                f"{self.candidate} is safe, {times} with rho of at least {self.rho:.2f} "
                f"({percent(1 - ERROR, 0)} confidence over all looks)."
            )
        if self.answer == "ceiling":
            return (
                f"the reference is reliable to rho {self.rho:.2f} at most, below the target of {self.target:.2f}; "
                "train it longer, or raise --repeats."
            )
        if self.answer == "none":
            best = f": the best of them, {self.candidate}, reaches {self.rho:.2f} at most" if self.candidate else ""
            return f"nothing {self.at_least:g} times cheaper than the reference can reach rho {self.target:.2f}{best}."
        if self.candidate:
            return f"not decided: {self.candidate} is safe, but only {times}; {self.at_least:g} times are asked for."
        return f"not decided: nothing {self.at_least:g} times cheaper than the reference is safe, and something may be."

    def to_dict(self) -> dict[str, JSON]:
        """The decision as JSON-ready data."""
        return {**asdict(self), "dropped": list(self.dropped)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Decision":
        """Read :meth:`to_dict`'s form."""
        return cls(**{**data, "dropped": tuple(data["dropped"])})


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single truth value
class Judgement:
    """What a look shows; arrays are (candidates,), NaN where undefined.

    Attributes:
        recommendation: at the look's level; its bounds are lower ones.
        upper: simultaneous upper bounds on ρ.
        own: every candidate's own upper bound, which holds for it alone; NaN, too, where an estimate of one that is
            cheap enough reaches the target, so that nobody asks.
        ceiling: reliability of the reference, with its interval at the look's level.
    """

    recommendation: Recommendation
    upper: Array
    own: Array
    ceiling: Estimate


def judge(
    candidates: Sequence[Candidate],
    reference: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    look: Look,
    rule: Rule,
    sequence: Sequence[int] | None = None,
) -> Judgement:
    """All bounds of a look.

    Args:
        candidates: that are still measured.
        reference: (networks,) or (networks, repeats), NaN = failed.
        rng: draws the resamples.
        look: which look it is.
        rule: target and resamples.
        sequence: as of :func:`zoo.reliability.recommendation.choose`.

    Raises:
        ValueError: for shapes that do not match.
    """
    found = choose(
        candidates, reference, rng, target=rule.target, level=look.level, resamples=rule.resamples, sequence=sequence
    )
    x, y, _ = matched(stacked(candidates), reference, [one.name for one in candidates])
    rho = np.array([resampled_spearman(row, y, np.ones((1, len(y))))[0] for row in x])
    limit = 1 - 1e-12
    upper = np.tanh(2 * fisher(rho, max(len(y), FEWEST)) - np.arctanh(np.clip(found.bounds, -limit, limit)))
    own = np.full(len(x), np.nan)
    cheap = np.array([one.acceleration >= rule.at_least for one in candidates])
    if len(y) >= FEWEST and not (rho[cheap] >= rule.target).any():
        counts = resample(len(y), rng, rule.resamples)
        own = np.array([_own(row, y, value, counts, 1 - look.level) for row, value in zip(x, rho, strict=True)])
    return Judgement(found, upper, own, ceiling(reference, rng, rule.resamples, look.level))


def _own(x: Array, y: Array, rho: float, counts: Array, error: float) -> float:
    """A candidate's own upper bound: tanh(z + q s), s as the recommendation has it. NaN where undefined."""
    from scipy.special import ndtri

    draws = resampled_spearman(x, y, counts)
    defined = draws[~np.isnan(draws)]
    if np.isnan(rho) or 2 * len(defined) < len(draws):
        return math.nan
    deviation = max(spread(fisher(defined, len(y))), bonett_wright(rho, len(y)))
    return float(np.tanh(fisher(rho, len(y)) - ndtri(error) * deviation))


def in_sequence(
    candidates: Sequence[Candidate], members: Sequence[int], dropped: Sequence[float], rule: Rule
) -> list[int]:
    """Those of the members that are cheap enough and come before the first dropped one.

    The route goes from the slowest on, so that the first asked is just cheap enough, and likely to be safe.

    Args:
        candidates: that are still measured.
        members: of the sequence.
        dropped: acceleration of every member that has been dropped.
        rule: what is cheap enough.
    """
    ends = min((speed for speed in dropped if speed >= rule.at_least), default=math.inf)
    return [member for member in members if rule.at_least <= candidates[member].acceleration < ends]


def decision(
    judgement: Judgement, candidates: Sequence[Candidate], groups: Sequence[str], look: Look, rule: Rule
) -> Decision:
    """What follows from a look.

    Args:
        judgement: of the candidates.
        candidates: in the judgement's order.
        groups: of every candidate, the setting it comes from; empty for a score without training.
        look: which look it is.
        rule: what is asked for.
    """
    cheap = np.array([one.acceleration >= rule.at_least for one in candidates])
    dropped = _dropped(judgement.upper, groups, rule.target)
    left = np.array([group not in dropped for group in groups])
    answer: Answer = "open"
    index, rho = judgement.recommendation.index, judgement.recommendation.promised
    if index is not None and cheap[index]:
        answer = "safe"
    elif judgement.ceiling.high < rule.target:  # never so for an unknown ceiling
        answer, index, rho = "ceiling", None, judgement.ceiling.high
    elif not (cheap & left & ~(judgement.own < rule.target)).any():  # an undefined one may still be safe
        own = np.where(cheap, judgement.own, np.nan)
        index = None if np.isnan(own).all() else int(np.nanargmax(own))
        answer, rho = "none", None if index is None else float(own[index])
    return Decision(
        networks=look.networks,
        level=look.level,
        last=look.last,
        answer=answer,
        target=rule.target,
        at_least=rule.at_least,
        candidate="" if index is None else candidates[index].name,
        acceleration=0.0 if index is None else candidates[index].acceleration,
        rho=rho,
        dropped=dropped,
    )


def _dropped(upper: Array, groups: Sequence[str], target: float) -> tuple[str, ...]:
    """The settings that cannot be safe, whatever the signal; one that is undefined by all of them may still be."""
    found = {group: True for group in groups if group}
    defined: dict[str, bool] = {}
    for bound, group in zip(upper, groups, strict=True):
        if group and not np.isnan(bound):
            defined[group] = True
            found[group] &= bool(bound < target)
    return tuple(group for group, below in found.items() if below and group in defined)


@dataclass(frozen=True, slots=True)
class Told:
    """What a study has asked and been told so far: of a journal, as much as candidates are read from."""

    asked: Sequence[Trial]
    told: Mapping[int, Record]

    def trials(self) -> Sequence[Trial]:
        """By index."""
        return self.asked

    def records(self) -> Mapping[int, Record]:
        """By their trials' indices."""
        return self.told


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Decides at the looks of a study.

    Attributes:
        looks: at which it is asked.
        rule: when a study has decided.
        design: of the study.
        images: training images per epoch by sample level.
        metric: which accuracy the reference is judged by.
    """

    looks: tuple[Look, ...]
    rule: Rule
    design: "Design"
    images: Mapping[int, int]
    metric: str

    def decide(self, look: Look, told: Told, kept: Sequence[ProxySetting], repeats: int) -> Decision:
        """The decision at a look, from the candidates that the report has, too.

        Args:
            look: which one it is.
            told: everything that was measured before it.
            kept: settings that are still trained.
            repeats: trainings of every network at the reference.
        """
        from zoo.reliability.candidates import read_candidates  # of studies, which are decided here
        from zoo.reliability.measured import Measured
        from zoo.reliability.signal import ACCURACY

        design = replace(self.design, settings=tuple(kept), repeats=repeats)
        zoo = Measured(told, kept, repeats)  # type: ignore[arg-type]  # of a journal it reads no more than this
        found = read_candidates(zoo, design, self.images)
        candidates = [one.candidate for one in found]
        gone = [
            acceleration(zoo.genotypes, design.skeleton, design.reference, setting, self.images)
            for setting in self.design.settings
            if setting not in kept
        ]
        accurate = [i for i, one in enumerate(found) if one.signal.name == ACCURACY]
        sequence = in_sequence(candidates, accurate, gone, self.rule)
        rng = np.random.default_rng((design.seed, look.networks, STUDY_INTERVALS))
        judgement = judge(candidates, zoo.at_reference(self.metric), rng, look=look, rule=self.rule, sequence=sequence)
        groups = ["" if one.setting is None else str(one.setting) for one in found]
        return decision(judgement, candidates, groups, look, self.rule)
