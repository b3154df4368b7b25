"""Sampling rules: which paths of a supernet a training step takes, and what each of them learns; no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from zoo.plugins import named
from zoo.spaces.chain_cost import ChainCosts

ADDED_RULES = "thriftnas.sampling"

RANDOM_PATHS = 2
"""Random paths of a sandwich beside the largest and the smallest (Yu et al. 2020)."""

Draw = Callable[[np.random.Generator, ChainCosts, int], NDArray[np.int64]]
"""The paths of so many steps, int64 (steps, paths of a step, layers), given what paths cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRule:
    """How a step trains a supernet.

    Attributes:
        name: as users write it.
        words: what a step does, in a few words.
        draw: the paths of steps. Where the rule ranks, the paths of a step come in ascending order of their MACs; where
            it distils, the teacher stands before them.
        distils: whether the first path of a step learns from labels and the others from its predictions
            (in-place distillation, Yu et al. 2020, arXiv 2003.11142).
        ranks: weight of the rank loss: a path pays for being worse than one of fewer MACs. 0: no rank loss.

    Raises:
        ValueError: for a negative or infinite weight.
    """

    name: str
    words: str
    draw: Draw
    distils: bool = False
    ranks: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.ranks < np.inf:
            raise ValueError(f"the rank loss of sampling {self.name!r} needs a weight of at least 0, got {self.ranks}")


def uniform(rng: np.random.Generator, costs: ChainCosts, steps: int) -> NDArray[np.int64]:
    """One path a step, every choice with the same chance."""
    return uniform_paths(rng, costs.layers, costs.choices, steps)[:, None]


def uniform_paths(rng: np.random.Generator, layers: int, choices: int, count: int) -> NDArray[np.int64]:
    """Random paths, int64 (count, layers), every choice with the same chance."""
    return rng.integers(choices, size=(count, 1, layers))[:, 0]


def fair(rng: np.random.Generator, costs: ChainCosts, steps: int) -> NDArray[np.int64]:
    """As many paths as a layer has choices, by one permutation per layer.

    So a step uses every choice of every layer exactly once (strict fairness, Chu 2019, arXiv 1907.01845).
    """
    ordered = np.broadcast_to(np.arange(costs.choices)[:, None], (steps, costs.choices, costs.layers))
    return rng.permuted(ordered, axis=1)


def ascending(paths: NDArray[np.int64], costs: ChainCosts) -> NDArray[np.int64]:
    """Paths (steps, paths, layers) with those of every step in ascending order of their MACs."""
    steps, count, layers = paths.shape
    macs, _ = costs(paths.reshape(-1, layers))
    order = np.argsort(macs.reshape(steps, count), axis=1, kind="stable")
    return np.take_along_axis(paths, order[:, :, None], axis=1)


def fair_ascending(rng: np.random.Generator, costs: ChainCosts, steps: int) -> NDArray[np.int64]:
    """As :func:`fair`, the cheapest path of a step first."""
    return ascending(fair(rng, costs, steps), costs)


def sandwich(rng: np.random.Generator, costs: ChainCosts, steps: int) -> NDArray[np.int64]:
    """The largest path, then the smallest and random ones in ascending order of their MACs.

    Largest and smallest take one choice in all layers: the one with which a network has most MACs, or fewest.
    """
    each = np.repeat(np.arange(costs.choices)[:, None], costs.layers, axis=1)
    macs, _ = costs(each)
    largest, smallest = each[np.argmax(macs)], each[np.argmin(macs)]
    drawn = uniform_paths(rng, costs.layers, costs.choices, steps * RANDOM_PATHS)
    drawn = drawn.reshape(steps, RANDOM_PATHS, costs.layers)
    ends = np.broadcast_to(np.stack([smallest, largest])[:, None, None], (2, steps, 1, costs.layers))
    return np.concatenate([ends[1], ascending(np.concatenate([ends[0], drawn], axis=1), costs)], axis=1)


RULES: dict[str, SamplingRule] = {
    rule.name: rule
    for rule in (
        SamplingRule(name="fair", words="as many paths as choices, each choice once", draw=fair),
        SamplingRule(name="uniform", words="one random path", draw=uniform),
        SamplingRule(
            name="sandwich",
            words="the largest path, and the smallest and two random ones, which learn its predictions",
            draw=sandwich,
            distils=True,
        ),
        SamplingRule(
            name="sandwich-ranked",
            words="as sandwich; a path pays for being worse than one of fewer MACs",
            draw=sandwich,
            distils=True,
            ranks=1.0,
        ),
        SamplingRule(
            name="fair-ranked",
            words="as fair; a path pays for being worse than one of fewer MACs",
            draw=fair_ascending,
            ranks=1.0,
        ),
    )
}


@cache
def sampling_rule(name: str) -> SamplingRule:
    """The rule of a name: ours, or one of an installed package (entry points of the group ``thriftnas.sampling``).

    Raises:
        ValueError: if there is none, or it is no rule of that name.
    """
    return named(ADDED_RULES, name, "sampling", RULES)
