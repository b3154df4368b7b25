"""A space without the networks that are too dear: whatever is drawn from it or mutated in it keeps limits on costs."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from zoo.population.front import Infeasible, Limit
from zoo.purposes import WITHIN_LIMITS
from zoo.spaces.features import Featured, Features
from zoo.spaces.genotype import Genotype

TRIES = 50
"""Networks drawn, or neighbours, before limits count as tight."""
STEPS = 500
"""Mutations by which one network comes nearer to tight limits."""
DESCENTS = 4
"""Networks that try so before the limits count as infeasible."""


class Prices(Protocol):
    """What is known of a network before it is trained, by name."""

    def __call__(self, genotype: Any) -> Mapping[str, float]: ...


class LimitedSpace:
    """The networks of a space that keep limits.

    Where many networks keep them, one is drawn until it does. Where few do, a random network is mutated, and every
    mutant that misses the limits by more is dropped, until it keeps them.

    Args:
        space: of all networks.
        prices: what networks cost.
        limits: on these costs.
    """

    def __init__(self, space: Featured, prices: Prices, limits: Sequence[Limit]) -> None:
        self._space, self._prices, self._limits = space, prices, tuple(limits)

    @property
    def name(self) -> str:
        """As of the whole space."""
        return self._space.name

    def sample(self, rng: np.random.Generator) -> Genotype:
        """A random network within the limits.

        Raises:
            Infeasible: if none is found.
        """
        for _ in range(TRIES):
            found: Genotype = self._space.sample(rng)
            if self._excess(found) <= 0:
                return found
        misses = []
        for _ in range(DESCENTS):
            found = self._nearer(self._space.sample(rng), rng)
            if self._excess(found) <= 0:
                return found
            misses.append(found)
        raise self._infeasible(misses)

    def mutate(self, genotype: Genotype, rng: np.random.Generator) -> Genotype:
        """A neighbour within the limits; where there seems to be none, a network farther away, or a random one."""
        for _ in range(TRIES):
            found: Genotype = self._space.mutate(genotype, rng)
            if self._excess(found) <= 0:
                return found
        found = self._nearer(self._space.mutate(genotype, rng), rng)
        return found if self._excess(found) <= 0 and found.key != genotype.key else self.sample(rng)

    def function_key(self, genotype: Genotype) -> str:
        """As of the whole space."""
        return self._space.function_key(genotype)

    def features(self, genotype: Genotype) -> Features:
        """As of the whole space."""
        return self._space.features(genotype)

    def require_networks(self, seed: int) -> None:
        """Find out whether any network keeps the limits.

        Raises:
            Infeasible: if none is found, with the limits that block.
        """
        self.sample(np.random.default_rng((seed, WITHIN_LIMITS)))

    def _excess(self, genotype: Genotype) -> float:
        """By how much a network misses the limits, each in shares of its bound."""
        known = self._prices(genotype)
        misses = (float(one.excess(known[one.metric])) / max(abs(one.bound), 1e-9) for one in self._limits)
        return sum(max(0.0, miss) for miss in misses)

    def _nearer(self, genotype: Genotype, rng: np.random.Generator) -> Genotype:
        """The network after mutations that miss the limits by less and less."""
        miss = self._excess(genotype)
        for _ in range(STEPS):
            if miss <= 0:
                break
            mutant: Genotype = self._space.mutate(genotype, rng)
            if (found := self._excess(mutant)) <= miss:
                genotype, miss = mutant, found
        return genotype

    def _infeasible(self, nearest: Sequence[Genotype]) -> Infeasible:
        rows = [self._prices(one) for one in nearest]
        alone = [one for one in self._limits if not any(one.holds(row[one.metric]) for row in rows)]
        best = min(nearest, key=self._excess)
        known = self._prices(best)
        told = ", ".join(f"{one.metric} {known[one.metric]:.6g}" for one in self._limits)
        return Infeasible(alone or self._limits, f"the nearest that was found has {told}")
