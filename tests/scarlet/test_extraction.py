"""Extraction: exact where the theorem applies, listed and measured where it does not, and free of the supernet."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scarlet.extraction.extraction import extract
from scarlet.supernet.supernet import PlainSkip
from zoo.networks import build_chain
from zoo.networks.chain_network import ChainNetwork
from zoo.spaces.chain_cost import chain_cost

EXACT = 1e-12


@pytest.fixture(scope="module")
def nets(supernet):
    return {
        (space, stabilizers): supernet(space, stabilizers=stabilizers)
        for space in ("scarlet-s1-cifar", "scarlet-s2-cifar", "nas-bench-macro")
        for stabilizers in (True, False)
    }


def drawn(network, seed, skips):
    rng, chain = np.random.default_rng(seed), network.chain
    path = rng.integers(len(chain.choices), size=chain.starts[-1])
    return np.where(rng.random(len(path)) < skips, chain.skip, path).tolist()


def expected_inexact(network, path):
    """From the theorem: blocks with a shortcut right behind a run of skips that does anything."""
    chain, found, touched, width = network.chain, [], False, network.chain.entry
    for layer, (choice, plan) in enumerate(zip(path, chain.layers, strict=True)):
        if choice == chain.skip and not (chain.projecting and not plan.keeps_shape):
            touched |= network.form.stabilizers or plan.width != width
            continue
        if touched and plan.keeps_shape and choice != chain.skip:
            found.append(layer)
        touched, width = False, plan.width
    return found


@given(
    space=st.sampled_from(["scarlet-s1-cifar", "scarlet-s2-cifar", "nas-bench-macro"]),
    stabilizers=st.booleans(),
    seed=st.integers(0, 10_000),
    skips=st.sampled_from([0.1, 0.4, 0.8, 1.0]),
)
@settings(max_examples=15, deadline=None)
def test_folding_is_exact_where_the_theorem_applies(nets, space, stabilizers, seed, skips):
    network = nets[space, stabilizers]
    path = drawn(network, seed, skips)
    result = extract(network, path)
    assert [layer.layer for layer in result.inexact] == expected_inexact(network, path)
    assert all(layer.deviation <= EXACT for layer in result.proof if layer.exact)
    assert all(layer.deviation > 1e-6 for layer in result.inexact)
    for layer in result.proof:  # what was done where the theorem does not apply
        kept = not layer.exact and result.network.layers[layer.layer].shortcut
        assert layer.shortcut == ("" if layer.exact else "carries the input" if kept else "left out")
    assert sum(layer.folded for layer in result.proof) == sum(type(m).__name__ == "Skip" for m in result.network.layers)
    if not result.inexact:
        assert result.deviation <= EXACT


@given(stabilizers=st.booleans(), seed=st.integers(0, 10_000), skips=st.sampled_from([0.3, 1.0]))
@settings(max_examples=10, deadline=None)
def test_kept_stabilizers_are_always_exact_and_cost_what_they_cost(nets, stabilizers, seed, skips):
    network = nets["scarlet-s2-cifar", stabilizers]
    path = drawn(network, seed, skips)
    result = extract(network, path, keep_stabilizers=True)
    assert not result.inexact
    assert result.deviation <= EXACT
    counted = sum(parameter.numel() for parameter in result.network.parameters())
    assert counted == chain_cost(result.network.genotype, network.skeleton, stabilizers=True).params


def test_a_skip_of_every_stage_start_and_trailing_skips_are_exact(nets):
    """Stage starts have no shortcut: whatever is skipped right before one folds exactly, strides included."""
    network = nets["scarlet-s2-cifar", True]
    chain = network.chain
    path = [0] * 19
    for start in chain.starts[1:]:
        path[start - 1] = chain.skip
    result = extract(network, path)
    assert result.deviation <= EXACT
    assert [layer.folded for layer in result.proof if layer.folded] == [1, 1, 1, 1, 2]  # the last two end the chain
    everything = extract(network, [chain.skip] * 19)
    assert everything.deviation <= EXACT
    assert everything.proof[-1].folded == 19


def test_an_extracted_network_is_a_plain_one(nets):
    network = copy.deepcopy(nets["scarlet-s2-cifar", True])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    path = drawn(network, 5, 0.3)
    result = extract(network, path)
    assert type(result.network) is ChainNetwork
    fresh = build_chain(result.network.genotype, network.skeleton, torch.Generator(), dtype=torch.float64)
    fresh.load_state_dict(result.network.state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()  # its weights are its own
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    assert torch.allclose(fresh.eval()(x), result.network(x), rtol=1e-9, atol=1e-12)


def test_in_float32_the_proof_is_still_of_the_maths(supernet):
    network = supernet(dtype=torch.float32)
    path = [0] * 19
    path[-1] = network.chain.skip
    result = extract(network, path)
    assert result.deviation <= EXACT
    assert result.network.classifier.weight.dtype == torch.float32
    x = torch.randn(2, 3, 8, 8)
    assert torch.allclose(result.network(x), network(x, path), atol=1e-4)


def test_a_forgotten_stride_would_be_seen(nets):
    """The proof itself can fail: a skip that takes other pixels is found."""
    network = copy.deepcopy(nets["scarlet-s2-cifar", False])
    start = 6  # the first layer of a stage with a stride
    skip = network.choice(start, network.chain.skip)
    assert isinstance(skip, PlainSkip)
    assert skip.stride == 2
    skip.forward = lambda x: PlainSkip.forward(skip, x.roll(1, dims=3))  # type: ignore[method-assign]
    path = [0] * 19
    path[start] = network.chain.skip
    proof = extract(network, path).proof
    assert max(layer.deviation for layer in proof) > 1e-3


def test_paths_of_another_space_are_refused(nets):
    with pytest.raises(ValueError, match="not of the space"):
        extract(nets["scarlet-s2-cifar", True], [0] * 18)
