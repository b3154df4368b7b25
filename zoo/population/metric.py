"""The metric: what finals and references are judged by, which depends on how equal the classes are."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

Metric = Literal["accuracy", "balanced_accuracy"]
METRICS: tuple[Metric, ...] = get_args(Metric)
LOSS = "loss"
"""The validation loss, which ranks networks but judges none."""
AUTO = "auto"
"""In the place of a metric: balanced accuracy where classes are unequal, else accuracy."""
UNEQUAL = 0.5
"""Classes are unequal where the smallest has less than this share of their mean number of images."""


def check_metric(name: str) -> None:
    """Complain about what is neither a metric nor :data:`AUTO`.

    Raises:
        ValueError: naming the metrics.
    """
    if name not in (*METRICS, AUTO):
        raise ValueError(f"metric must be {' or '.join(METRICS)}, got {name!r}")


def unequal(counts: Sequence[int]) -> bool:
    """Whether classes with so many images each are too unequal for accuracy: naming the largest one pays."""
    return bool(counts) and min(counts) < UNEQUAL * sum(counts) / len(counts)


def settled(metric: str, counts: Sequence[int], say: Callable[[str], None]) -> Metric:
    """The metric that a run is judged by on classes with so many training images each; says it where it is unusual."""
    if metric in METRICS:
        return metric
    if not unequal(counts):
        return METRICS[0]
    say(
        f"The classes are unequal ({min(counts)} to {max(counts)} training images): judged by balanced accuracy, the "
        "mean of every class's own. --metric accuracy counts every image alike instead."
    )
    return METRICS[1]


def names_one_class(accuracy: float, balanced: float, counts: Sequence[int]) -> bool:
    """Whether a network with these accuracies on classes of so many images names the same class for every image.

    Balanced accuracy is then one over the number of classes, and accuracy the share of the class. On equal classes a
    network that guesses can have both, so that nothing is said of it.
    """
    present = [count for count in counts if count]
    if len(present) < 2 or not unequal(counts):
        return False
    shares = (count / sum(present) for count in present)
    one = math.isclose(balanced, 1 / len(present), abs_tol=1e-6)
    return one and any(math.isclose(accuracy, share, abs_tol=1e-6) for share in shares)
