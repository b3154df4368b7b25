"""Scores that are counted on the architecture alone."""

import subprocess
import sys
from dataclasses import replace

import pytest

from zoo.scores import SCORES
from zoo.scores.counts import depth, macs, params
from zoo.spaces import PUBLISHED, Cell, CellGenotype, Edge, Skeleton, cost
from zoo.spaces.chain_cost import chain_cost, chain_skeleton
from zoo.spaces.chain_space import PUBLISHED_CHAINS
from zoo.spaces.genotype import ChainGenotype, SpaceGenotype

THREE = Skeleton(cells=3)  # normal, reduction, reduction


def genotype(normal, reduction=None):
    """Cells of one node per entry, an entry being (operation, source) pairs; the last node is the output."""
    made = [
        Cell(tuple(tuple(Edge(*edge) for edge in node) for node in nodes), (len(nodes) + 1,))
        for nodes in (normal, reduction or normal)
    ]
    return CellGenotype(*made)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([[("sep_conv_3x3", 1)]], 3),  # one each
        ([[("sep_conv_3x3", 0)]], 2),  # past every second cell
        ([[("sep_conv_3x3", 1), ("max_pool_3x3", 0)], [("conv_3x3", 2), ("none", 1)]], 6),
        ([[("avg_pool_3x3", 1)]], 0),
        ([[("skip_connect", 1)]], 2),  # has weights where it has a stride: in both reduction cells
        ([[("sep_conv_3x3", 1)], [("skip_connect", 2)]], 3),  # no stride between nodes
        ([[("none", 1)]], 0),
        ([[("none", 1)], [("sep_conv_3x3", 2), ("skip_connect", 1)]], 2),  # what reads nothing is no path
        ([[("sep_conv_3x3", 1)], [("skip_connect", 1)]], 2),  # nobody reads the longer one
    ],
)
def test_the_depth_of_cells_is_that_of_the_longest_path(nodes, expected):
    assert depth(genotype(nodes), THREE) == expected


def test_normal_and_reduction_cells_count_apart():
    made = genotype([[("max_pool_3x3", 1)]], [[("conv_3x3", 1)], [("conv_3x3", 2)]])
    assert depth(made, THREE) == 4
    assert depth(made, Skeleton(cells=20)) == 4
    assert depth(PUBLISHED["DARTS_V2"], Skeleton(cells=20)) > 20


def test_the_depth_of_a_chain_is_its_layers_with_weights():
    skeleton = chain_skeleton("nas-bench-macro")
    # eight layers, of which the 1st, 3rd and 6th change the shape: their identity is a 1×1 convolution
    assert depth(ChainGenotype("nas-bench-macro", (0,) * 8), skeleton) == 3
    assert depth(ChainGenotype("nas-bench-macro", (1, 0, 2, 0, 1, 0, 0, 0)), skeleton) == 4
    scarlet_b = PUBLISHED_CHAINS["SCARLET_B"]  # two skips in 19 layers, which cost nothing
    assert depth(scarlet_b, chain_skeleton(scarlet_b.space)) == 17


def test_macs_and_parameters_are_the_closed_form():
    cells, chain = PUBLISHED["DARTS_V1"], ChainGenotype("nas-bench-macro", (1,) * 8)
    small = replace(chain_skeleton("nas-bench-macro"), channels=8)
    for made, price in ((cells, cost(cells, THREE)), (chain, chain_cost(chain, small))):
        skeleton = THREE if made is cells else small
        assert (macs(made, skeleton), params(made, skeleton)) == (price.macs, price.params)
        assert SCORES["macs"].counted(made, skeleton) == price.macs


@pytest.mark.parametrize("score", ["macs", "params", "depth"])
def test_what_is_no_network_is_refused(score):
    for made in (SpaceGenotype("darts"), ChainGenotype("nas-bench-201", (1,) * 6)):
        with pytest.raises(ValueError, match=r"supernet|unknown chain space 'nas-bench-201'"):
            SCORES[score].counted(made, THREE)


def test_scores_are_listed_and_counted_without_torch():
    code = (
        "import sys; from zoo.scores import find_score; from zoo.spaces import PUBLISHED, Skeleton\n"
        "print(find_score('depth').counted(PUBLISHED['DARTS_V1'], Skeleton()) > 0, find_score('zico').needs)\n"
        "print(sorted({'torch', 'pandas', 'scipy', 'ray'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["True 2 mini-batches of images with labels", "[]"]
