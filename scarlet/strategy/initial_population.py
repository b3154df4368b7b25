"""The start of a search: networks spread evenly over the range of a price, within the limits on costs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zoo.population.costs import Choices, Costs
from zoo.population.front import Infeasible, Limit

POOL = 16384
"""Networks drawn at a time, of which the start is chosen."""
CONCENTRATION = (0.1, 10.0)
"""Of the Dirichlet distributions, drawn uniformly on a logarithmic scale."""
ROUNDS = 25
"""Pools at most, each with the better half of the one before, until the limits count as infeasible."""


def pool(
    options: Sequence[int], costs: Costs, limits: Sequence[Limit], wanted: int, rng: np.random.Generator
) -> Choices:
    """(n, layers) different networks within the limits, cheap and expensive ones alike, in random order.

    Every network has a taste of its own: choice probabilities of a Dirichlet distribution, the same in every layer,
    from nearly one choice only to nearly all alike. Drawn with equal chances, the sum of many layers would hardly
    ever come near the ends of the range. Where fewer than ``wanted`` keep the limits, those that miss them least are
    changed layer by layer, some rounds long.

    Raises:
        Infeasible: if none is found, with the limits that block.
    """
    drawn = _tasteful(options, POOL, rng)
    fine = drawn[:0]
    for _ in range(ROUNDS):
        excess = _excess(drawn, costs, limits)
        fine = np.unique(np.concatenate([fine, drawn[(excess <= 0).all(axis=1)]]), axis=0)
        if len(fine) >= wanted or not limits:
            break
        span = np.ptp(excess, axis=0)
        misses = np.maximum(excess / np.where(span > 0, span, 1.0), 0.0).sum(axis=1)
        nearest = drawn[np.lexsort((rng.random(len(drawn)), misses))[: POOL // 2]]
        drawn = np.concatenate([nearest, _neighbours(nearest, options, rng)])
    if not len(fine):
        raise _blocked(options, costs, limits, _excess(drawn, costs, limits), rng)
    return rng.permutation(fine)


def spread(
    candidates: Choices, price: npt.NDArray[np.float64] | None, count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Numbers of ``count`` candidates whose costs are uniform over their range: one in each of ``count`` equal parts
    of it, or the nearest one left; the first ones without a price."""
    if price is None or count >= len(candidates):
        return np.arange(min(count, len(candidates)))
    low, high = price.min(), price.max()
    targets = low + (high - low) * (np.arange(count) + rng.random(count)) / count
    free = np.ones(len(candidates), dtype=bool)
    chosen = []
    for target in rng.permutation(targets):
        nearest = int(np.argmin(np.where(free, np.abs(price - target), np.inf)))
        free[nearest] = False
        chosen.append(nearest)
    return np.array(chosen, dtype=np.int64)


def _tasteful(options: Sequence[int], count: int, rng: np.random.Generator) -> Choices:
    low, high = np.log(CONCENTRATION)
    concentration = np.exp(rng.uniform(low, high, size=(count, 1)))
    weights = rng.standard_gamma(concentration, size=(count, max(options)))
    drawn = np.empty((count, len(options)), dtype=np.int64)
    for layer, choices in enumerate(options):
        wheel = np.cumsum(weights[:, :choices], axis=1)
        throw = rng.random(count) * wheel[:, -1]
        drawn[:, layer] = np.minimum((throw[:, None] >= wheel).sum(axis=1), choices - 1)
    return drawn


def _neighbours(networks: Choices, options: Sequence[int], rng: np.random.Generator) -> Choices:
    """Each network with one layer drawn again."""
    changed = networks.copy()
    layers = rng.integers(len(options), size=len(networks))
    changed[np.arange(len(networks)), layers] = rng.integers(np.asarray(options)[layers])
    return changed


def _excess(drawn: Choices, costs: Costs, limits: Sequence[Limit]) -> npt.NDArray[np.float64]:
    """(n, limits): how far each network is beyond each limit."""
    if not limits:
        return np.zeros((len(drawn), 0))
    priced = costs(drawn)
    return np.stack([limit.excess(priced[limit.metric]) for limit in limits], axis=1)


def _blocked(
    options: Sequence[int],
    costs: Costs,
    limits: Sequence[Limit],
    excess: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> Infeasible:
    """The first limit that no network keeps even alone, or all of them where each alone is kept by some."""
    if len(limits) > 1:
        for limit in limits:
            try:
                pool(options, costs, [limit], 1, rng)
            except Infeasible as error:
                return error
        return Infeasible(limits, f"each is kept by some of {ROUNDS} rounds of {POOL} networks, all of them by none")
    (limit,), miss = limits, excess.min()
    nearest = limit.bound + miss if limit.upper else limit.bound - miss
    return Infeasible(limits, f"the nearest of {ROUNDS} rounds of {POOL} networks has {limit.metric} {nearest:.4g}")
