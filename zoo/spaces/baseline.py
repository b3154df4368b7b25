"""A baseline: the network that one would have taken without a search, as wide as another one is dear."""

from collections.abc import Callable
from dataclasses import dataclass

from zoo.spaces.chain import Block, chain_of
from zoo.spaces.chain_cost import network_cost
from zoo.spaces.chain_space import CHAIN_SPACES
from zoo.spaces.genotype import CellGenotype, ChainGenotype, Genotype
from zoo.spaces.literature import PUBLISHED
from zoo.spaces.skeleton import Skeleton

CELLS = "DARTS_V2"
"""The published cell that stands for cells."""
KERNEL = 3
"""Of MobileNetV2's blocks (Sandler et al. 2018), whose expansion is the largest that a space has."""
FEWEST_CHANNELS = 2
"""The ImageNet form halves them in its stem."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A network that needs no search.

    Attributes:
        name: what it is called.
        genotype: published cells, or a chain of equal blocks.
        channels: of the skeleton that it is built on.
    """

    name: str
    genotype: CellGenotype | ChainGenotype
    channels: int


def baseline_of(genotype: Genotype, channels: int, skeleton: Callable[[int], Skeleton]) -> Baseline:
    """The baseline whose MACs are nearest to those of a network; whole channels rarely give just as many.

    Args:
        genotype: of the network.
        channels: of the skeleton that it is built on.
        skeleton: around a network with so many channels.

    Raises:
        ValueError: for a genotype of a space that networks are not built of.
    """
    wanted = network_cost(genotype, skeleton(channels)).macs
    name, plain = unsearched(genotype)

    def macs(width: int) -> int:
        return network_cost(plain, skeleton(width)).macs

    low, high = FEWEST_CHANNELS, FEWEST_CHANNELS
    while macs(high) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if macs(middle) < wanted else (low, middle)
    nearest = min((low, high), key=lambda width: max(macs(width) / wanted, wanted / macs(width)))
    return Baseline(name, plain, nearest)


def unsearched(genotype: Genotype) -> tuple[str, CellGenotype | ChainGenotype]:
    """The network of a genotype's kind that one would have taken: published cells, or MobileNetV2's blocks.

    Raises:
        ValueError: as :func:`baseline_of`.
    """
    if isinstance(genotype, CellGenotype):
        return CELLS, PUBLISHED[CELLS]
    choices = chain_of(genotype.space).choices
    plain = [one for one in choices if isinstance(one, Block) and one.kernel == KERNEL and not one.excited]
    block = max(plain, key=lambda one: one.expansion)
    layers = len(CHAIN_SPACES[genotype.space].options)
    return f"MobileNetV2's blocks ({block})", ChainGenotype(genotype.space, (choices.index(block),) * layers)
