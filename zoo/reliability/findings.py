"""What a study found, from its journal: scores of every setting, entropy along every factor, the recommendation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from zoo.population.journal import Journal
from zoo.population.proxy import ProxySetting, training_macs
from zoo.population.trial import Record
from zoo.purposes import STUDY_INTERVALS
from zoo.reliability.correlation import resampled_entropy
from zoo.reliability.interval import Estimate, bootstrap
from zoo.reliability.recommendation import Recommendation, Score, recommend, score
from zoo.reliability.study import REFERENCE
from zoo.spaces.cost import cost
from zoo.spaces.genotype import CellGenotype, require_cells
from zoo.spaces.skeleton import Skeleton

Metric = Literal["accuracy", "balanced_accuracy"]
METRICS: tuple[Metric, ...] = get_args(Metric)
FACTORS = "crse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What a study asked for.

    Attributes:
        settings: the grid.
        reference: the setting whose ranking counts.
        repeats: trainings per network there.
        skeleton: of the original setting.
        seed: of the study; bootstrap resamples are drawn from it too.
    """

    settings: tuple[ProxySetting, ...]
    reference: ProxySetting
    repeats: int
    skeleton: Skeleton
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingFinding:
    """One proxy setting.

    Attributes:
        setting: the setting.
        acceleration: how many times cheaper than the reference it is, in counted MACs.
        score: its rank measures with their intervals.
        bound: lower bound on its Spearman ρ that holds for all settings at once; NaN where undefined.
        accuracy: mean validation accuracy over the networks that did not fail.
        seconds: mean wall-clock seconds per network in a worker.
        accuracies: per network, NaN for a failure.
    """

    setting: ProxySetting
    acceleration: float
    score: Score
    bound: float
    accuracy: float
    seconds: float
    accuracies: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorLine:
    """ρ along one factor with the others fixed (Appendix D, Zhou 2020).

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
        settings: by ascending acceleration.
        baselines: MACs and parameters as proxies that cost nothing.
        lines: ρ along every factor.
        recommendation: the answer; its index counts in ``settings``.
        metric: which accuracy ranks.
        failures: (trial, reason) of everything that failed.
        totals: trainings, failed, epochs, seconds summed over workers.
        about: identity, data, versions, hardware, command, models (measured) and planned (asked for).
    """

    reference: ProxySetting
    repeats: int
    genotypes: tuple[CellGenotype, ...]
    reference_accuracies: tuple[tuple[float, ...], ...]
    settings: tuple[SettingFinding, ...]
    baselines: tuple[Score, ...]
    lines: tuple[FactorLine, ...]
    recommendation: Recommendation
    metric: Metric
    failures: tuple[tuple[str, str], ...]
    totals: Mapping[str, float]
    about: Mapping[str, Any]


def find(
    journal: Journal, design: Design, target: float = 0.8, metric: Metric = "accuracy", resamples: int = 2000
) -> Findings:
    """Analyse a study, finished or not: networks measured at every setting count.

    Raises:
        ValueError: if no network has been measured completely yet, or for a target or a metric out of range.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be {' or '.join(METRICS)}, got {metric!r}")
    if not 0 < target < 1:
        raise ValueError(f"the target must lie between 0 and 1, got {target:g}")
    zoo = _Measured(journal, design, metric)
    original = design.skeleton
    images = {int(level): count for level, count in journal.get("data")["images"].items()}
    full = training_macs(zoo.genotypes, original, zoo.reference, images)
    speed = [full / training_macs(zoo.genotypes, original, setting, images) for setting in zoo.settings]
    order = sorted(range(len(speed)), key=lambda i: (speed[i], zoo.settings[i]))
    settings = [zoo.settings[i] for i in order]
    speed = [speed[i] for i in order]
    names = [str(setting) for setting in settings]
    scores = np.array([zoo.scores(setting) for setting in settings])
    validation = journal.get("data")["validation"]
    rng = np.random.default_rng((design.seed, STUDY_INTERVALS))
    measured = score(scores, zoo.targets, names, rng, validation_images=validation, resamples=resamples)
    answer = recommend(scores, zoo.targets, speed, names, rng, target=target, resamples=resamples)
    costs = [cost(genotype, original) for genotype in zoo.genotypes]
    free = np.array([[p.macs for p in costs], [p.params for p in costs]], dtype=float)
    baselines = score(free, zoo.targets, ["macs", "params"], rng, validation_images=validation, resamples=resamples)
    return Findings(
        reference=zoo.reference,
        repeats=zoo.targets.shape[1],
        genotypes=tuple(zoo.genotypes),
        reference_accuracies=tuple(map(tuple, zoo.targets.tolist())),
        settings=tuple(
            SettingFinding(
                setting=setting,
                acceleration=speed[i],
                score=measured[i],
                bound=float(answer.bounds[i]),
                accuracy=_mean(scores[i]),
                seconds=_mean([record.seconds for record in zoo.records_at(setting)]),
                accuracies=tuple(scores[i].tolist()),
            )
            for i, setting in enumerate(settings)
        ),
        baselines=tuple(baselines),
        lines=tuple(_lines(settings, scores, zoo.targets, rng, resamples)),
        recommendation=answer,
        metric=metric,
        failures=tuple(
            (f"trial {trial.index}: {trial.role} at {trial.setting}", record.reason)
            for trial, record in zoo.pairs
            if not record.ok
        ),
        totals=zoo.totals(),
        about={
            "identity": journal.identity,
            "data": journal.get("data"),
            "command": journal.get("command"),
            "models": len(zoo.genotypes),
            "planned": journal.get("growth")[-1],
            **journal.get("about"),
        },
    )


class _Measured:
    """The journal's trials and records, by network and setting."""

    def __init__(self, journal: Journal, design: Design, metric: Metric) -> None:
        self.reference, self.settings = design.reference, list(design.settings)
        self._metric = metric
        records = journal.records()
        self.pairs = [(trial, records[trial.index]) for trial in journal.trials() if trial.index in records]
        proxies: dict[str, dict[ProxySetting, Record]] = {}
        references: dict[str, list[Record]] = {}
        genotypes: dict[str, CellGenotype] = {}
        for trial, record in self.pairs:
            key = trial.genotype.key
            genotypes[key] = require_cells(trial.genotype)
            if trial.role == REFERENCE:
                references.setdefault(key, []).append(record)
            elif trial.setting is not None:
                proxies.setdefault(key, {})[trial.setting] = record
        repeats = design.repeats
        complete = [
            key
            for key in genotypes
            if len(references.get(key, [])) == repeats and len(proxies.get(key, {})) == len(self.settings)
        ]
        if not complete:
            raise ValueError("no network has been measured at every setting yet; continue the study first")
        self.genotypes = [genotypes[key] for key in complete]
        self._proxies = [proxies[key] for key in complete]
        self.targets = np.array([[self._value(record) for record in references[key]] for key in complete])

    def records_at(self, setting: ProxySetting) -> list[Record]:
        """One record per network."""
        return [proxies[setting] for proxies in self._proxies]

    def scores(self, setting: ProxySetting) -> list[float]:
        """The metric of every network at a setting, NaN for a failure."""
        return [self._value(record) for record in self.records_at(setting)]

    def totals(self) -> dict[str, float]:
        """What the whole run cost so far, incomplete networks included."""
        records = [record for _, record in self.pairs]
        return {
            "trainings": len(records),
            "failed": sum(not record.ok for record in records),
            "epochs": sum(record.epochs_paid for record in records),
            "seconds": sum(record.seconds for record in records),
        }

    def _value(self, record: Record) -> float:
        return record.metrics[self._metric] if record.ok else math.nan


def _lines(
    settings: Sequence[ProxySetting],
    scores: np.ndarray[Any, np.dtype[np.float64]],
    targets: np.ndarray[Any, np.dtype[np.float64]],
    rng: np.random.Generator,
    resamples: int,
) -> list[FactorLine]:
    """Every sequence of at least two settings that differ in one factor only."""
    reference = pd.DataFrame(targets).mean(axis=1).to_numpy()
    lines = []
    for factor in FACTORS:
        groups: dict[str, list[int]] = {}
        for i, setting in enumerate(settings):
            fixed = "".join(f"{name}{getattr(setting, name)}" for name in FACTORS if name != factor)
            groups.setdefault(fixed, []).append(i)
        for fixed, members in sorted(groups.items()):
            members.sort(key=lambda i: getattr(settings[i], factor))
            if len(members) < 2:
                continue
            rows = scores[members]
            each = score(rows, reference, [str(settings[i]) for i in members], rng, validation_images=1, resamples=100)
            lines.append(
                FactorLine(
                    factor=factor,
                    fixed=fixed,
                    settings=tuple(settings[i] for i in members),
                    spearman=tuple(one.spearman.value for one in each),
                    entropy=bootstrap(resampled_entropy, rows, reference, rng, resamples, scale="percentile"),
                )
            )
    return lines


def _mean(values: Sequence[float] | np.ndarray[Any, np.dtype[np.float64]]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan
