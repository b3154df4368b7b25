"""The terms of a search: what its report goes by, from its experiment or from another strategy's identity. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from econas.strategy.parameters import Parameters
from zoo.population.metric import Metric
from zoo.reliability.signal import ACCURACY, Signal, find_signal
from zoo.surrogates.option import NO_SURROGATE

HIERARCHICAL = "hierarchical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a search was to do, as far as its report cares.

    Attributes:
        method: what the search is called.
        space: name of the search space; empty where unknown.
        seed: of everything random.
        parameters: the numbers of the search; None where the strategy has others.
        cyclic: whether it goes in cycles; what EcoNAS is compared with does not.
        looked_up: whether accuracies are those of a published table, and not of validation images.
        compare: trainings of the winner and of a baseline each at the search's end; None where there is no such thing.
    """

    method: str
    space: str = ""
    seed: int = 0
    parameters: Parameters | None = None
    cyclic: bool = False
    looked_up: bool = False
    compare: int | None = None

    @property
    def guided(self) -> bool:
        """Whether a surrogate proposes its networks and decides who is trained fully, in the course of the search."""
        return self.parameters is not None and self.parameters.surrogate != NO_SURROGATE

    @property
    def audited(self) -> bool:
        """Whether it holds audits."""
        return self.parameters is not None and self.parameters.audit is not None

    @property
    def accuracy(self) -> str:
        """What the accuracy of its networks is called."""
        return "accuracy in the table" if self.looked_up else "validation accuracy"

    @property
    def signal(self) -> Signal:
        """By which it ranked networks."""
        return find_signal(ACCURACY if self.parameters is None else self.parameters.signal)

    @property
    def ranked(self) -> str:
        """What the signal is called."""
        return self.accuracy if self.signal.name == ACCURACY else self.signal.words

    @property
    def metric(self) -> Metric:
        """By which retrained networks, and dear trainings of audits, are judged."""
        metric = ACCURACY if self.parameters is None else self.parameters.metric
        return "balanced_accuracy" if metric == "balanced_accuracy" else "accuracy"

    @property
    def judged(self) -> str:
        """What the metric is called."""
        return self.accuracy if self.metric == ACCURACY else f"balanced {self.accuracy}"

    @classmethod
    def read(cls, strategy: Mapping[str, Any]) -> "Terms":
        """The terms out of the identity of a strategy that need not be an experiment's."""
        name = strategy.get("name")
        return cls(
            method=str(strategy.get("method") or name or "search"),
            space=str(strategy.get("space") or ""),
            seed=int(strategy.get("seed") or 0),
            parameters=_parameters(strategy.get("parameters")),
            cyclic=name == "econas" and strategy.get("method", HIERARCHICAL) == HIERARCHICAL,
        )


def _parameters(data: Any) -> Parameters | None:
    try:
        return Parameters.from_dict(data) if isinstance(data, Mapping) else None
    except ValueError:
        return None
