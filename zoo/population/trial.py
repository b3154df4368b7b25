"""Trials and records: what was asked and what was measured, as frozen data with a JSON form."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from zoo.population.json_value import JSON, check_json
from zoo.population.proxy import ProxySetting
from zoo.spaces.genotype import Genotype, genotype_from_dict

ALONE = "alone"
"""Role of trainings that check what a search has measured: none of its results."""
RETRAIN = "retrain"
"""Role of trainings of networks that are trained to the end, at the setting they are for."""
TRAINING = "training"
"""What a trial measures that is no score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was asked: one stage of training one architecture, or a score of it without training.

    A score trains nothing: it starts and stops at 0, resumes nothing and keeps nothing.

    Attributes:
        index: place in the journal, from 0.
        genotype: the architecture.
        setting: reductions and the epochs of the full schedule; None: evaluated on inherited weights.
        start: epoch this stage starts from; its first stage starts from 0.
        stop: epoch this stage ends before, at most the setting's epochs; 0 for a score.
        resumes: index of the trial whose weights it continues.
        parent: key of the genotype it was mutated from.
        role: why it was asked: reference, proxy, child, promotion, audit, retrain, ...
        keep: whether its weights are worth storing.
        tags: what the strategy must read back: a generation, a cycle. A role never spells it.
        measure: "training", or the name of a score.

    Raises:
        ValueError: for epochs that do not ascend, a stage that starts late without weights to resume, a score that
            trains or has no name, or tags that are not JSON.
    """

    index: int
    genotype: Genotype
    setting: ProxySetting | None
    start: int
    stop: int
    resumes: int | None = None
    parent: str | None = None
    role: str = "child"
    keep: bool = False
    tags: Mapping[str, JSON] = field(default_factory=dict, hash=False)
    measure: str = TRAINING

    def __post_init__(self) -> None:
        if self.measure == TRAINING:
            self._check_stage()
        else:
            self._check_score()
        if self.tags:
            check_json(self.tags, f"tags of trial {self.index}")

    def _check_stage(self) -> None:
        last = self.stop if self.setting is None else self.setting.e
        if not 0 <= self.start < self.stop <= last:
            raise ValueError(f"a stage must lie within 0 to {last} epochs, got {self.start} to {self.stop}")
        if (self.start > 0) != (self.resumes is not None):
            raise ValueError(
                f"a stage resumes a trial if it starts after 0 and only then, got start {self.start}, "
                f"resumes {self.resumes}"
            )
        if self.resumes is not None and not 0 <= self.resumes < self.index:
            raise ValueError(f"trial {self.index} cannot resume trial {self.resumes}: it must come before")

    def _check_score(self) -> None:
        if not isinstance(self.measure, str) or not self.measure.strip():
            raise ValueError(f"trial {self.index} must measure {TRAINING!r} or a score by name, got {self.measure!r}")
        if (self.start, self.stop, self.resumes, self.keep) != (0, 0, None, False):
            raise ValueError(
                f"a score trains nothing: expected start 0, stop 0, resumes None, keep False, got start {self.start}, "
                f"stop {self.stop}, resumes {self.resumes}, keep {self.keep}"
            )

    def to_dict(self) -> dict[str, Any]:
        """The trial as JSON-ready data.

        Empty tags and the measure of a training are left out, so that digests are those of before there were any.
        """
        data = {
            "index": self.index,
            "genotype": self.genotype.to_dict(),
            "setting": None if self.setting is None else str(self.setting),
            "start": self.start,
            "stop": self.stop,
            "resumes": self.resumes,
            "parent": self.parent,
            "role": self.role,
            "keep": self.keep,
        }
        if self.tags:
            data["tags"] = dict(self.tags)
        if self.measure != TRAINING:
            data["measure"] = self.measure
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Trial":
        """Read :meth:`to_dict`'s form, with tags and measure or without."""
        setting = data["setting"]
        return cls(
            **{
                **data,
                "genotype": _genotype(json.dumps(data["genotype"], separators=(",", ":"))),
                "setting": None if setting is None else ProxySetting.parse(setting),
            }
        )


@lru_cache(maxsize=65536)
def _genotype(text: str) -> Genotype:
    """A genotype from its JSON; most runs have the same ones many times, and reading them takes longest."""
    return genotype_from_dict(json.loads(text))


TRAIN_LOSSES = "train_losses"
"""Note of a record: the mean training loss of every epoch of its stage, where it has several."""

FALLBACK = "fallback"
"""Note of a record: why it was measured in a slower way than was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was measured.

    Attributes:
        index: the trial's index.
        ok: whether the trial ended with a measurement.
        reason: why not, in a few words; empty where ok.
        metrics: finite numbers by name: accuracy and balanced_accuracy (shares of the validation images), ...
        epochs_paid: epochs trained for it, more than its stage where lost weights were trained again; 0 for a score.
        seconds: wall-clock seconds in the worker.
        checkpoint: SHA-256 of its weights, None where none were kept.
        batch: index of the first trial of its batch.
        attempt: how often its batch was sent, from 1.
        host: where it ran.
        notes: what is no number: a derived genotype, curves, why an engine fell back.

    Raises:
        ValueError: for a metric that is not a finite number, a batch or a name of weights that is none, or notes that
            are not JSON.
    """

    index: int
    ok: bool
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    epochs_paid: float = 0.0
    seconds: float = 0.0
    checkpoint: str | None = None
    batch: int = 0
    attempt: int = 1
    host: str = ""
    notes: Mapping[str, JSON] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.metrics.items():
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"metric {name!r} of trial {self.index} must be a finite number, got {value!r}")
        if type(self.batch) is not int or not (self.checkpoint is None or isinstance(self.checkpoint, str)):
            raise ValueError(f"the batch of trial {self.index} must be a number, and its weights a name or none")
        if self.notes:
            check_json(self.notes, f"notes of trial {self.index}")

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON-ready data; empty notes are left out, as tags of trials are."""
        data = {name: getattr(self, name) for name in self.__slots__} | {"metrics": dict(self.metrics)}
        del data["notes"]
        return data | {"notes": dict(self.notes)} if self.notes else data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Record":
        """Read :meth:`to_dict`'s form, with notes or without."""
        return cls(**data)


INCIDENTAL = ("seconds", "host", "attempt")
"""Fields of a record that say how it was measured and differ from run to run: digests leave them out."""

AGAIN = "again"
"""Note of a record whose trial had to train more than its own stage: which weights were missing, and from where on."""

INCIDENTAL_NOTES = (FALLBACK, AGAIN)
"""Notes of that kind."""


@dataclass(frozen=True, slots=True)
class Job:
    """A trial on its way to a worker.

    Attributes:
        trial: what to do.
        root: index of the first trial of its resume chain, which seeds its training.
        checkpoint: the weights it resumes; None with a late start means they were lost: train from epoch 0.
    """

    trial: Trial
    root: int
    checkpoint: bytes | None


Outcome = tuple[Record, bytes | None]
"""A record and the weights that were asked to be kept."""

Evaluator = Callable[[Sequence[Job]], list[Outcome]]
"""Runs in a worker: a batch of jobs to one outcome each."""
