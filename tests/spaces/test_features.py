"""Features of genotypes: paths by hand, and what every space says of its own."""

import numpy as np
import pytest

from zoo.spaces import CELL_SPACES
from zoo.spaces.chain_space import CHAIN_SPACES, NAS_BENCH_201, NAS_BENCH_MACRO
from zoo.spaces.features import Featured, path_features
from zoo.spaces.genotype import ChainGenotype

SPACES = [*CELL_SPACES.values(), *CHAIN_SPACES.values()]


def paths(text):
    genotype = ChainGenotype("nas-bench-201", NAS_BENCH_201.read(text))
    return {name: n for name, n in NAS_BENCH_201.features(genotype).items() if name.startswith("path")}


def test_paths_of_a_cell_by_hand():
    text = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    assert paths(text) == {
        "path": 1,  # the skip from input to output
        "path > nor_conv_1x1 > avg_pool_3x3": 1,
        "path > nor_conv_3x3 > avg_pool_3x3": 1,  # through the skip from 1 to 2
    }


def test_two_paths_that_do_the_same_count_twice():
    text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|"
    assert paths(text) == {"path > nor_conv_3x3": 2}


def test_a_cell_of_nothing_has_no_path():
    assert paths("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|") == {}


def test_paths_of_several_inputs_begin_with_their_number():
    edges = {2: [(0, "a"), (1, "skip_connect")], 3: [(2, "b"), (0, "none")]}
    assert path_features(edges, 2, (2, 3)) == {"from 0 > a": 1, "from 1": 1, "from 0 > a > b": 1, "from 1 > b": 1}


def test_a_chain_has_its_choices_and_their_counts():
    found = NAS_BENCH_MACRO.features(ChainGenotype("nas-bench-macro", (0, 1, 1, 2, 1, 1, 1, 1)))
    assert found["choice 1"] == 6
    assert (found["place 0: 0"], found["place 3: 2"]) == (1, 1)
    assert "place 0: 1" not in found


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_every_space_has_features_that_tell_its_genotypes_apart(space):
    assert isinstance(space, Featured)
    rng = np.random.default_rng(0)
    for _ in range(20):
        genotype = space.sample(rng)
        found = space.features(genotype)
        assert all(isinstance(value, float) and value > 0 for value in found.values())
        assert space.features(space.mutate(genotype, rng)) != found


def test_a_genotype_of_another_space_is_refused():
    with pytest.raises(ValueError, match="not of the space"):
        NAS_BENCH_201.features(NAS_BENCH_MACRO.sample(np.random.default_rng(0)))
