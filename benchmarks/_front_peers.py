"""What the front quality is compared with: pymoo and Optuna as their documentation has it, and random networks.

Each returns the choices it paid for, in order. What a peer draws again is paid again where it does not know.
"""

import importlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from pymoo.core.problem import Problem

from benchmarks._optuna_peers import installed
from zoo.population.costs import Choices
from zoo.population.front import Losses
from zoo.population.pymoo_algorithm import algorithm
from zoo.purposes import FRONT_PEER_NETWORKS

Measure = Callable[[Choices], Losses]
"""(n, positions) choices to (n, objectives) losses."""

POPULATION = 70
"""Of pymoo: the paper's n, as ours, so that sizes do not decide; its documentation names no size for such a problem."""

__all__ = ["Measure", "installed", "optuna_nsga2", "pymoo_nsga2", "random_chains"]


class _Chains(Problem):  # type: ignore[misc]
    """A whole number per position; remembers what it was asked."""

    def __init__(self, options: Sequence[int], measure: Measure, objectives: int) -> None:
        super().__init__(
            n_var=len(options), n_obj=objectives, xl=np.zeros(len(options)), xu=np.array(options) - 1, vtype=int
        )
        self.measure, self.asked = measure, list[npt.NDArray[np.int64]]()

    def _evaluate(self, x: npt.NDArray[np.int64], out: dict[str, Losses], *_: object, **__: object) -> None:
        choices = np.asarray(x, dtype=np.int64)
        self.asked.extend(choices)
        out["F"] = self.measure(choices)


def pymoo_nsga2(options: Sequence[int], measure: Measure, objectives: int, count: int, seed: int) -> Choices:
    """pymoo's NSGA-II for discrete variables, set up as in its documentation; it evaluates no genome twice."""
    problem = _Chains(options, measure, objectives)
    nsga2 = algorithm("NSGA2", POPULATION)(problem)
    nsga2.setup(problem, termination=("n_eval", count), seed=seed, verbose=False)
    while nsga2.has_next() and len(problem.asked) < count:
        nsga2.next()
    return np.array(problem.asked[:count])


def optuna_nsga2(options: Sequence[int], measure: Measure, objectives: int, count: int, seed: int) -> Choices:
    """Optuna's NSGA-II sampler with its defaults (a population of 50), a category per position."""
    optuna = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        directions=["minimize"] * objectives,
        sampler=optuna.samplers.NSGAIISampler(seed=seed),
    )
    asked = []
    for _ in range(count):
        trial = study.ask()
        chain = [trial.suggest_categorical(f"choice {i}", list(range(n))) for i, n in enumerate(options)]
        asked.append(chain)
        study.tell(trial, measure(np.array([chain]))[0].tolist())
    return np.array(asked, dtype=np.int64)


def random_chains(options: Sequence[int], measure: Measure, objectives: int, count: int, seed: int) -> Choices:
    """Chains drawn uniformly."""
    return np.random.default_rng((seed, FRONT_PEER_NETWORKS)).integers(options, size=(count, len(options)))
