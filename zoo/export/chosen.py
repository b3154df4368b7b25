"""A chosen model: a network of a run that is handed over, with the numbers of the weights it is handed over with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.population.front import Metrics
from zoo.population.trial import Record, Trial
from zoo.spaces.blueprint import Blueprint

if TYPE_CHECKING:
    from zoo.export.model import Model

COSTS = ("macs", "params", "latency")
"""Metrics of a network whatever its weights are."""
NOTED = ("accuracy", "balanced_accuracy", "loss", "test_accuracy", "test_balanced_accuracy", "macs", "params")
"""What a trained model notes about its weights."""
REMEASURED = "remeasured"
"""The note of a model with inherited weights that is not quite what the search measured, and was measured itself."""
INHERITED = "inherited_"
"""How the names of columns begin with what the search measured, where other weights are handed over."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChosenModel:
    """One of the models of a delivery.

    Attributes:
        number: from 1.
        row: in the run's front.
        trial: that measured it.
        record: what the search measured.
        blueprint: everything that builds it, as far as is known.
        model: with its weights; None where none are handed over.
        retrained: whether these weights were trained again, and are not those the search measured.
    """

    number: int
    row: int
    trial: Trial
    record: Record
    blueprint: Blueprint
    model: "Model | None" = None
    retrained: bool = False

    @property
    def weights(self) -> str:
        """Which weights are handed over, in a word or two."""
        if self.retrained:
            return "retrained"
        remeasured = self.model is not None and REMEASURED in self.model.notes
        return "remeasured" if remeasured else "of the run"

    @property
    def searched(self) -> bool:
        """Whether what is handed over is what the search measured."""
        return self.weights == "of the run"

    @property
    def metrics(self) -> Metrics:
        """Of the weights that are handed over."""
        if self.searched or self.model is None:
            return self.record.metrics
        costs = {name: value for name, value in self.record.metrics.items() if name in COSTS}
        notes = self.model.notes
        return costs | {name: notes[name] for name in NOTED if isinstance(notes.get(name), int | float)}

    @property
    def inherited(self) -> Metrics:
        """What the search measured of a network that is handed over as another, costs apart; nothing of any other."""
        if self.searched:
            return {}
        return {name: value for name, value in self.record.metrics.items() if name not in COSTS}


def table_rows(models: Sequence[ChosenModel], measured: Sequence[Mapping[Any, Any]]) -> Iterator[dict[str, Any]]:
    """A row per model: what the front's table says of it, with the numbers of the weights that are handed over.

    Where some are not what the search measured, that has columns of its own, and ``weights`` says which they are.

    Args:
        models: of the delivery.
        measured: their rows in the front's table.
    """
    again = not all(model.searched for model in models)
    for model, row in zip(models, measured, strict=True):
        kept = {name: value for name, value in row.items() if name not in model.record.metrics}
        last = {name: kept.pop(name) for name in ("key", "genotype")}
        own = {"weights": model.weights} if again else {}
        searched = {name: value for name, value in model.record.metrics.items() if again and name not in COSTS}
        inherited = {f"{INHERITED}{name}": value for name, value in searched.items()}
        yield {"model": model.number, **kept, **own, **model.metrics, **inherited, **last}
