"""What a search believes of the full quality of its networks: from cheap trainings and full ones."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.spaces.features import Features
from zoo.surrogates.forest import votes
from zoo.surrogates.model import Array
from zoo.surrogates.scale import normal_scores
from zoo.surrogates.surrogate import columns, matrix

PAIRS = 3
"""Networks trained both ways, from which on the one says something of the other."""
RESIDUALS = 8
"""Networks trained fully, from which on a forest may learn where the cheap training misleads."""
UNCERTAIN = 0.3
"""Standard deviation in normal scores, while too few networks are trained fully to know it."""


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Of every network the mean and the standard deviation of its full quality.

    Attributes:
        mean: (N,) in the metric of full trainings once :attr:`linked`, before that in scores of cheap ones.
        deviation: (N,) 0 where it was trained fully.
        linked: whether enough networks were trained fully for means to be in the metric.
    """

    mean: Array
    deviation: Array
    linked: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A line from the scores of one training to those of a longer one: slope, value at 0, spread around it."""

    slope: float
    offset: float
    spread: float

    @classmethod
    def fit(cls, shorter: Array, longer: Array) -> "Link":
        """Least squares, the slope shrunk and the spread widened as befits few pairs; it never descends."""
        count = len(shorter)
        x, y = shorter - shorter.mean(), longer - longer.mean()
        squares = float(x @ x)
        slope = max(0.0, float(x @ y) / (squares * (1 + 2 / count))) if squares else 0.0
        rest = y - slope * x
        spread = float(rest.std(ddof=1)) * float(np.sqrt(1 + 2 / count)) + 1e-9
        return cls(slope, float(longer.mean() - slope * shorter.mean()), spread)


def believe(scores: Array, networks: Sequence[Features], seed: int) -> Belief:
    """What is believed of networks.

    A rung's unknown scores are predicted from those of the rung below, and so up to the full training. From eight
    full trainings on a forest on the features and the cheap score may predict what the line leaves over, if it does
    so better than nothing on networks it has not seen (out of bag).

    Args:
        scores: (N, rungs) by training length, more is better; NaN where there was no such training. The first column
            has no NaN, the last one is of full trainings.
        networks: features of the same networks.
        seed: of the forest.
    """
    full = scores[:, -1]
    if scores.shape[1] == 1:
        return Belief(full, np.zeros(len(full)), True)
    mean, deviation = normal_scores(scores[:, 0]), np.zeros(len(full))
    for longer in scores[:, 1:-1].T:
        known = np.isfinite(longer)
        if known.sum() >= PAIRS:
            mean, deviation = _climb(Link.fit(mean[known], longer[known]), mean, deviation, longer)
    known = np.isfinite(full)
    if known.sum() < PAIRS:
        return Belief(mean, np.full(len(full), UNCERTAIN * float(mean.std())), False)
    link = Link.fit(mean[known], full[known])
    cheap, (mean, deviation) = mean, _climb(link, mean, deviation, full)
    if known.sum() >= RESIDUALS:
        rest = full[known] - link.offset - link.slope * cheap[known]
        corrected = _corrections(networks, cheap, known, rest, seed)
        if corrected is not None:
            mean = np.where(known, full, mean + corrected[0])
            deviation = np.where(known, 0.0, corrected[1])
    return Belief(mean, deviation, True)


def _climb(link: Link, mean: Array, deviation: Array, measured: Array) -> tuple[Array, Array]:
    """Means and deviations one rung up: measured, or as the link has it."""
    known = np.isfinite(measured)
    up = link.offset + link.slope * mean
    spread = np.hypot(link.slope * deviation, link.spread)
    return np.where(known, measured, up), np.where(known, 0.0, spread)


def _corrections(
    networks: Sequence[Features], cheap: Array, known: Array, rest: Array, seed: int
) -> tuple[Array, Array] | None:
    """What a forest adds to every network's mean, and the deviation that is left; None where it does not help."""
    from sklearn.ensemble import RandomForestRegressor  # here: half a second that a search without it need not pay

    table = np.column_stack([matrix(networks, columns(networks)), cheap])
    forest = RandomForestRegressor(100, oob_score=True, max_features=0.5, random_state=seed, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few networks some are in every tree's sample
        forest.fit(table[known], rest)
    unseen = forest.oob_prediction_
    judged = np.isfinite(unseen)
    error = float(np.mean((rest - unseen)[judged] ** 2))
    if error >= float(np.mean(rest[judged] ** 2)):
        return None
    return votes(forest, table).mean(axis=0), np.full(len(cheap), np.sqrt(error))
