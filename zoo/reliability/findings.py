"""What a study found, from its journal: what every setting, signal and score is worth, and the recommendation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zoo.population.faults import too_many_missing
from zoo.population.journal import Journal
from zoo.population.metric import METRICS, Metric
from zoo.population.proxy import ProxySetting, acceleration
from zoo.purposes import STUDY_INTERVALS
from zoo.reliability.candidates import COUNTS, Read, candidate_name, read_candidates, scored
from zoo.reliability.comparison import Comparison, Difference, Score, difference, measured
from zoo.reliability.correlation import Array, resampled_entropy, resampled_spearman
from zoo.reliability.interval import Estimate, bootstrap
from zoo.reliability.looks import Decision, Rule, in_sequence
from zoo.reliability.measured import Measured
from zoo.reliability.recommendation import COST_UNITS, CostUnit, Recommendation, choose
from zoo.reliability.signal import ACCURACY, SIGNALS, Signal
from zoo.spaces.cost import cost as counted
from zoo.spaces.genotype import CellGenotype
from zoo.spaces.skeleton import Skeleton

FACTORS = "crse"
LEVEL = 0.95
"""Of the recommendation, where no look has spent of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What a study asked for.

    Attributes:
        settings: the grid.
        reference: the setting whose ranking counts.
        repeats: trainings per network there.
        skeleton: of the original setting.
        seed: of the study; bootstrap resamples are drawn from it too.
        signals: that rank the networks at every setting.
        scores: without training, which the study may have: their names, words, and whether less is better.
    """

    settings: tuple[ProxySetting, ...]
    reference: ProxySetting
    repeats: int
    skeleton: Skeleton
    seed: int
    signals: tuple[str, ...] = tuple(SIGNALS)
    scores: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One candidate of a study: a setting with a signal, or a score without training.

    Attributes:
        setting: the setting; None for a score.
        signal: name of the signal or the score.
        words: what it is, in a few words.
        lower: whether less of it is better; ``values`` are then its negatives.
        acceleration: how many times cheaper than the reference it is, in counted MACs.
        score: its rank measures with their intervals.
        bound: lower bound on its Spearman ρ that holds for all candidates at once; NaN where undefined.
        accuracy: mean validation accuracy at the setting over the networks that did not fail; NaN for a score.
        seconds: mean wall-clock seconds per network in a worker; NaN where it is counted.
        speedup: how many times faster than the reference that is; NaN where nobody timed it, infinite where counted.
        values: per network, higher is better, NaN for a failure.
    """

    setting: ProxySetting | None
    signal: str
    words: str
    lower: bool
    acceleration: float
    score: Score
    bound: float
    accuracy: float
    seconds: float
    speedup: float = math.nan
    values: tuple[float, ...]

    @property
    def name(self) -> str:
        """As in sentences and tables."""
        return candidate_name(self.setting, self.signal)

    @property
    def rho(self) -> float:
        """The estimate of Spearman's ρ; NaN where undefined."""
        return self.score.spearman.value

    @property
    def counted(self) -> bool:
        """Whether it costs nothing at all."""
        return self.setting is None and self.signal in COUNTS


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorLine:
    """ρ by accuracy along one factor with the others fixed (Appendix D, Zhou 2020).

    Attributes:
        factor: "c", "r", "s" or "e".
        fixed: the other factors, e.g. "r0s0e4".
        settings: ascending in the factor.
        spearman: their ρ, in the same order.
        entropy: Spearman between ρ and the order of the factor, near ±1 where ρ is monotone.
    """

    factor: str
    fixed: str
    settings: tuple[ProxySetting, ...]
    spearman: tuple[float, ...]
    entropy: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything a study's report says.

    Attributes:
        reference: the setting whose ranking counts.
        repeats: trainings per network there.
        genotypes: the networks measured completely, in order.
        reference_accuracies: networks × repeats, NaN for a failure.
        reference_seconds: mean wall-clock seconds of one training there in a worker; NaN where nobody timed it.
        candidates: settings by ascending acceleration, each with every signal in turn; then the scores.
        differences: at every setting, every signal against accuracy, paired.
        placebo: partial Spearman of MACs plus noise given MACs: its interval must hold zero.
        lines: ρ along every factor.
        recommendation: the answer; its index counts in ``candidates``.
        metric: by which the reference is judged.
        cost: what the recommendation saves most of.
        failures: (trial, reason) of everything that failed.
        totals: trainings, failed, epochs, seconds summed over workers, seconds of scoring.
        about: identity, data, versions, hardware, command, models (measured) and planned (asked for), looks (what was
            decided at them, in words), one_class (networks that name one class only at the reference).
    """

    reference: ProxySetting
    repeats: int
    genotypes: tuple[CellGenotype, ...]
    reference_accuracies: tuple[tuple[float, ...], ...]
    reference_seconds: float = math.nan
    candidates: tuple[Finding, ...]
    differences: tuple[Difference, ...]
    placebo: Estimate
    lines: tuple[FactorLine, ...]
    recommendation: Recommendation
    metric: Metric
    cost: CostUnit = "macs"
    failures: tuple[tuple[str, str], ...]
    totals: Mapping[str, float]
    about: Mapping[str, Any]

    @property
    def trained(self) -> tuple[Finding, ...]:
        """The candidates that train."""
        return tuple(one for one in self.candidates if one.setting is not None)

    @property
    def free(self) -> tuple[Finding, ...]:
        """The scores without training."""
        return tuple(one for one in self.candidates if one.setting is None)

    @property
    def chosen(self) -> Finding | None:
        """The recommended candidate."""
        index = self.recommendation.index
        return None if index is None else self.candidates[index]

    @property
    def best_trained(self) -> Finding | None:
        """The setting and signal with the highest ρ, the first of equals; None where ρ is defined for none."""
        return max(known, key=lambda one: one.rho) if (known := defined(self.trained)) else None

    @property
    def leading(self) -> tuple[Finding, ...]:
        """Of every setting the recommended candidate, else the one with the highest ρ, else the first."""
        groups: dict[ProxySetting | None, list[Finding]] = {}
        for one in self.trained:
            groups.setdefault(one.setting, []).append(one)
        chosen = self.chosen
        return tuple(
            next((one for one in group if one is chosen), max(defined(group) or group[:1], key=lambda one: one.rho))
            for group in groups.values()
        )


def defined(candidates: Sequence[Finding]) -> list[Finding]:
    """Those whose ρ is defined."""
    return [one for one in candidates if math.isfinite(one.rho)]


def find(
    journal: Journal,
    design: Design,
    target: float = 0.8,
    metric: Metric = "accuracy",
    resamples: int = 2000,
    cost: CostUnit = "macs",
) -> Findings:
    """Analyse a study, finished or not: networks measured at every setting count.

    Raises:
        ValueError: if no network has been measured completely yet, or for a target, a metric or a signal out of range.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be {' or '.join(METRICS)}, got {metric!r}")
    if cost not in COST_UNITS:
        raise ValueError(f"cost must be {' or '.join(COST_UNITS)}, got {cost!r}")
    if not 0 < target < 1:
        raise ValueError(f"the target must lie between 0 and 1, got {target:g}")
    zoo = Measured(journal, design.settings, design.repeats)
    data = journal.get("data")
    targets = zoo.at_reference(metric)
    images = {int(level): count for level, count in data["images"].items()}
    found = read_candidates(zoo, design, images)
    candidates = [one.candidate for one in found]
    decisions = [Decision.from_dict(one) for one in journal.get("looks") or ()]
    rng = np.random.default_rng((design.seed, STUDY_INTERVALS))
    drawn, level = _as_decided(decisions, design.seed, len(zoo.genotypes), target)
    answer = choose(
        candidates, targets, drawn or rng,
        target=target, level=level, resamples=resamples, sequence=_sequence(zoo, design, found, images, decisions),
        cost=cost,
    )  # fmt: skip
    compared = measured(
        answer,
        candidates,
        targets,
        rng,
        tolerance=max(0.0015, 1 / data["validation"]),  # of accuracies; Appendix B, Zhou 2020
        control=[counted(genotype, design.skeleton).macs for genotype in zoo.genotypes],
        resamples=resamples,
    )
    recommendation = compared.recommendation
    if missing := too_many_missing(list(journal.records().values())):
        sentence = f"The recommendation is withheld: {missing}."
        recommendation = replace(recommendation, index=None, promised=None, needed_networks=None, sentence=sentence)
    return Findings(
        reference=design.reference,
        repeats=design.repeats,
        genotypes=zoo.genotypes,
        reference_accuracies=tuple(map(tuple, targets.tolist())),
        reference_seconds=zoo.reference_seconds,
        candidates=_findings(found, compared),
        differences=_differences(found, targets, rng, resamples),
        placebo=compared.placebo,
        lines=tuple(_lines(zoo, targets, rng, resamples)),
        recommendation=recommendation,
        metric=metric,
        cost=cost,
        failures=zoo.failures,
        totals=zoo.totals,
        about={
            "identity": journal.identity,
            "data": data,
            "command": journal.get("command"),
            "models": len(zoo.genotypes),
            "planned": _planned(journal, decisions),
            "one_class": zoo.naming_one_class(data.get("class_counts", {}).get("validation", ())),
            "looks": [decision.sentence for decision in decisions],
            **journal.get("about"),
        },
    )


def _planned(journal: Journal, decisions: Sequence[Decision]) -> int:
    """How many networks the study is to have: no more than it had when a look ended it."""
    first, *grown = journal.get("growth")
    ended = [decision.networks for decision in decisions if decision.ends]
    if grown and grown[-1] > first:  # equal where only the repeats grew
        return int(grown[-1])
    return int(ended[-1] if ended else first)


def _as_decided(
    decisions: Sequence[Decision], seed: int, networks: int, target: float
) -> tuple[np.random.Generator | None, float]:
    """What makes the answer that of a study's last look: its resamples, where nothing was added since; its level."""
    if not decisions:
        return None, LEVEL
    last = decisions[-1]
    same = (last.networks, last.target) == (networks, target)
    return np.random.default_rng((seed, networks, STUDY_INTERVALS)) if same else None, last.level


def _sequence(
    zoo: Measured, design: Design, found: Sequence[Read], images: Mapping[int, int], decisions: Sequence[Decision]
) -> Sequence[int] | None:
    """The candidates of the route in sequence: by accuracy, and as looks have it where there were some."""
    accurate = [i for i, one in enumerate(found) if one.signal.name == ACCURACY]
    if not decisions:
        return accurate or None
    dropped = [
        acceleration(zoo.genotypes, design.skeleton, design.reference, setting, images)
        for setting in design.settings
        if setting not in zoo.settings
    ]
    rule = Rule(target=decisions[-1].target, at_least=decisions[-1].at_least)
    return in_sequence([one.candidate for one in found], accurate, dropped, rule)


def _findings(found: Sequence[Read], compared: Comparison) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            setting=one.setting,
            signal=one.signal.name,
            words=one.signal.words,
            lower=one.signal.lower,
            acceleration=one.candidate.acceleration,
            score=compared.scores[i],
            bound=float(compared.recommendation.bounds[i]),
            accuracy=_mean([record.metrics.get(ACCURACY, math.nan) for record in one.records if record.ok]),
            seconds=_mean([record.seconds for record in one.records]),
            speedup=one.candidate.speedup,
            values=tuple(one.candidate.values.tolist()),
        )
        for i, one in enumerate(found)
    )


def _differences(
    found: Sequence[Read], targets: Array, rng: np.random.Generator, resamples: int
) -> tuple[Difference, ...]:
    """Every signal against accuracy at the same setting."""
    accurate = {one.setting: one.candidate for one in found if one.setting and one.signal.name == ACCURACY}
    return tuple(
        difference(one.candidate, accurate[one.setting], targets, rng, resamples)
        for one in found
        if one.setting in accurate and one.signal.name != ACCURACY
    )


def _lines(zoo: Measured, targets: Array, rng: np.random.Generator, resamples: int) -> list[FactorLine]:
    """Every sequence of at least two settings that differ in one factor only."""
    settings = sorted(zoo.settings)
    scores = {setting: scored(SIGNALS[ACCURACY], zoo.records_at(setting)) for setting in settings}
    kept = ~np.isnan(targets).all(axis=1)
    reference = np.nanmean(targets[kept], axis=1)
    once = np.ones((1, len(reference)))
    lines = []
    for factor in FACTORS:
        groups: dict[str, list[ProxySetting]] = {}
        for setting in settings:
            fixed = "".join(f"{name}{getattr(setting, name)}" for name in FACTORS if name != factor)
            groups.setdefault(fixed, []).append(setting)
        for fixed, members in sorted(groups.items()):
            if len(members) < 2:
                continue
            members.sort(key=lambda one: getattr(one, factor))
            rows = np.array([np.nan_to_num(scores[one][kept], nan=-np.inf) for one in members])
            shown = np.where(np.isneginf(rows), np.nan, rows)
            lines.append(
                FactorLine(
                    factor=factor,
                    fixed=fixed,
                    settings=tuple(members),
                    spearman=tuple(float(resampled_spearman(row, reference, once)[0]) for row in rows),
                    entropy=bootstrap(resampled_entropy, shown, reference, rng, resamples, scale="percentile"),
                )
            )
    return lines


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan
