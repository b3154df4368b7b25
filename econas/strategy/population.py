"""The population: networks by how far they are trained, with tournaments, promotion and ageing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from econas.strategy.ranking import UNKNOWN
from zoo.spaces.genotype import Genotype

UNTRAINED = -1
"""Level of a network that is still to be trained at a new setting."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the population.

    Attributes:
        genotype: its architecture.
        level: which population it is in: 0 after the first stage, and so on; -1 before.
        score: of its last stage, by the search's signal; more is better.
        trial: its last trial.
        trained: the cycle it reached its level in.
        first: score of its first stage, at the same setting.
        goal: level to be reached before it takes part again, after the setting has changed.
        step: how often the setting had been changed when it was trained.
    """

    genotype: Genotype
    level: int
    score: float
    trial: int
    trained: int
    first: float = UNKNOWN
    goal: int = 0
    step: int = 0

    @property
    def rank(self) -> tuple[float, int]:
        """Sorts the better first, and the earlier of equals."""
        return (-self.score, self.trial)


def at_level(alive: Sequence[Network], level: int) -> list[Network]:
    """The living networks of one population."""
    return [network for network in alive if network.level == level]


def winners(alive: Sequence[Network], slots: Sequence[int], rng: np.random.Generator) -> list[Network]:
    """For every population as many tournament winners as it has slots (Appendix E.1, Zhou 2020, and authors' code).

    A tournament is the best of ⌊n/4⌋ + 1 draws with replacement out of n. Slots of an empty population go to the
    lowest one that is not.

    Raises:
        ValueError: if nobody is alive.
    """
    populations = [at_level(alive, level) for level in range(len(slots))]
    lowest = next((population for population in populations if population), None)
    if lowest is None:
        raise ValueError("a tournament needs at least one living network, got none")
    found = []
    for population, count in zip(populations, slots, strict=True):
        field = population or lowest
        for _ in range(count):
            draws = rng.integers(len(field), size=len(field) // 4 + 1)
            found.append(min((field[i] for i in draws), key=lambda network: network.rank))
    return found


def promoted(alive: Sequence[Network], level: int, most: int) -> list[Network]:
    """The best of a population, at most ``most`` and at most half of it (§3.3, Zhou 2020)."""
    population = sorted(at_level(alive, level), key=lambda network: network.rank)
    return population[: min(most, len(population) // 2)]
