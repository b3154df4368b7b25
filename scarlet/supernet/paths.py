"""Which paths of a supernet a training step takes: uniform single paths, or strictly fair sets of them."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Sampling = Literal["uniform", "fair"]

SAMPLINGS: tuple[str, ...] = get_args(Sampling)


def draw_paths(
    sampling: Sampling, rng: np.random.Generator, layers: int, choices: int, steps: int
) -> NDArray[np.int64]:
    """The paths of ``steps`` training steps, int64 (steps, paths of a step, layers).

    Uniform: one path a step, every choice with the same chance. Fair: as many paths as a layer has choices, by one
    permutation per layer, so that a step uses every choice of every layer exactly once (strict fairness, Chu 2019,
    arXiv 1907.01845).

    Raises:
        ValueError: for another kind of sampling.
    """
    match sampling:
        case "uniform":
            return rng.integers(choices, size=(steps, 1, layers))
        case "fair":
            ordered = np.broadcast_to(np.arange(choices)[:, None], (steps, choices, layers))
            return rng.permuted(ordered, axis=1)
    raise ValueError(f"unknown sampling {sampling!r}, expected {' or '.join(SAMPLINGS)}")
