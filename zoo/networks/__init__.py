"""Genotypes as torch modules."""

from zoo.networks.cell_network import CellNetwork, build_network
from zoo.networks.profile import measured_cost

__all__ = ["CellNetwork", "build_network", "measured_cost"]
