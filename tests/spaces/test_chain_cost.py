"""Costs of chains: published figures, a published table, and layer by layer against the plain sum."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zoo.spaces import Skeleton
from zoo.spaces.chain import CHAINS, Block
from zoo.spaces.chain_cost import ChainCosts, chain_cost, network_cost
from zoo.spaces.chain_space import SCARLET_S2
from zoo.spaces.genotype import ChainGenotype, SpaceGenotype

TABLE = Path(__file__).parents[2].parent / "shared" / "data" / "nas_bench_macro_cifar10.csv.gz"
S2 = CHAINS["scarlet-s2"]
# Published: Table 1 of Chu 2019 and its supplement's Table 2 (MACs; A's parameters)
A = "3-7,6-5|3-5,3-7S,6-3S,3-5S|6-3S,3-3,3-7S,3-7|3-5,3-7S,3-3,3-7S|6-3S,6-5S,3-3S,6-3S|6-7S"
B = "3-3S,3-5S|3-3S,6-7S,3-3,3-5|6-7S,3-3S,I,3-5|3-3S,3-3S,6-7S,3-3S|6-5S,6-5S,I,6-7S|6-5S"
C = "3-5S,3-3S|3-5S,I,I,3-3|6-7S,3-3S,3-3S,3-5|3-7S,3-7,3-3S,3-7S|3-3S,I,6-3S,6-7S|6-5S"


def millions(text):
    macs, params = ChainCosts(S2, 224, 1000)(np.array([S2.choices_of(text)]))
    return macs[0] / 1e6, params[0] / 1e6


@pytest.mark.parametrize(("text", "macs", "params"), [(A, 365, 6.7), (B, 327, 6.5), (C, 280, 6.1)])
def test_the_published_networks_cost_what_is_published(text, macs, params):
    got = millions(text)
    assert got[0] == pytest.approx(macs, abs=0.5)
    assert got[1] == pytest.approx(params, abs=0.05)


@pytest.mark.parametrize(("choice", "macs"), [("I", 23), ("6-7", 557), ("6-7S", 561)])
def test_chains_of_one_choice_cost_what_is_published(choice, macs):
    number = [None if what is None else str(what) for what in S2.choices].index(None if choice == "I" else choice)
    text = S2.text([number] * 19)
    assert millions(text)[0] == pytest.approx(macs, abs=0.5)


@pytest.mark.skipif(not TABLE.exists(), reason="the published table is not here")
def test_macro_costs_are_the_tables_for_every_chain():
    table = pd.read_csv(TABLE, dtype={"arch": str})
    macs, params = ChainCosts(CHAINS["nas-bench-macro"], 32, 10)(np.array([list(map(int, a)) for a in table["arch"]]))
    assert np.array_equal(macs, table["flops"])
    assert np.array_equal(params, table["params"])


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("resolution", [32, 30])
def test_a_population_costs_what_its_members_do(name, resolution):
    chain, rng = CHAINS[name].scaled(24), np.random.default_rng(0)
    population = rng.integers(len(chain.choices), size=(50, chain.starts[-1]))
    costs = ChainCosts(chain, resolution, 7, in_channels=1)
    before = population.copy()
    macs, params = costs(population)
    assert np.array_equal(population, before)
    for chosen, wanted in zip(population, zip(macs, params, strict=True), strict=True):
        price = costs.of(ChainGenotype(name, tuple(map(int, chosen))))
        assert (price.macs, price.params) == wanted


def test_a_skip_narrows_the_next_block_and_the_shorter_chain_costs_less():
    """One layer by hand: after a skip at the first layer, the second reads 16 channels instead of 32."""
    skip, block = S2.skip, S2.choices.index(Block(3, 5))
    costs = ChainCosts(S2, 224, 1000)
    with_skip = [skip, block] + [skip] * 17
    nothing = [skip] * 19
    macs, params = costs(np.array([with_skip, nothing]))
    hidden, pixels = 3 * 32, 56 * 56
    weights = 16 * hidden + 25 * hidden + hidden * 32
    wider_head = (32 - 16) * 1280
    assert macs[0] - macs[1] == weights * pixels + wider_head * 49
    assert params[0] - params[1] == weights + 2 * hidden * 2 + 2 * 32 + wider_head


def test_kept_stabilizers_are_counted():
    costs = [ChainCosts(S2, 224, 1000, stabilizers=kept)(np.full((1, 19), S2.skip)) for kept in (False, True)]
    sizes = [56, 56, 28, 28, 28, 28, *[14] * 8, *[7] * 5]
    widths = [16, *(plan.width for plan in S2.layers)]
    pairs = list(zip(widths[:-1], widths[1:], sizes, strict=True))
    assert costs[1][0] - costs[0][0] == sum(a * b * s * s for a, b, s in pairs) + (320 - 16) * 1280 * 49
    assert costs[1][1] - costs[0][1] == sum(a * b for a, b, _ in pairs) + (320 - 16) * 1280


def test_what_is_no_population_is_refused():
    costs = ChainCosts(S2, 224, 1000)
    for wrong in (np.zeros(19, int), np.zeros((2, 18), int), np.full((1, 19), 13), np.full((1, 19), -1)):
        with pytest.raises(ValueError, match="expected choices"):
            costs(wrong)


def test_a_genotype_and_a_skeleton_have_a_cost():
    skeleton = Skeleton(channels=32, cells=1, resolution=224, classes=1000)
    genotype = ChainGenotype(SCARLET_S2.name, SCARLET_S2.read(A))
    assert chain_cost(genotype, skeleton).macs == 365_307_392
    assert network_cost(genotype, skeleton) == chain_cost(genotype, skeleton)
    with pytest.raises(ValueError, match="a supernet of 'scarlet-s2'"):
        network_cost(SpaceGenotype("scarlet-s2"), skeleton)
    with pytest.raises(ValueError, match="unknown chain space 'nowhere'"):
        chain_cost(ChainGenotype("nowhere", (0,)), skeleton)


def test_texts_are_those_of_the_paper():
    assert SCARLET_S2.write(SCARLET_S2.read(A)) == A
    assert SCARLET_S2.read(B.replace(",", ", ").replace("|", " | ")) == SCARLET_S2.read(B)
    for wrong in ("", A.replace("3-7,", "", 1), A.replace("|", ",", 1), A.replace("6-5", "6-9", 1)):
        with pytest.raises(ValueError, match="is not a chain of 'scarlet-s2'"):
            SCARLET_S2.read(wrong)
