"""Which paths a step takes, by hand where they are known beforehand."""

import numpy as np
import pytest

from scarlet.supernet.rules import RULES, SamplingRule, ascending, sampling_rule
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts

S2 = ChainCosts(CHAINS["scarlet-s2-cifar"], 32, 10)
MACRO = ChainCosts(CHAINS["nas-bench-macro"], 32, 10)


def drawn(name, costs, steps):
    return sampling_rule(name).draw(np.random.default_rng(0), costs, steps)


def macs(paths, costs):
    return costs(paths.reshape(-1, paths.shape[-1]))[0].reshape(paths.shape[:-1])


def test_a_fair_step_uses_every_choice_of_every_layer_once():
    paths = drawn("fair", S2, 50)
    assert paths.shape == (50, 13, 19)
    assert (np.sort(paths, axis=1) == np.arange(13)[:, None]).all()
    assert len(np.unique(paths[:, 0, 0])) > 6  # permutations differ between steps
    assert (paths[0, :, 0] != paths[0, :, 1]).any()  # and between layers


def test_a_uniform_step_takes_one_path_and_all_choices_are_as_likely():
    paths = drawn("uniform", MACRO, 3000)
    assert paths.shape == (3000, 1, 8)
    counts = np.array([[(paths[:, 0, layer] == c).sum() for c in range(3)] for layer in range(8)])
    assert (abs(counts - 1000) < 150).all()


def test_a_sandwich_is_the_largest_the_smallest_and_two_random_paths():
    paths = drawn("sandwich", MACRO, 300)
    assert paths.shape == (300, 4, 8)
    largest, others = paths[:, 0], paths[:, 1:]
    assert (largest == 2).all()  # expansion 6, kernel 5
    assert (others[:, 0] == 0).all()  # the identity
    counts = np.array([[(others[:, 1:, layer] == c).sum() for c in range(3)] for layer in range(8)])
    assert (abs(counts - 200) < 60).all()


@pytest.mark.parametrize("costs", [S2, MACRO], ids=["s2", "macro"])
def test_a_sandwich_has_the_ends_of_its_space(costs):
    paths, rng = drawn("sandwich", costs, 1), np.random.default_rng(1)
    every, _ = costs(rng.integers(costs.choices, size=(5000, costs.layers)))
    ends = macs(paths, costs)[0]
    assert ends[0] >= every.max()
    assert ends[1] <= every.min()


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.ranks])
def test_where_a_rule_ranks_the_paths_after_its_teacher_ascend_in_macs(name):
    paths = drawn(name, MACRO, 50)
    assert (np.diff(macs(paths, MACRO)[:, RULES[name].distils :], axis=1) >= 0).all()


def test_fair_paths_in_another_order_are_still_fair():
    assert (ascending(drawn("fair", MACRO, 20), MACRO) == drawn("fair-ranked", MACRO, 20)).all()
    assert (np.sort(drawn("fair-ranked", MACRO, 20), axis=1) == np.arange(3)[:, None]).all()


def test_what_no_rule_can_be_is_refused():
    with pytest.raises(ValueError, match=r"expected fair, uniform, .* got 'greedy'"):
        sampling_rule("greedy")
    with pytest.raises(ValueError, match="a weight of at least 0, got -1"):
        SamplingRule(name="inverted", words="", draw=RULES["fair"].draw, ranks=-1.0)
