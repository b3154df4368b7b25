"""Selection: who survives a generation by rank and weighted crowding, and whose children come next.

Pymoo, which takes more than a second, is imported where it is used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.population.front import Losses, Numbers, Objective


def check_weights(weights: Sequence[float], count: int) -> tuple[float, ...]:
    """The weights of ``count`` objectives as they are, once it is known that they can be used.

    Raises:
        ValueError: for another number of weights, a negative one, or a sum other than 1.
    """
    if len(weights) != count:
        raise ValueError(f"expected a weight for each of {count} objectives, got {len(weights)}")
    if not all(0 <= weight <= 1 for weight in weights):  # NaN too
        raise ValueError(f"weights must lie between 0 and 1, got {', '.join(f'{w:g}' for w in weights)}")
    if not math.isclose(math.fsum(weights), 1.0, abs_tol=1e-6):
        raise ValueError(f"weights must sum to 1, got {math.fsum(weights):g}")
    return tuple(weights)


def parse_weights(text: str, wanted: Sequence[Objective]) -> tuple[float, ...]:
    """Weights of objectives, in their order, from ``accuracy=0.4,macs=0.4,params=0.2``.

    Raises:
        ValueError: for another form, a name that is no objective, or as :func:`check_weights`.
    """
    names = [objective.metric for objective in wanted]
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        try:
            value = float(number)
        except ValueError:
            raise ValueError(f"{part.strip()!r} is not a weight, expected a form like accuracy=0.4") from None
        if name not in names or name in found:
            raise ValueError(f"expected one weight for each of {', '.join(names)}, got {text!r}")
        found[name] = value
    return check_weights([found[name] for name in names if name in found], len(names))


def weighted_crowding(losses: Losses, weights: Sequence[float], remove: int = 0) -> npt.NDArray[np.float64]:
    """Room around each of n different points: D(i) = Σ_m w_m · gap of its neighbours in m over the range of m
    (Algorithm 1, Chu 2019); infinite at the ends of every objective that has a weight.

    Equal weights order points as the crowding distance of NSGA-II does. Of points that are equal in one objective,
    the order in which they come decides who are neighbours there.

    Deviation: the ``remove`` points with least room go one after another, the room of the others growing, and have
    the room they had when they went, as Kukkonen and Deb (2006) propose. All at once, whole stretches of a front
    would go together and the weights decide little.
    """
    room = _room(losses, weights)
    left = np.arange(len(losses))
    for _ in range(min(remove, len(losses) - 1)):
        left = np.delete(left, np.argmin(room[left]))
        room[left] = _room(losses[left], weights)
    return room


def _room(losses: Losses, weights: Sequence[float]) -> npt.NDArray[np.float64]:
    room = np.zeros(len(losses))
    for values, weight in zip(losses.T, weights, strict=True):
        if weight == 0:
            continue
        order = np.argsort(values, kind="stable")
        span = values[order[-1]] - values[order[0]]
        room[order[[0, -1]]] = np.inf
        if span > 0:
            room[order[1:-1]] += weight * (values[order[2:]] - values[order[:-2]]) / span
    return room


@dataclass(frozen=True, slots=True)
class Survivors:
    """Who is left of n networks.

    Attributes:
        numbers: their rows, by rank and then by room, at random among equals.
        rank: 0 for those nobody dominates, 1 for those only these do, and so on.
        room: their weighted crowding distance within their rank.
    """

    numbers: Numbers
    rank: Numbers
    room: npt.NDArray[np.float64]


def survive(losses: Losses, weights: Sequence[float], count: int, rng: np.random.Generator) -> Survivors:
    """The ``count`` best of n rows by rank, then by weighted crowding; points drawn at random among equals.

    Of rows with equal losses one has the room around them and the others none.
    """
    from pymoo.core.population import Population
    from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

    method = RankAndCrowding(crowding_func=lambda points, n_remove: weighted_crowding(points, weights, n_remove))
    method.filter_infeasible = False  # only feasible networks come here
    everyone = Population.new("F", losses)
    everyone.set("row", np.arange(len(losses)))
    alive = method.do(None, everyone, n_survive=count, random_state=rng)
    rank = alive.get("rank").astype(np.int64)
    room = alive.get("crowding").astype(np.float64)
    order = np.lexsort((rng.random(len(alive)), -room, rank))
    return Survivors(alive.get("row").astype(np.int64)[order], rank[order], room[order])


def tournament(survivors: Survivors, count: int, rng: np.random.Generator) -> Numbers:
    """(count, 2) places among the survivors: parents, each the better of two by rank, then by room."""
    from pymoo.core.population import Population
    from pymoo.operators.selection.tournament import TournamentSelection

    places = Population.new("place", np.arange(len(survivors.numbers)))
    selection = TournamentSelection(func_comp=_first)
    pairs = selection.do(None, places, count, n_parents=2, to_pop=False, random_state=rng)
    return np.asarray(pairs, dtype=np.int64)


def _first(_: Any, pairs: Numbers, **__: Any) -> Any:
    """Survivors are sorted, so the one before the other is the better."""
    return np.min(pairs, axis=1)


def crossed(first: Numbers, second: Numbers, rng: np.random.Generator) -> Numbers:
    """A child (genes,) of two parents (genes,): every gene is one of theirs, either as likely (uniform crossover)."""
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.ux import UniformCrossover

    parents = Population.new("X", np.stack([first, second]))
    operator, problem = UniformCrossover(prob=1.0), Problem(n_var=len(first))
    children = operator(problem, parents, parents=np.array([[0, 1]]), random_state=rng)
    return np.asarray(children[0].X, dtype=np.int64)
