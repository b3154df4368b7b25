"""A search for chains as a problem of pymoo's: one whole number per choice, losses, and limits as constraints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.population.costs import Choices, Costs, Values
from zoo.population.front import Limit, Losses, Metrics, Objective, require_known
from zoo.population.nsga2 import WORST
from zoo.spaces.chain_space import ChainSpace
from zoo.spaces.genotype import ChainGenotype

Measure = Callable[[Choices], Sequence[Metrics | None]]
"""(n, positions) different choices that keep the limits on costs to what was measured; None where that failed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """What is wanted of chains, in numbers that pymoo makes small.

    Attributes:
        space: of the chains.
        costs: what is known before a network is measured; a limit on it costs no measurement.
        objectives: what counts.
        limits: what a network of the result keeps.
        measured: names of what a measurement gives, costs apart.

    Raises:
        ValueError: for an objective or a limit on something that is neither priced nor measured.
    """

    space: ChainSpace
    costs: Costs
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...] = ()
    measured: tuple[str, ...] = ("accuracy",)

    def __post_init__(self) -> None:
        require_known((*self.objectives, *self.limits), {*self.costs.names, *self.measured})

    @property
    def on_costs(self) -> tuple[Limit, ...]:
        """The limits that are known to hold, or not, before a network is measured."""
        return tuple(limit for limit in self.limits if limit.metric in self.costs.names)

    def choices(self, variables: npt.ArrayLike) -> Choices:
        """The chains that (n, positions) variables stand for: the nearest choice that the position has."""
        numbers = np.rint(np.atleast_2d(np.asarray(variables, dtype=np.float64)))
        return np.clip(numbers, 0, np.asarray(self.space.options) - 1).astype(np.int64)

    def genotypes(self, variables: npt.ArrayLike) -> list[ChainGenotype]:
        """The same as genotypes."""
        return [ChainGenotype(self.space.name, tuple(row)) for row in self.choices(variables).tolist()]

    def affordable(self, choices: Choices) -> npt.NDArray[np.bool_]:
        """(n,) whether chains keep every limit on costs."""
        kept = np.ones(len(choices), dtype=bool)
        if self.on_costs and len(choices):
            prices = self.costs(choices)
            for limit in self.on_costs:
                kept &= limit.excess(prices[limit.metric]) <= 0
        return kept

    def judged(self, choices: Choices, metrics: Sequence[Metrics | None]) -> tuple[Losses, Losses]:
        """(n, objectives) losses, and (n, limits) how far a limit is missed, as a share of its bound; 0 or less: kept.

        What was not measured has the worst losses. It misses the limits on costs by as much as it does; where it misses
        none, its measurement has failed, and it misses all by their whole bound.

        Args:
            choices: (n, positions) of the chains.
            metrics: what was measured of each; None: nothing.
        """
        prices, known = self.costs(choices), np.array([row is not None for row in metrics], dtype=bool)

        def values(name: str, missing: float) -> Values:
            found = prices.get(name)
            rows = [
                row[name] if row is not None and name in row else missing if found is None else float(found[i])
                for i, row in enumerate(metrics)
            ]
            return np.array(rows, dtype=np.float64)

        losses = [np.where(known, one.loss(1.0) * values(one.metric, 0.0), WORST) for one in self.objectives]
        broken = [limit.excess(values(limit.metric, limit.bound)) / (abs(limit.bound) or 1.0) for limit in self.limits]
        missed = np.array(broken, dtype=np.float64).reshape(len(self.limits), len(choices)).T
        missed[~known & self.affordable(choices)] = 1.0
        return np.array(losses).T, missed


def chain_problem(terms: Terms, measure: Measure) -> Any:
    """The search as a ``pymoo.core.problem.Problem``, whose ``terms`` say which chain a solution is.

    Chains that miss a limit on costs are not measured, and neither is one chain twice; what was measured is kept in
    ``known``, by choices, in the order of its measurement.

    Args:
        terms: what is wanted.
        measure: how the networks are measured.
    """
    from pymoo.core.problem import Problem  # here: pymoo takes more than a second

    class ChainProblem(Problem):  # type: ignore[misc]
        """One whole number per choice."""

        def __init__(self) -> None:
            most = np.asarray(terms.space.options) - 1
            sizes = {"n_var": len(most), "n_obj": len(terms.objectives), "n_ieq_constr": len(terms.limits)}
            super().__init__(**sizes, xl=np.zeros(len(most), dtype=np.int64), xu=most, vtype=int)
            self.terms, self.known = terms, dict[tuple[int, ...], Metrics | None]()

        def _evaluate(self, x: Any, out: dict[str, Any], *_: object, **__: object) -> None:
            choices = terms.choices(x)
            rows = list(map(tuple, choices.tolist()))
            paid = zip(rows, terms.affordable(choices), strict=True)
            new = [row for row in dict.fromkeys(row for row, fits in paid if fits) if row not in self.known]
            if new:
                self.known.update(zip(new, measure(np.array(new, dtype=np.int64)), strict=True))
            losses, missed = terms.judged(choices, [self.known.get(row) for row in rows])
            out["F"] = losses
            if terms.limits:
                out["G"] = missed

    return ChainProblem()
