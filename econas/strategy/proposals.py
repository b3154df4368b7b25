"""Networks to try next: random ones and mutants, each function once."""

from collections.abc import Sequence

import numpy as np

from zoo.purposes import FIRST_NETWORKS, MUTATION
from zoo.spaces.genotype import Genotype
from zoo.spaces.space import Space

DRAWS = 200
"""Attempts to find a network nobody has trained before a proposal is given up."""
FARTHER = 20
"""Attempts after which mutants go one step farther."""


class Proposals:
    """Draws networks; what it draws depends on the trial's index and on what was proposed before.

    Args:
        space: where networks are drawn from and mutated in.
        seed: of the draws.
        distinct: whether no two proposals may compute the same function.
    """

    def __init__(self, space: Space, seed: int, distinct: bool = True) -> None:
        self._space, self._seed, self._distinct = space, seed, distinct
        self._functions: set[str] = set()

    def draw(self, parent: Genotype | None, index: int) -> Genotype | None:
        """A mutant of ``parent``, a random network where that is None; None if no new function is found.

        Where the neighbours are all known, mutations go farther, one step every few attempts.
        """
        rng = np.random.default_rng((self._seed, index, FIRST_NETWORKS if parent is None else MUTATION))
        for attempt in range(DRAWS):
            genotype = self._step(parent, 1 + attempt // FARTHER, rng)
            if not self._distinct:
                return genotype
            function = self._space.function_key(genotype)
            if function not in self._functions:
                self._functions.add(function)
                return genotype
        return None

    def take(self, genotype: Genotype) -> None:
        """Count a function as trained."""
        self._functions.add(self._space.function_key(genotype))

    def candidates(
        self, parents: Sequence[Genotype], count: int, rng: np.random.Generator, random: float = 0.0
    ) -> list[tuple[Genotype, Genotype | None]]:
        """Up to ``count`` networks that compute different new functions, each with the parent it is a mutant of.

        None of them counts as trained before it is taken.

        Args:
            parents: mutated in turn; where there are none, every candidate is a random network.
            count: of candidates.
            rng: of the draws.
            random: share of the candidates that are random networks all the same.
        """
        found: dict[str, tuple[Genotype, Genotype | None]] = {}
        for number in range(count):
            parent = parents[number % len(parents)] if parents and rng.random() >= random else None
            for attempt in range(DRAWS):
                genotype = self._step(parent, 1 + attempt // FARTHER, rng)
                function = self._space.function_key(genotype)
                if function not in self._functions and function not in found:
                    found[function] = (genotype, parent)
                    break
            else:
                if parent is None:
                    break  # every function is known, or as good as every one
        return list(found.values())

    def _step(self, parent: Genotype | None, mutations: int, rng: np.random.Generator) -> Genotype:
        if parent is None:
            genotype: Genotype = self._space.sample(rng)
            return genotype
        for _ in range(mutations):
            parent = self._space.mutate(parent, rng)
        return parent
