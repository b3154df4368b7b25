"""Genotypes as torch modules."""

from zoo.networks.cell_network import CellNetwork, build_network
from zoo.networks.chain_network import ChainNetwork, build_chain, scarlet_a, scarlet_b, scarlet_c
from zoo.networks.network import Network, build_any
from zoo.networks.profile import measured_cost

__all__ = [
    "CellNetwork",
    "ChainNetwork",
    "Network",
    "build_any",
    "build_chain",
    "build_network",
    "measured_cost",
    "scarlet_a",
    "scarlet_b",
    "scarlet_c",
]
