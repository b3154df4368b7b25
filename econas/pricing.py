"""The price of an epoch at a setting, in epochs of the setting that a search counts in."""

from collections.abc import Callable

import numpy as np

from zoo.population.proxy import ProxySetting
from zoo.purposes import PRICED_NETWORKS
from zoo.spaces.cell_space import CellSpace
from zoo.spaces.genotype import CellGenotype

SAMPLE = 16
"""Random networks over which a setting's price is averaged."""


class Pricing:
    """Says what an epoch at a setting costs, averaged over random networks.

    Args:
        space: of the networks.
        base: setting whose epochs are counted.
        epoch_price: price of an epoch of a network at a setting, in whatever unit.
    """

    def __init__(
        self, space: CellSpace, base: ProxySetting, epoch_price: Callable[[CellGenotype, ProxySetting], float]
    ) -> None:
        self._networks = [space.sample(np.random.default_rng((number, PRICED_NETWORKS))) for number in range(SAMPLE)]
        self._epoch_price = epoch_price
        self._base = self._total(base)

    def __call__(self, setting: ProxySetting) -> float:
        """Epochs of the base that an epoch at ``setting`` costs."""
        return round(self._total(setting) / self._base, 4)

    def _total(self, setting: ProxySetting) -> float:
        return sum(self._epoch_price(network, setting) for network in self._networks)
