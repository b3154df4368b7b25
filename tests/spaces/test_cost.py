"""Closed-form cost: by hand, by the literature, and by counting on the network that is built."""

import numpy as np
import pytest
import torch

from zoo.networks.cell_network import build_network
from zoo.networks.profile import measured_cost
from zoo.spaces import CELL_SPACES, OPERATIONS, PUBLISHED, Cell, CellGenotype, Cost, Edge, Skeleton, cost
from zoo.spaces.cost import MOST_NODES, cost_table

# 4 channels, 8 px. A norm has 2 parameters per channel. By hand:
BY_HAND = {
    ("none", 1): Cost(0, 0),
    ("none", 2): Cost(0, 0),
    ("skip_connect", 1): Cost(0, 0),
    ("skip_connect", 2): Cost(16 * 16, 16 + 8),  # two 1×1 convolutions, 4 → 2 each, on 4×4
    ("avg_pool_3x3", 2): Cost(0, 0),
    ("max_pool_7x7", 1): Cost(0, 0),
    ("conv_1x1", 1): Cost(16 * 64, 16 + 8),
    ("conv_3x3", 1): Cost(9 * 16 * 64, 9 * 16 + 8),
    ("conv_3x3", 2): Cost(9 * 16 * 16, 9 * 16 + 8),
    ("sep_conv_3x3", 1): Cost(2 * (36 + 16) * 64, 2 * (36 + 16 + 8)),
    ("sep_conv_3x3", 2): Cost(2 * (36 + 16) * 16, 2 * (36 + 16 + 8)),  # the stride is in the first half
    ("sep_conv_7x7", 1): Cost(2 * (196 + 16) * 64, 2 * (196 + 16 + 8)),
    ("dil_conv_3x3", 1): Cost((36 + 16) * 64, 36 + 16 + 8),
    ("dil_conv_5x5", 2): Cost((100 + 16) * 16, 100 + 16 + 8),
    ("conv_1x7_7x1", 1): Cost(2 * 7 * 16 * 64, 2 * 7 * 16 + 8),
    ("conv_1x7_7x1", 2): Cost(7 * 16 * 32 + 7 * 16 * 16, 2 * 7 * 16 + 8),  # first 8×4, then 4×4
    ("conv_1x3_3x1", 2): Cost(3 * 16 * 32 + 3 * 16 * 16, 2 * 3 * 16 + 8),
}


@pytest.mark.parametrize(("place", "expected"), BY_HAND.items(), ids=map(str, BY_HAND))
def test_operations_by_hand(place: tuple[str, int], expected: Cost) -> None:
    name, stride = place
    assert OPERATIONS[name].cost(4, 8, stride) == expected


def test_a_network_by_hand() -> None:
    """One reduction cell of one node on 4×4 grey pixels: stem 1 → 6, both inputs 6 → 4, conv 3×3 stride 2."""
    cell = Cell(((Edge("conv_3x3", 1),),), (2,))
    small = Skeleton(channels=2, cells=1, resolution=4, in_channels=1, classes=3)
    stem = Cost(9 * 6 * 16, 9 * 6 + 12)
    inputs = Cost(2 * 24 * 16, 2 * (24 + 8))
    node = Cost(9 * 16 * 4, 9 * 16 + 8)
    classifier = Cost(4 * 3, 4 * 3 + 3)
    assert cost(CellGenotype(cell, cell), small) == stem + inputs + node + classifier


@pytest.mark.parametrize(("name", "params"), [("DARTS_V1", 3_169_414), ("DARTS_V2", 3_349_342)])
def test_published_darts_counts(name: str, params: int) -> None:
    """Counted by the authors' own code at 36 channels, 20 cells, 10 classes, without the auxiliary head."""
    assert cost(PUBLISHED[name], Skeleton()).params == params


def test_published_pc_darts_count() -> None:
    """3.63 M in Table 1 of Xu et al. 2020."""
    assert round(cost(PUBLISHED["PC_DARTS"], Skeleton()).params / 1e6, 2) == 3.63


def test_published_imagenet_count() -> None:
    """4.7 M in Table 3 of Liu et al. 2019; 4.718752 M counted by the authors' code at 48 channels, 14 cells."""
    skeleton = Skeleton(channels=48, cells=14, resolution=224, classes=1000, form="imagenet")
    assert cost(PUBLISHED["DARTS_V2"], skeleton).params == 4_718_752


def random_skeleton(rng: np.random.Generator) -> Skeleton:
    imagenet = rng.random() < 0.3
    return Skeleton(
        channels=int(rng.integers(2 if imagenet else 1, 10)),
        cells=int(rng.integers(1, 4)),
        resolution=int(rng.choice([32, 64] if imagenet else [4, 8, 12, 20])),
        in_channels=int(rng.choice([1, 3])),
        classes=int(rng.integers(2, 12)),
        form="imagenet" if imagenet else "cifar",
        stem_multiplier=int(rng.integers(1, 4)),
    )


def counted(genotype: CellGenotype, skeleton: Skeleton) -> Cost:
    """By torch's flop counter on the built network."""
    network = build_network(genotype, skeleton, torch.Generator().manual_seed(0))
    return measured_cost(network, skeleton.in_channels, skeleton.resolution)


@pytest.mark.parametrize("seeds", [range(24), pytest.param(range(24, 200), marks=pytest.mark.slow)], ids=len)
def test_equals_counting_on_built_networks(seeds: range) -> None:
    spaces = list(CELL_SPACES.values())
    for seed in seeds:
        rng = np.random.default_rng(seed)
        genotype, skeleton = spaces[seed % 3].sample(rng), random_skeleton(rng)
        assert cost(genotype, skeleton) == counted(genotype, skeleton), skeleton


@pytest.mark.parametrize("name", PUBLISHED)
def test_equals_counting_on_published_cells(name: str) -> None:
    skeleton = Skeleton(channels=5, cells=5, resolution=16)
    assert cost(PUBLISHED[name], skeleton) == counted(PUBLISHED[name], skeleton)


def test_the_auxiliary_head_is_not_counted() -> None:
    skeleton = Skeleton(channels=2, cells=3, resolution=8)
    network = build_network(PUBLISHED["DARTS_V1"], skeleton, torch.Generator().manual_seed(0), auxiliary=True)
    assert measured_cost(network, 3, 8) == cost(PUBLISHED["DARTS_V1"], skeleton)


@pytest.mark.parametrize("form", ["cifar", "imagenet"])
def test_a_population_costs_what_its_genotypes_cost(form: str) -> None:
    """Of mixed spaces, so that rows are filled up; against counting, so that no table checks itself."""
    skeleton = Skeleton(channels=4, cells=4, resolution=32, classes=7, form=form)  # type: ignore[arg-type]
    genotypes = [space.sample(np.random.default_rng(seed)) for space in CELL_SPACES.values() for seed in range(2)]
    table = cost_table(skeleton)
    codes = table.encode(genotypes)
    counted = [
        measured_cost(build_network(genotype, skeleton, torch.Generator().manual_seed(0)), 3, 32)
        for genotype in genotypes
    ]
    assert table.macs(codes).tolist() == [price.macs for price in counted]
    assert table.params(codes).tolist() == [price.params for price in counted]


def test_an_encoded_genotype_has_a_largest_size() -> None:
    nodes = tuple((Edge("skip_connect", 0),) for _ in range(MOST_NODES + 1))
    cell = Cell(nodes, tuple(range(2, 3 + MOST_NODES)))
    with pytest.raises(ValueError, match="at most 8 nodes, got 9"):
        cost_table(Skeleton()).encode([CellGenotype(cell, cell)])
