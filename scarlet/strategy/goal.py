"""The goal of a weighted search: objectives, their weights, and limits; and the signal that networks are ranked by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from zoo.population.front import Limit, Objective, objectives
from zoo.population.metric import AUTO, METRICS, Metric
from zoo.population.selection import check_weights, parse_weights

OBJECTIVES = (Objective("accuracy", True), Objective("macs", False), Objective("params", True))
WEIGHTS = (0.4, 0.4, 0.2)
"""Of these objectives (§3.4, Chu 2019; the numbers are those of the same authors' MoGA)."""
LOSS = "loss"
Signal = Literal["accuracy", "balanced_accuracy", "loss"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)


def check_signal(name: str) -> None:
    """Complain about what is neither a signal nor auto.

    Raises:
        ValueError: naming the signals.
    """
    if name not in (*SIGNALS, AUTO):
        raise ValueError(f"signal must be one of {', '.join((*SIGNALS, AUTO))}, got {name!r}")


def signal_objective(name: str, metric: Metric, measured: Sequence[str]) -> Objective:
    """What networks are ranked by in the place of the paper's accuracy.

    Args:
        name: of a signal; auto: the loss where it is measured and the metric is accuracy, else the metric. (A loss
            counts every image alike, as accuracy does.)
        metric: what networks trained alone are judged by.
        measured: what an evaluation measures.

    Raises:
        ValueError: for a signal that is not measured.
    """
    if name == AUTO:
        name = LOSS if metric == METRICS[0] and LOSS in measured else metric
    if name not in measured:
        raise ValueError(f"signal must be one of {', '.join(measured)}, which is what is measured; got {name!r}")
    return Objective(name, name != LOSS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a search is after; the paper's objectives and weights by default.

    Attributes:
        objectives: to be made large or small.
        weights: of the objectives in the crowding distance, w; they sum to 1.
        limits: that every network of the result keeps.

    Raises:
        ValueError: for no objectives, or weights that cannot be used.
    """

    objectives: tuple[Objective, ...] = OBJECTIVES
    weights: tuple[float, ...] = WEIGHTS
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        if not self.objectives:
            raise ValueError("a search needs at least one objective, got none")
        check_weights(self.weights, len(self.objectives))

    def ranked_by(self, signal: Objective) -> "Goal":
        """The paper's objectives with this one in the place of accuracy; a goal of other objectives as it is."""
        if self.objectives != OBJECTIVES:
            return self
        return replace(self, objectives=(signal, *self.objectives[1:]))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that any objective or limit is on, each once."""
        names = [*(one.metric for one in self.objectives), *(limit.metric for limit in self.limits)]
        return tuple(dict.fromkeys(names))


def read_goal(maximize: Sequence[str], minimize: Sequence[str], weights: str | None, limits: Sequence[str]) -> Goal:
    """The goal of metrics by name: the paper's objectives and weights where none are named, else equal weights.

    Args:
        maximize: metrics to make large.
        minimize: metrics to make small.
        weights: such as "accuracy=0.4,macs=0.4,params=0.2".
        limits: such as "macs<=500e6".

    Raises:
        ValueError: for anything that cannot be read, or weights that cannot be used.
    """
    wanted = objectives(maximize, minimize) if maximize or minimize else OBJECTIVES
    chosen = WEIGHTS if wanted is OBJECTIVES else (1 / len(wanted),) * len(wanted)
    if weights is not None:
        chosen = parse_weights(weights, wanted)
    return Goal(objectives=wanted, weights=chosen, limits=tuple(map(Limit.parse, limits)))
