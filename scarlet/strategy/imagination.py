"""The networks that a model thinks no other beats: NSGA-II on what it believes, and a choice among what that finds."""

from collections.abc import Sequence

import numpy as np

from scarlet.strategy.front_model import FrontModel, Outlook
from zoo.population.costs import Choices
from zoo.population.front import Losses, Numbers, front
from zoo.population.nsga2 import nsga2
from zoo.population.selection import weighted_crowding

POPULATION, GENERATIONS = 100, 15
"""Of NSGA-II on the model, where a network costs less than a millisecond."""
OPTIMISM = (0.5, 1.0, 2.0, 3.0, 5.0)
"""Standard deviations by which measured objectives are believed to be better than their means: more, if not enough
networks would join the front otherwise."""


def imagined(model: FrontModel, options: Sequence[int], parents: Choices, seed: int) -> Choices:
    """Different networks (n, layers) that NSGA-II comes by on the model, its start the given parents first."""
    return nsga2(
        options,
        lambda choices: model.outlook(choices).losses(OPTIMISM[0]),
        parents,
        objectives=len(model.goal.objectives),
        population=POPULATION,
        generations=GENERATIONS,
        seed=seed,
    )


def chosen(outlook: Outlook, held: Losses, weights: Sequence[float], count: int) -> list[int]:
    """Rows of an outlook to measure next: at most ``count`` that would join the front, with much room around them.

    Where fewer would join it at some optimism, the others are looked for with more.

    Args:
        outlook: of the candidates.
        held: (n, objectives) losses of what was measured.
        weights: of the objectives in the crowding distance.
        count: as many at most.
    """
    taken: list[int] = []
    for optimism in OPTIMISM:
        losses = outlook.losses(optimism)
        free = np.asarray(np.isfinite(losses).all(axis=1))
        free[taken] = False
        rows = np.flatnonzero(free)
        joint = np.concatenate([held, losses[rows]])
        best = front(joint)
        new = rows[best[best >= len(held)] - len(held)]
        found = _roomiest(joint[best[best < len(held)]], losses, new, weights, count - len(taken))
        taken, held = taken + found, np.concatenate([held, losses[found]])
        if len(taken) >= count:
            break
    return taken


def _roomiest(old: Losses, losses: Losses, new: Numbers, weights: Sequence[float], count: int) -> list[int]:
    """The rows left when those with least room beside the others, and the old front, went one after another."""
    left = new.tolist()
    while len(left) > count:
        room = weighted_crowding(np.concatenate([old, losses[left]]), weights)[len(old) :]
        left.pop(int(np.argmin(room)))
    return [int(row) for row in left]
