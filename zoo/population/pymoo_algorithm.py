"""Algorithms of pymoo by name, with operators for whole numbers; other packages add more."""

import importlib
import inspect
from collections.abc import Callable
from math import comb
from typing import Any

from zoo.plugins import names, plugin

ALGORITHMS = "thriftnas.algorithms"
"""Entry-point group: a function of pymoo's problem and of the size of a population, which gives a fresh algorithm."""
PLACES = {
    **{name: name.lower() for name in ("CTAEA", "MOEAD", "NSGA2", "NSGA3", "RVEA", "SPEA2", "UNSGA3")},
    "SMSEMOA": "sms",
}
"""Modules of ``pymoo.algorithms.moo``, by the classes that need no more than a population."""

Make = Callable[[Any], Any]
"""A fresh algorithm for a problem of pymoo's."""


def algorithm(name: str, population: int) -> Make:
    """What makes an algorithm.

    Args:
        name: of a class in :data:`PLACES`, or of what an installed package adds.
        population: networks of a generation; where directions decide, as many of them as there can be below that.

    Raises:
        ValueError: for another name, or too small a population.
    """
    if population < 2:
        raise ValueError(f"population must be at least 2, got {population}")
    if name in PLACES:
        return lambda problem: _of_pymoo(name, population, problem)
    added = plugin(ALGORITHMS, name, "algorithm")
    if added is None:
        known = ", ".join([*sorted(PLACES), *names(ALGORITHMS)])
        raise ValueError(f"algorithm must be one of {known}, got {name!r}")
    return lambda problem: added.call(problem, population)


def _of_pymoo(name: str, population: int, problem: Any) -> Any:
    """The algorithm as pymoo's documentation sets one up for whole numbers."""
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling

    kind = getattr(importlib.import_module(f"pymoo.algorithms.moo.{PLACES[name]}"), name)
    whole = {"eta": 3.0, "vtype": float, "repair": RoundingRepair()}
    more: dict[str, Any] = {"pop_size": population}
    if "ref_dirs" in inspect.signature(kind).parameters:
        more = {"ref_dirs": _directions(problem.n_obj, population)}
    if name != "MOEAD":  # whose neighbours may be alike
        more["eliminate_duplicates"] = True
    children = {"n_offsprings": 1} if name == "CTAEA" else {}
    return kind(
        **more,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=1.0, **children, **whole),
        mutation=PM(prob=1.0, **whole),
    )


def _directions(objectives: int, population: int) -> Any:
    """Evenly spread directions in the space of the objectives, at most as many as the population."""
    from pymoo.util.ref_dirs import get_reference_directions

    steps = 1
    while objectives > 1 and comb(steps + objectives, objectives - 1) <= population:
        steps += 1
    return get_reference_directions("das-dennis", objectives, n_partitions=steps)
