"""The size of an evaluation network: initial channels that give a wanted number of parameters."""

from dataclasses import replace
from functools import lru_cache

from zoo.spaces.cost import cost
from zoo.spaces.genotype import CellGenotype
from zoo.spaces.skeleton import Skeleton

MOST_CHANNELS = 4096


def channels_for(genotype: CellGenotype, skeleton: Skeleton, params: float) -> int:
    """Initial channels with which ``genotype`` comes nearest to ``params`` parameters; of equals the fewer.

    Raises:
        ValueError: if even one channel, or the most that are tried, is farther off than half of what is wanted.
    """

    def count(channels: int) -> int:
        return cost(genotype, replace(skeleton, channels=channels)).params

    low, high = 1, MOST_CHANNELS
    while low < high:  # the fewest channels with at least as many parameters: they grow with the channels
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) >= params else (middle + 1, high)
    near = min((c for c in (low - 1, low) if c >= 1), key=lambda channels: abs(count(channels) - params))
    if abs(count(near) - params) > params / 2:
        raise ValueError(
            f"no number of channels gives about {params:,.0f} parameters on {skeleton.cells} cells; "
            f"{near} come nearest with {count(near):,}"
        )
    return near


@lru_cache(maxsize=1024)
def final_skeleton(genotype: CellGenotype, skeleton: Skeleton, params: float | None) -> Skeleton:
    """``skeleton``, with the channels that come nearest to ``params`` parameters where they are given."""
    return skeleton if params is None else replace(skeleton, channels=channels_for(genotype, skeleton, params))
