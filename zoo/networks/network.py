"""Any one architecture as a network: cells or a chain."""

import torch

from zoo.networks.cell_network import CellNetwork, build_network
from zoo.networks.chain_network import ChainNetwork, build_chain
from zoo.spaces.genotype import ChainGenotype, Genotype, require_cells
from zoo.spaces.skeleton import Skeleton

Network = CellNetwork | ChainNetwork
"""What is trained, measured and kept: called with images, path dropout and its stream."""


def build_any(
    genotype: Genotype,
    skeleton: Skeleton,
    generator: torch.Generator,
    *,
    auxiliary: bool = False,
    stabilizers: bool = False,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Network:
    """The network of a genotype of cells or of a chain; see :func:`build_network`.

    Args:
        genotype: what to build.
        skeleton: what surrounds it.
        generator: of the initial weights.
        auxiliary: whether to build the auxiliary head of a network of cells.
        stabilizers: whether a chain's skips are kept as linear 1×1 convolutions.
        device: of the weights.
        dtype: of the weights.

    Raises:
        ValueError: for a supernet, or an auxiliary head on a chain.
    """
    if isinstance(genotype, ChainGenotype):
        if auxiliary:
            raise ValueError("a chain network has no auxiliary head; train it without one")
        return build_chain(genotype, skeleton, generator, stabilizers=stabilizers, device=device, dtype=dtype)
    cells = require_cells(genotype)
    return build_network(cells, skeleton, generator, auxiliary=auxiliary, device=device, dtype=dtype)
