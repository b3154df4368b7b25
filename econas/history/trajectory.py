"""What became of a search's networks: trainings, populations, finalists. No torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from zoo.population.proxy import ProxySetting
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import Genotype

CHILD, PROMOTION, RENEWAL, AUDIT, RETRAIN = "child", "promotion", "renewal", "audit", "retrain"
"""Roles of trials."""
SEARCH = (CHILD, PROMOTION, RENEWAL)
ROLES = (*SEARCH, AUDIT, RETRAIN)
CYCLE = "cycle"
"""Tag of a search's trials: its cycle, from 0 for the start."""
NAN = math.nan

State = Literal["ok", "failed", "pending"]


@dataclass(frozen=True, slots=True, order=True)
class Level:
    """A population: the networks trained at a setting up to an epoch.

    Attributes:
        place: of the setting among those of the search, in the order of their first use.
        stop: epochs trained.
        setting: reductions and epochs of the full schedule.
    """

    place: int
    stop: int
    setting: ProxySetting

    @property
    def factors(self) -> str:
        """The reductions without the epochs: c4r4s0."""
        return str(self.setting).rpartition("e")[0]

    @property
    def last(self) -> bool:
        """Whether the schedule is complete."""
        return self.stop == self.setting.e


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A trial with what came of it.

    Attributes:
        trial: what was asked.
        network: number of the network trained.
        level: population it belongs to; None for audits and retraining.
        cycle: of the search, from 0 for the start; None where the strategy has none.
        state: how it ended.
        reason: of a failure.
        accuracy: on the validation images, NaN unless it ended well.
        score: by the search's signal, more is better; NaN unless it ended well and has the signal.
        judged: by the metric that judges retrained networks; NaN unless it was measured.
        epochs: paid.
        cost: the same in epochs of the search's first setting.
        paid: cost of everything told up to and including this; NaN while pending.
        seconds: in the worker.
        metrics: everything measured.
        record: what was measured, whole; None while pending.
    """

    trial: Trial
    network: int
    level: Level | None
    cycle: int | None
    state: State
    reason: str
    accuracy: float
    score: float
    judged: float
    epochs: float
    cost: float
    paid: float
    seconds: float
    metrics: Mapping[str, float]
    record: Record | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """An architecture and everything it was trained for.

    Attributes:
        number: its first trial.
        genotype: the architecture.
        parent: number of the network it was mutated from; None for a random one.
        trainings: of the search, in order; neither audits nor retraining.
    """

    number: int
    genotype: Genotype
    parent: int | None
    trainings: tuple[Training, ...]

    @property
    def first(self) -> float:
        """Accuracy after its first training; NaN if that failed."""
        return self.trainings[0].accuracy if self.trainings else NAN

    @property
    def reached(self) -> Training | None:
        """The last training that ended well, which is what the search knows it by."""
        return next((one for one in reversed(self.trainings) if one.state == "ok"), None)

    def at(self, level: Level) -> Training | None:
        """Its training in a population."""
        return next((one for one in self.trainings if one.level == level), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """A finalist: a network that the search ends with, and its retraining.

    Attributes:
        network: number.
        curve: the retraining so far.
    """

    network: int
    curve: tuple[Training, ...]

    @property
    def done(self) -> bool:
        """Whether it is trained to the end."""
        end = self.curve[-1]
        return end.state == "ok" and end.trial.stop == (end.trial.setting.e if end.trial.setting else end.trial.stop)

    @property
    def accuracy(self) -> float:
        """On the validation images at the end; NaN before."""
        return self.curve[-1].accuracy if self.done else NAN

    @property
    def judged(self) -> float:
        """The metric at the end; NaN before."""
        return self.curve[-1].judged if self.done else NAN

    @property
    def status(self) -> str:
        """Done, or how far it is."""
        end = self.curve[-1]
        if end.state == "failed":
            return f"failed in epoch {end.trial.stop}: {end.reason}"
        trained = max((one.trial.stop for one in self.curve if one.state == "ok"), default=0)
        return "done" if self.done else f"{trained} of {end.trial.setting.e if end.trial.setting else '?'} epochs"
