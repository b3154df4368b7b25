"""The size of an evaluation network: initial channels that give a wanted number of parameters."""

from dataclasses import replace
from functools import lru_cache

from milenas.supernet.config import SupernetConfig
from milenas.supernet.derivation import NONE
from zoo.spaces.cost import cost
from zoo.spaces.genotype import INPUTS, Cell, CellGenotype, Edge
from zoo.spaces.skeleton import Skeleton

MOST_CHANNELS = 4096


def channels_for(genotype: CellGenotype, skeleton: Skeleton, params: float) -> int:
    """Initial channels with which ``genotype`` comes nearest to ``params`` parameters; of equals the fewer.

    Raises:
        ValueError: if even one channel, or the most that are tried, is farther off than half of what is wanted.
    """
    near = _nearest(genotype, skeleton, params)
    found = _count(genotype, skeleton, near)
    if abs(found - params) > params / 2:
        raise ValueError(
            f"no number of channels gives about {params:,.0f} parameters on {skeleton.cells} cells; "
            f"{near} come nearest with {found:,}"
        )
    return near


def check_params(shape: SupernetConfig, skeleton: Skeleton, params: float) -> None:
    """Find out before a search whether its smallest cells can come near ``params`` parameters.

    Raises:
        ValueError: if one channel of them is too many, or the most that are tried too few, by half of what is wanted.
    """
    nodes = shape.cell.nodes if shape.topology == "fixed" else 1  # where edges are learned, nodes may be dropped
    cells = [
        Cell(((Edge(name, 0),),) * nodes, tuple(range(INPUTS, INPUTS + nodes)))
        for name in shape.operations
        if name != NONE
    ]
    counts = [
        min(_count(CellGenotype(cell, cell), skeleton, channels) for cell in cells) for channels in (1, MOST_CHANNELS)
    ]
    if not counts[0] / 1.5 <= params <= counts[1] * 2:
        raise ValueError(
            f"the smallest cells have {counts[0]:,} to {counts[1]:,} parameters with 1 to {MOST_CHANNELS} channels "
            f"on {skeleton.cells} cells, got {params:,.0f} as the number wanted"
        )


@lru_cache(maxsize=1024)
def final_skeleton(genotype: CellGenotype, skeleton: Skeleton, params: float | None) -> Skeleton:
    """``skeleton``, with the channels that come nearest to ``params`` parameters where they are given.

    However near that is: a search goes on where an early cell is too large; its record has the parameters.
    """
    return skeleton if params is None else replace(skeleton, channels=_nearest(genotype, skeleton, params))


def _nearest(genotype: CellGenotype, skeleton: Skeleton, params: float) -> int:
    low, high = 1, MOST_CHANNELS
    while low < high:  # the fewest channels with at least as many parameters: they grow with the channels
        middle = (low + high) // 2
        low, high = (low, middle) if _count(genotype, skeleton, middle) >= params else (middle + 1, high)
    near = (channels for channels in (low - 1, low) if channels >= 1)
    return min(near, key=lambda channels: abs(_count(genotype, skeleton, channels) - params))


def _count(genotype: CellGenotype, skeleton: Skeleton, channels: int) -> int:
    return cost(genotype, replace(skeleton, channels=channels)).params
