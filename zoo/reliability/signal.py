"""A signal: the number of a cheap training by which networks are ranked."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from zoo.plugins import named, reason_of
from zoo.population.trial import TRAIN_LOSSES, Record

ADDED_SIGNALS = "thriftnas.signals"


@dataclass(frozen=True, slots=True)
class Signal:
    """What a cheap training is ranked by.

    Attributes:
        name: as users write it.
        words: what it is, in a few words.
        read: its value from a record that is ok; None where the record does not have it.
        lower: whether less of it is better.
    """

    name: str
    words: str
    read: Callable[[Record], float | None]
    lower: bool = False

    def score(self, record: Record) -> float:
        """The value of a record, turned so that more is better; NaN for a failure and where it was not measured.

        Raises:
            ValueError: if an installed package's signal fails or gives no number; the message is one line.
        """
        try:
            value = self.read(record) if record.ok else None
        except Exception as error:  # somebody else's function: whatever it raises
            raise ValueError(f"the signal {self.name!r} failed: {reason_of(error)}") from error
        if value is None:
            return math.nan
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"the signal {self.name!r} must be a finite number or None, got {value!r}")
        return -value if self.lower else value


def _metric(name: str) -> Callable[[Record], float | None]:
    return lambda record: record.metrics.get(name)


def metric_signal(name: str, words: str, lower: bool = False) -> Signal:
    """The signal that reads a metric of its name, as a score without training leaves it in its record."""
    return Signal(name, words, _metric(name), lower)


def _sum_of_losses(record: Record) -> float | None:
    """Sum of the mean training losses of all epochs of the stage (TSE, Ru et al. 2021)."""
    losses = record.notes.get(TRAIN_LOSSES)
    if isinstance(losses, Sequence):
        return math.fsum(float(loss) for loss in losses)  # type: ignore[arg-type]
    return record.metrics.get("train_loss") if record.epochs_paid == 1 else None


def _late_losses(record: Record) -> float | None:
    """As :func:`_sum_of_losses`, of the last half of the epochs (TSE-E, Ru et al. 2021)."""
    losses = record.notes.get(TRAIN_LOSSES)
    if isinstance(losses, Sequence):
        return math.fsum(float(loss) for loss in losses[len(losses) // 2 :])  # type: ignore[arg-type]
    return _sum_of_losses(record)


ACCURACY = "accuracy"
SIGNALS: dict[str, Signal] = {
    one.name: one
    for one in (
        Signal(ACCURACY, "validation accuracy", _metric("accuracy")),
        Signal("balanced_accuracy", "balanced validation accuracy", _metric("balanced_accuracy")),
        Signal("loss", "validation loss", _metric("loss"), lower=True),
        Signal("train_loss", "training loss of the last epoch", _metric("train_loss"), lower=True),
        Signal("train_loss_sum", "training loss, summed over all epochs", _sum_of_losses, lower=True),
        Signal("train_loss_late", "training loss, summed over the last half of the epochs", _late_losses, lower=True),
    )
}
"""The signals that every training records; accuracy is what EcoNAS goes by (Zhou 2020)."""


@lru_cache(maxsize=64)
def find_signal(name: str) -> Signal:
    """The signal of this name, ours or an installed package's (entry point group ``thriftnas.signals``).

    Raises:
        ValueError: if there is none, or the package's is no signal of this name.
    """
    return named(ADDED_SIGNALS, name, "signal", SIGNALS)
