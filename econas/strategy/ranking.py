"""Ranking: the score by which a search compares its cheap trainings, and the metric that judges retrained networks."""

import math
from collections.abc import Callable

from zoo.population.trial import Record
from zoo.reliability.signal import find_signal

UNKNOWN = -math.inf
"""Score of a training without the signal, such as one whose record is older than its notes: it ranks last."""


def scorer(signal: str) -> Callable[[Record], float]:
    """What gives the score of a training that ended well: the signal, turned so that more is better.

    A network without the signal stays in the search and ranks below all others. A record speaks of its own stage:
    a sum of training losses is that of the stage's epochs. Scores therefore compare within one stage of one setting
    only, and so do tournaments, promotions and the choice of finalists.

    Raises:
        ValueError: if no signal has this name.
    """
    found = find_signal(signal)

    def score(record: Record) -> float:
        value = found.score(record)
        return UNKNOWN if math.isnan(value) else value

    return score
