"""The start of a search: networks spread evenly over the range of a price, within the limits on prices."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zoo.population.front import Infeasible, Limit
from zoo.population.prices import Choices, Prices

POOL = 4096
"""Networks drawn at a time, of which the start is chosen."""
CONCENTRATION = (0.1, 10.0)
"""Of the Dirichlet distributions, drawn uniformly on a logarithmic scale."""
ROUNDS = 25
"""Pools drawn, each from the least excessive half of the one before, until limits count as infeasible."""


def pool(options: Sequence[int], prices: Prices, limits: Sequence[Limit], rng: np.random.Generator) -> Choices:
    """(n, layers) different networks within the limits, cheap and expensive ones alike.

    Every network has a taste of its own: choice probabilities of a Dirichlet distribution, the same in every layer,
    from nearly one choice only to nearly all alike. Drawn with equal chances, the sum of many layers would hardly
    ever come near the ends of the range.
    Where no network keeps the limits, those that miss them least are changed layer by layer, some rounds long.

    Raises:
        Infeasible: if none is found, with the limits that block.
    """
    drawn = _tasteful(options, POOL, rng)
    for _ in range(ROUNDS):
        excess = _excess(drawn, prices, limits)
        fine = np.unique(drawn[(excess <= 0).all(axis=1)], axis=0)
        if len(fine):
            return rng.permutation(fine)
        span = np.ptp(excess, axis=0)
        worst = np.maximum(excess / np.where(span > 0, span, 1.0), 0.0).sum(axis=1)
        nearest = drawn[np.argsort(worst, kind="stable")[: POOL // 2]]
        drawn = np.concatenate([nearest, _neighbours(nearest, options, rng)])
    raise _blocked(_excess(drawn, prices, limits), limits)


def spread(
    candidates: Choices, price: npt.NDArray[np.float64] | None, count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Numbers of ``count`` candidates whose prices are uniform over their range: one in each of ``count`` equal parts
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


def _excess(drawn: Choices, prices: Prices, limits: Sequence[Limit]) -> npt.NDArray[np.float64]:
    """(n, limits): how far each network is beyond each limit."""
    if not limits:
        return np.zeros((len(drawn), 0))
    priced = prices(drawn)
    return np.stack([limit.excess(priced[limit.metric]) for limit in limits], axis=1)


def _blocked(excess: npt.NDArray[np.float64], limits: Sequence[Limit]) -> Infeasible:
    """The limits no network kept, or all of them where each is kept by some."""
    alone = [i for i in range(len(limits)) if not (excess[:, i] <= 0).any()]
    blocking = [limits[i] for i in alone] or list(limits)
    effort = f"{ROUNDS} rounds of {POOL} networks"
    if len(alone) == 1:
        limit, miss = limits[alone[0]], excess[:, alone[0]].min()
        nearest = limit.bound + miss if limit.upper else limit.bound - miss
        effort = f"the nearest of {effort} has {limit.metric} {nearest:.4g}"
    elif not alone:
        effort = f"each is kept by some of {effort}, all of them by none"
    return Infeasible(blocking, effort)
