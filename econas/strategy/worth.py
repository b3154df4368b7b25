"""What a training is worth before it is paid: the expected improvement over the best that is known."""

import numpy as np

from zoo.surrogates.model import Array


def improvement(mean: Array, deviation: Array, best: float) -> Array:
    """Expected improvement over ``best`` of normally distributed qualities (Mockus 1978; Eq. 15, Jones et al. 1998)."""
    from scipy.stats import norm

    deviation = np.maximum(deviation, 1e-9)
    gap = (mean - best) / deviation
    found: Array = deviation * (gap * norm.cdf(gap) + norm.pdf(gap))
    return found


def top_slope(scores: Array, quality: Array, share: float = 0.2, least: int = 5) -> float:
    """How much quality a unit of the score is worth among the best: least squares over the upper share.

    Args:
        scores: (N,) in one unit.
        quality: (N,) of the same networks in another.
        share: of the networks, by quality.
        least: as many of them at least.
    """
    best = np.argsort(-quality, kind="stable")[: max(least, int(share * len(quality)))]
    x, y = scores[best] - scores[best].mean(), quality[best] - quality[best].mean()
    squares = float(x @ x)
    return max(0.0, float(x @ y) / squares) if squares else 0.0
