"""Two networks, each trained several times and asked about the same images: the difference of their quality.

Two things are left to chance: the training, and the images. The variance of the difference of means is that of the
repeats of either network (Welch 1947) and that of the images, which both networks share, so that what is hard for both
counts for neither. The degrees of freedom are Satterthwaite's (1946). The images' part is taken from means over
repeats, which chance of training makes larger, so the interval errs on the wide side.
"""

import numpy as np
from numpy.typing import NDArray

from zoo.reliability.interval import Estimate

Hits = NDArray[np.bool_]
"""Whether an image was named right: (repeats, images)."""


def image_weights(labels: NDArray[np.integer], balanced: bool) -> NDArray[np.float64]:
    """What an image counts, (N,), so that the weights of those named right sum to the accuracy, or the balanced one."""
    if not balanced:
        return np.full(len(labels), 1 / len(labels))
    classes, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1 / (len(classes) * counts[places])
    return weights


def repeats_difference(first: Hits, second: Hits, weights: NDArray[np.float64], level: float = 0.95) -> Estimate:
    """How much better the first network is than the second, with its interval over trainings and images.

    Args:
        first: what the trainings of the first network named right, (repeats, N).
        second: of the second, (repeats, N).
        weights: of the images, (N,), as :func:`image_weights` gives them.
        level: of the interval.

    Returns:
        The difference of means; without an interval where a network has fewer than two repeats.
    """
    means = [hits @ weights for hits in (first, second)]
    if min(len(scores) for scores in means) == 0:
        return Estimate(np.nan, np.nan, np.nan, "a network has no training that ended")
    value = float(means[0].mean() - means[1].mean())
    if min(len(scores) for scores in means) < 2:
        return Estimate(value, np.nan, np.nan, "no interval from one training: at least 2 of each network are needed")
    images = len(weights)
    apart = images * weights * (first.mean(axis=0) - second.mean(axis=0))
    parts = [(float(scores.var(ddof=1)) / len(scores), len(scores) - 1) for scores in means]
    parts.append((float(apart.var(ddof=1)) / images, images - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Estimate(value, np.nan, np.nan, "no interval: all trainings name the same images right")
    freedom = variance**2 / sum(part**2 / count for part, count in parts)
    from scipy.special import stdtrit

    reach = float(stdtrit(freedom, (1 + level) / 2)) * variance**0.5
    return Estimate(value, value - reach, value + reach)
