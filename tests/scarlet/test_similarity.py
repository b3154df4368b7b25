"""Similarity of parallel choices: 1 where they are one, small where they are unrelated."""

import copy

import pytest
import torch

from scarlet.supernet.similarity import feature_similarity, mean_similarity


def test_equal_choices_are_alike_and_a_skip_that_copies_is_too(supernet):
    network = copy.deepcopy(supernet("nas-bench-macro"))
    x = torch.randn(5, 3, 8, 8, dtype=torch.float64)
    before = feature_similarity(network, x, [1] * 8)
    assert all(-1 <= value <= 1 for layer in before for value in (layer.blocks, layer.skip))
    layer = network.layers[3]
    layer[2] = layer[1]
    alike = feature_similarity(network, x, [1] * 8)
    assert alike[3].blocks == pytest.approx(1)
    assert before[3].blocks < 0.999
    assert alike[2] == before[2]
    layer[0] = layer[1]
    assert feature_similarity(network, x, [1] * 8)[3].skip == pytest.approx(1)
    assert mean_similarity(alike).blocks == pytest.approx(sum(each.blocks for each in alike) / 8)


def test_one_pair_by_hand(supernet):
    network = supernet("nas-bench-macro")
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        maps = [network.choice(0, choice)(network.stem(x)).flatten(1) for choice in (1, 2)]
    wanted = torch.nn.functional.cosine_similarity(*maps).mean().item()
    assert feature_similarity(network, x, [0] * 8)[0].blocks == pytest.approx(wanted)
