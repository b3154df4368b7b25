"""Baselines: as many MACs as another network, as nearly as whole channels can be."""

import dataclasses

import numpy as np
import pytest

from zoo.spaces import ECONAS_SEARCH, PUBLISHED, Skeleton
from zoo.spaces.baseline import FEWEST_CHANNELS, baseline_of
from zoo.spaces.chain_cost import chain_skeleton, network_cost
from zoo.spaces.chain_space import CHAIN_SPACES, PUBLISHED_CHAINS
from zoo.spaces.genotype import ChainGenotype

CELLS = Skeleton(channels=16, cells=8)
CHAINS = ["scarlet-s1", "scarlet-s2-cifar", "nas-bench-macro"]


def around(skeleton):
    return lambda channels: dataclasses.replace(skeleton, channels=channels)


def ratio(genotype, skeleton, channels, wanted):
    macs = network_cost(genotype, dataclasses.replace(skeleton, channels=channels)).macs
    return max(macs / wanted, wanted / macs)


def check_nearest(genotype, skeleton):
    """No other width is nearer; the costs grow with the width, so that the neighbours say it."""
    found = baseline_of(genotype, skeleton.channels, around(skeleton))
    wanted = network_cost(genotype, skeleton).macs
    own = ratio(found.genotype, skeleton, found.channels, wanted)
    for other in (found.channels - 1, found.channels + 1):
        if other >= FEWEST_CHANNELS:
            assert own <= ratio(found.genotype, skeleton, other, wanted)
    return found, own


@pytest.mark.parametrize("skeleton", [CELLS, Skeleton(channels=48, cells=14, resolution=224, form="imagenet")])
def test_cells_are_compared_with_darts_of_as_many_macs(skeleton):
    for number in range(8):
        found, apart = check_nearest(ECONAS_SEARCH.sample(np.random.default_rng(number)), skeleton)
        assert (found.name, found.genotype) == ("DARTS_V2", PUBLISHED["DARTS_V2"])
        assert apart < 1.15


@pytest.mark.parametrize("name", CHAINS)
def test_chains_are_compared_with_equal_blocks_of_as_many_macs(name):
    for number in range(4):
        drawn = CHAIN_SPACES[name].sample(np.random.default_rng(number))
        found, apart = check_nearest(drawn, chain_skeleton(name))
        assert len(set(found.genotype.choices)) == 1
        assert apart < 1.1


def test_the_blocks_are_mobilenets():
    found, _ = check_nearest(PUBLISHED_CHAINS["SCARLET_A"], chain_skeleton("scarlet-s2"))
    assert found.name == "MobileNetV2's blocks (6-3)"
    assert CHAIN_SPACES["scarlet-s2"].write(found.genotype.choices).startswith("6-3,6-3|6-3")


def test_a_network_is_its_own_baseline():
    found = baseline_of(PUBLISHED["DARTS_V2"], 16, around(CELLS))
    assert (found.genotype, found.channels) == (PUBLISHED["DARTS_V2"], 16)


def test_a_network_that_is_too_cheap_is_compared_with_the_narrowest():
    skips = CHAIN_SPACES["nas-bench-macro"].read("00000000")
    narrow = dataclasses.replace(chain_skeleton("nas-bench-macro"), channels=1)
    found = baseline_of(ChainGenotype("nas-bench-macro", skips), 1, around(narrow))
    assert found.channels == FEWEST_CHANNELS


def test_a_space_whose_networks_are_not_built_has_none():
    cell = ChainGenotype("nas-bench-201", (0,) * 6)
    with pytest.raises(ValueError, match="unknown chain space"):
        baseline_of(cell, 16, around(CELLS))
