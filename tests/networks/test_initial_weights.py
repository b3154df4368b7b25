"""Initial weights: from the given generator alone, distributed as torch's defaults."""

from math import sqrt

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import nn

from zoo.networks import build_network, measured_cost
from zoo.networks.cell_network import CellNetwork
from zoo.spaces import PUBLISHED, Skeleton, cost

GENOTYPE = PUBLISHED["AMOEBANET_A"]
SKELETON = Skeleton(channels=8, cells=3, resolution=8)


def built(seed: int, dtype: torch.dtype = torch.float32) -> CellNetwork:
    return build_network(GENOTYPE, SKELETON, torch.Generator().manual_seed(seed), auxiliary=True, dtype=dtype)


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def weighted(network: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    return {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


def test_weights_depend_on_the_generator_only() -> None:
    torch.manual_seed(1)
    first = built(0)
    torch.manual_seed(2)
    assert same(first, built(0))
    assert not same(first, built(1))


def test_the_global_random_states_are_not_touched() -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    built(0)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()


def test_every_dtype_starts_from_the_same_weights() -> None:
    for a, b in zip(built(0).parameters(), built(0, torch.float64).parameters(), strict=True):
        assert torch.equal(a.double(), b)


def test_no_two_layers_share_their_draws() -> None:
    firsts = [layer.weight.flatten()[:4].tolist() for layer in weighted(built(0)).values()]
    assert len({tuple(values) for values in firsts}) == len(firsts)


def test_distributions_are_torchs_defaults() -> None:
    """Against a network built by torch's own constructors: the same spread layer by layer, the same bounds."""
    torch.manual_seed(0)
    defaults = weighted(CellNetwork(GENOTYPE, SKELETON, auxiliary=True))
    ours = weighted(built(0))
    assert defaults.keys() == ours.keys()
    for name, layer in ours.items():
        for own, other in ((layer.weight, defaults[name].weight), (layer.bias, defaults[name].bias)):
            if own is None or other is None:
                assert own is other, name
                continue
            bound = 1 / sqrt(layer.weight[0].numel())
            assert own.abs().max() <= bound
            assert other.abs().max() <= bound * (1 + 1e-6)
            if own.numel() >= 200:  # the standard deviation of n uniform numbers is known to 0.45 σ/√n
                error = 6 * 0.45 * sqrt(2 / own.numel()) * bound / sqrt(3)
                assert abs(own.std() - other.std()) < error, name


def test_scaled_weights_are_uniform() -> None:
    scaled = [m.weight.flatten() * sqrt(m.weight[0].numel()) for m in weighted(built(0)).values()]
    values = torch.cat(scaled).detach().double().numpy()
    assert kstest(values, "uniform", args=(-1, 2)).pvalue > 1e-6


def test_norms_start_as_the_identity() -> None:
    for module in built(0).modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()
            assert (module.running_mean == 0).all()
            assert (module.running_var == 1).all()
            assert module.num_batches_tracked == 0


def test_one_channel_builds_without_a_warning() -> None:
    """Half of a factorized reduce has no channels then, which torch's own initialisation warns about."""
    skeleton = Skeleton(channels=1, cells=4, resolution=8)
    network = build_network(GENOTYPE, skeleton, torch.Generator().manual_seed(0))
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("training", [True, False])
def test_counting_leaves_the_network_as_it_was(training: bool) -> None:
    network = built(0).train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert measured_cost(network, 3, 8) == cost(GENOTYPE, SKELETON)
    assert network.training == training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
