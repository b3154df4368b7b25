"""NSGA-II where a network costs next to nothing: on a model of what networks are like. Pymoo's."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoo.population.costs import Choices
from zoo.population.front import Losses

WORST = 1e300
"""In place of infinite losses, which pymoo cannot sort."""


def nsga2(
    options: Sequence[int],
    losses: Callable[[Choices], Losses],
    parents: Choices,
    *,
    objectives: int,
    population: int,
    generations: int,
    seed: int,
) -> Choices:
    """Different networks (n, layers) that NSGA-II comes by (Deb et al. 2002): uniform crossover, one layer drawn again.

    Args:
        options: how many choices every layer has.
        losses: of (n, layers) choices the (n, objectives) losses; infinite where a limit is missed.
        parents: (n, layers) to begin with, as far as they fit; random networks fill the first generation up.
        objectives: how many losses there are.
        population: of every generation.
        generations: the first included.
        seed: of everything random.
    """
    from pymoo.algorithms.moo.nsga2 import NSGA2  # here: pymoo takes more than a second
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.ux import UniformCrossover

    count, met = np.asarray(options), list[Choices]()

    class Believed(Problem):  # type: ignore[misc]
        """The losses as they are believed; remembers what it was asked."""

        def _evaluate(self, x: Any, out: dict[str, Any], *_: object, **__: object) -> None:
            met.append(np.asarray(x, dtype=np.int64))
            found = losses(met[-1])
            out["F"] = np.where(np.isfinite(found), found, WORST)

    class OneLayer(Mutation):  # type: ignore[misc]
        """Draws the choice of one layer again."""

        def _do(self, problem: Any, x: Any, *_: object, random_state: Any = None, **__: object) -> Any:
            changed = np.array(x, dtype=np.int64)
            layer = random_state.integers(len(count), size=len(changed))
            changed[np.arange(len(changed)), layer] = random_state.integers(count[layer])
            return changed

    rng = np.random.default_rng(seed)
    drawn = rng.integers(count, size=(max(0, population - len(parents)), len(count)))
    algorithm = NSGA2(
        pop_size=population,
        sampling=np.unique(np.concatenate([parents[:population], drawn]), axis=0),
        crossover=UniformCrossover(prob=0.9),
        mutation=OneLayer(),
        eliminate_duplicates=True,
    )
    problem = Believed(n_var=len(count), n_obj=objectives, xl=np.zeros(len(count)), xu=count - 1, vtype=int)
    algorithm.setup(problem, termination=("n_gen", generations), seed=seed, verbose=False)
    while algorithm.has_next():
        algorithm.next()
    return np.unique(np.concatenate(met), axis=0)
