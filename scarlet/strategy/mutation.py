"""Hierarchical mutation: at random, by a policy learned with REINFORCE, or by what the first front likes.

Deviation: the paper names the three kinds and their shares only; how each draws is ours, and so is everything that
follows from it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scarlet.strategy.parameters import SearchParameters
from zoo.population.costs import Choices

Chances = npt.NDArray[np.float64]


class Policy:
    """Which choices networks of low Pareto rank have: a categorical distribution per layer, learned by REINFORCE.

    Args:
        options: choices of every layer.
        learning_rate: of the logits.
    """

    def __init__(self, options: Sequence[int], learning_rate: float) -> None:
        self._logits = np.where(_available(options), 0.0, -np.inf)  # (layers, choices)
        self._rate = learning_rate

    @property
    def chances(self) -> Chances:
        """(layers, choices) probabilities."""
        weights = np.exp(self._logits - self._logits.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)

    def learn(self, choices: Choices, rank: npt.NDArray[np.int64]) -> None:
        """One step of REINFORCE (Williams 1992) from (n, layers) networks and their ranks.

        The reward falls from 1 on the first front to 0 on the last; its mean is the baseline.
        """
        reward = 1.0 - rank / max(1, int(rank.max()))
        advantage = reward - reward.mean()
        taken = (choices[:, :, None] == np.arange(self._logits.shape[1])).astype(np.float64)  # (n, layers, choices)
        # the gradient of log π(choice) is onehot − π; the advantages sum to 0, so π drops out
        gradient = np.einsum("n,nlc->lc", advantage, taken) / len(choices)
        self._logits = self._logits + self._rate * gradient  # −inf stays −inf


def frequencies(choices: Choices, options: Sequence[int]) -> Chances:
    """(layers, choices) shares among (n, layers) networks, every available choice counted once more."""
    counts = _available(options).astype(np.float64)
    for layer, column in enumerate(choices.T):
        counts[layer] += np.bincount(column, minlength=counts.shape[1])
    return np.asarray(counts / counts.sum(axis=1, keepdims=True), dtype=np.float64)


def mutated(
    parent: npt.NDArray[np.int64],
    learned: Chances,
    liked: Chances,
    options: Sequence[int],
    parameters: SearchParameters,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """A copy of ``parent`` with one layer (p_M) or several (p_KM) changed to other choices.

    Args:
        parent: (layers,) choices.
        learned: the policy's chances.
        liked: roulette wheel of the first front.
        options: choices of every layer.
        parameters: shares of the kinds, and how many layers.
        rng: of every draw.
    """
    kinds = (_available(options).astype(np.float64), learned, liked)
    shares = (parameters.random, parameters.reinforced, parameters.prior)
    chances = kinds[_roulette(np.array(shares), rng)]
    layers = np.flatnonzero(np.asarray(options) > 1)
    count = 1 if rng.random() < parameters.single else min(parameters.several, len(layers))
    child = parent.copy()
    for layer in rng.choice(layers, size=count, replace=False):
        others = chances[layer].copy()
        others[child[layer]] = 0.0
        if not others.sum() > 0:  # the policy is certain of what is there already
            others[: options[layer]] = 1.0
            others[child[layer]] = 0.0
        child[layer] = _roulette(others, rng)
    return child


def _roulette(weights: Chances, rng: np.random.Generator) -> int:
    """A number drawn in proportion to weights, which need not sum to 1."""
    wheel = np.cumsum(weights)
    return int(np.searchsorted(wheel, rng.random() * wheel[-1], side="right"))


def _available(options: Sequence[int]) -> npt.NDArray[np.bool_]:
    """(layers, choices): which choices a layer has."""
    return np.arange(max(options)) < np.asarray(options)[:, None]
