"""A network that a search knows: what it was trained for, and its scores by the length of the training."""

from dataclasses import dataclass

import numpy as np

from zoo.spaces.features import Features
from zoo.spaces.genotype import Genotype
from zoo.surrogates.model import Array


@dataclass(frozen=True, slots=True)
class Slot:
    """A training that a round decided on.

    Attributes:
        role: child, promotion or retrain.
        genotype: the network.
        parent: key of the genotype that a child was mutated from; None for a random one.
    """

    role: str
    genotype: Genotype
    parent: str | None = None


@dataclass(slots=True, eq=False)
class Known:
    """A network of a search.

    Attributes:
        genotype: its architecture.
        features: of it.
        scores: (rungs,) by training length, the full training last; NaN where there was none.
        number: its first trial.
        trial: its newest cheap trial.
        level: which stage of the cheap schedule it has reached.
        bought: whether its full training was asked for.
        retrained: the trial that has the weights of its full training; None before its end.
    """

    genotype: Genotype
    features: Features
    scores: Array
    number: int
    trial: int
    level: int = 0
    bought: bool = False
    retrained: int | None = None

    @classmethod
    def born(cls, genotype: Genotype, features: Features, rungs: int, score: float, trial: int) -> "Known":
        """A network after its first training."""
        scores = np.full(rungs, np.nan)
        scores[0] = score
        return cls(genotype, features, scores, trial, trial)
