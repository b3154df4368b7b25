"""The goal of a weighted search: objectives, their weights, and limits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zoo.population.front import Limit, Objective, objectives
from zoo.population.selection import check_weights, parse_weights

OBJECTIVES = (Objective("accuracy", True), Objective("macs", False), Objective("params", True))
WEIGHTS = (0.4, 0.4, 0.2)
"""Of these objectives (§3.4, Chu 2019; the numbers are those of the same authors' MoGA)."""


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

    def judged_by(self, metric: str) -> "Goal":
        """The paper's objectives with this metric in the place of accuracy; a goal of other objectives as it is."""
        if self.objectives != OBJECTIVES:
            return self
        return replace(self, objectives=(Objective(metric, True), *self.objectives[1:]))

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
