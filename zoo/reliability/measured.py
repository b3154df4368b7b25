"""What a study measured, from its journal: every network at the reference, at every setting, and by every score."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.population.journal import Journal
from zoo.population.metric import METRICS, names_one_class
from zoo.population.proxy import ProxySetting
from zoo.population.trial import TRAINING, Record, Trial
from zoo.reliability.looks import Decision
from zoo.reliability.study import LOOK, REFERENCE
from zoo.spaces.genotype import CellGenotype, require_cells


class Measured:
    """The journal's trials and records, by network; networks that miss a measurement are left out.

    Args:
        journal: of the study.
        settings: the grid.
        repeats: trainings per network at the reference.

    Raises:
        ValueError: if no network has been measured completely yet.
    """

    def __init__(self, journal: Journal, settings: Sequence[ProxySetting], repeats: int) -> None:
        records, trials = journal.records(), journal.trials()
        self.pairs = [(trial, records[trial.index]) for trial in trials if trial.index in records]
        self._references: dict[str, list[Record]] = {}
        self._proxies: dict[str, dict[ProxySetting, Record]] = {}
        self._scores: dict[str, dict[str, Record]] = {}
        genotypes: dict[str, CellGenotype] = {}
        for trial, record in self.pairs:
            genotypes[trial.genotype.key] = require_cells(trial.genotype)
            self._sort(trial, record)
        self.settings = _lasting(settings, trials)
        self.scores = list(dict.fromkeys(name for found in self._scores.values() for name in found))
        self._keys = [key for key in genotypes if self._complete(key, repeats)]
        if not self._keys:
            raise ValueError("no network has been measured at every setting yet; continue the study first")
        self.genotypes = tuple(genotypes[key] for key in self._keys)
        self.repeats = repeats

    def _sort(self, trial: Trial, record: Record) -> None:
        key = trial.genotype.key
        if trial.measure != TRAINING:
            self._scores.setdefault(key, {})[trial.measure] = record
        elif trial.role == REFERENCE:
            self._references.setdefault(key, []).append(record)
        elif trial.setting is not None:
            self._proxies.setdefault(key, {})[trial.setting] = record

    def _complete(self, key: str, repeats: int) -> bool:
        return (
            len(self._references.get(key, [])) >= repeats
            and self._proxies.get(key, {}).keys() >= set(self.settings)
            and self._scores.get(key, {}).keys() >= set(self.scores)
        )

    def at_reference(self, metric: str) -> NDArray[np.float64]:
        """The metric of every network's repeats, (networks, repeats), NaN for a failure."""
        return np.array(
            [
                [record.metrics[metric] if record.ok else math.nan for record in self._references[key][: self.repeats]]
                for key in self._keys
            ]
        )

    def records_at(self, setting: ProxySetting) -> list[Record]:
        """One record per network."""
        return [self._proxies[key][setting] for key in self._keys]

    @property
    def reference_seconds(self) -> float:
        """Mean wall-clock seconds of a training at the reference in a worker; NaN where none was timed."""
        found = [record for key in self._keys for record in self._references[key][: self.repeats]]
        return _mean_seconds(found)

    def speedup(self, records: Sequence[Record]) -> float:
        """How many times less wall-clock time records took than as many trainings at the reference; NaN untimed."""
        seconds = _mean_seconds(records)
        return self.reference_seconds / seconds if seconds > 0 else math.nan

    def scored(self, name: str) -> list[Record]:
        """One record per network of a score without training."""
        return [self._scores[key][name] for key in self._keys]

    def naming_one_class(self, counts: Sequence[int]) -> int:
        """How many networks name one class only in all their trainings at the reference, of validation images."""

        def one(record: Record) -> bool:
            accuracy, balanced = (record.metrics.get(name, math.nan) for name in METRICS)
            return record.ok and names_one_class(accuracy, balanced, counts)

        return sum(all(map(one, self._references[key][: self.repeats])) for key in self._keys)

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """What failed, and why."""
        return tuple(
            (f"trial {trial.index}: {_what(trial)} at {trial.setting}", record.reason)
            for trial, record in self.pairs
            if not record.ok
        )

    @property
    def totals(self) -> Mapping[str, float]:
        """What the whole run cost so far, incomplete networks included."""
        trained = [record for trial, record in self.pairs if trial.measure == TRAINING]
        scored = [record for trial, record in self.pairs if trial.measure != TRAINING]
        return {
            "trainings": len(trained),
            "failed": sum(not record.ok for _, record in self.pairs),
            "epochs": math.fsum(record.epochs_paid for record in trained),
            "seconds": math.fsum(record.seconds for record in trained),
            "scoring_seconds": math.fsum(record.seconds for record in scored),
        }


def _mean_seconds(records: Sequence[Record]) -> float:
    found = [record.seconds for record in records if record.ok and record.seconds > 0]
    return math.fsum(found) / len(found) if found else math.nan


def _what(trial: Trial) -> str:
    return trial.role if trial.measure == TRAINING else f"{trial.role} {trial.measure}"


def _lasting(settings: Sequence[ProxySetting], trials: Sequence[Trial]) -> list[ProxySetting]:
    """The settings that the study did not drop: the first trial after a look says what was dropped at it."""
    decisions = [Decision.from_dict(trial.tags[LOOK]) for trial in trials if LOOK in trial.tags]  # type: ignore[arg-type]
    dropped = {name for decision in decisions for name in decision.dropped}
    return [setting for setting in settings if str(setting) not in dropped]
