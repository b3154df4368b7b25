"""Scales on which a model learns qualities: how far from the best, or by rank."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from zoo.surrogates.model import Array


@dataclass(frozen=True, slots=True)
class LogGap:
    """A scale on which a step towards the best counts the more, the nearer it is: minus the logarithm of the gap.

    The gap is counted from a little above the best value. On a scale of ranks or of the values themselves, the many
    middling networks decide how a model fits, and what is left near the best is below its noise.

    Attributes:
        top: where the gap would be 0.
    """

    top: float

    @classmethod
    def of(cls, quality: Array) -> Self:
        """The scale of (n,) values, more being better: as far above the best as half of what the median lacks."""
        best = float(quality.max())
        room = max((best - float(np.median(quality))) / 2, float(quality.std()) / 100)
        return cls(best + room if best + room > best else best + 1.0)

    def to(self, quality: Array) -> Array:
        """Values on this scale; all must lie below the top."""
        return np.asarray(-np.log(self.top - quality), dtype=np.float64)

    def back(self, scaled: Array) -> Array:
        """Values from this scale."""
        return np.asarray(self.top - np.exp(-scaled), dtype=np.float64)


def log_gaps(quality: Array) -> Array:
    """(n,) values on their own :class:`LogGap`; what is infinitely bad counts as the worst that is not."""
    finite = np.isfinite(quality)
    if not finite.any():
        return np.zeros(len(quality))
    quality = np.where(finite, quality, quality[finite].min())
    return LogGap.of(quality).to(quality)


def normal_scores(values: Array) -> Array:
    """Quantiles of the normal distribution at the ranks of values, equal ones alike: of mean 0, whatever the unit."""
    from scipy.stats import norm, rankdata

    scores: Array = norm.ppf((rankdata(values) - 0.5) / len(values))
    return scores
