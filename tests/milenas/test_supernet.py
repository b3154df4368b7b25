"""The supernet against a plain one written edge by edge, its parameters, sampling, and the cells it can become."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmarks.darts_step import PlainSupernet, plain_first
from milenas.strategy.size import channels_for, check_params, final_skeleton
from milenas.supernet.config import DARTS_OPERATIONS, KINDS, SupernetConfig
from milenas.supernet.derivation import derive_cell
from milenas.supernet.operations import Norm
from milenas.supernet.supernet import Supernet, build_supernet
from milenas.supernet.topology import Topology
from tests import added_operation
from tests.cells import STRETCHED
from zoo.networks import build_network, measured_cost
from zoo.spaces import DARTS, OPERATIONS, PUBLISHED, CellGenotype, Operation, Skeleton, cost

SKELETON = Skeleton(channels=4, cells=4, resolution=8, classes=3)


def build(dtype=torch.float32, shape=None, **options):
    return build_supernet(shape or SupernetConfig(), SKELETON, torch.Generator().manual_seed(0), dtype=dtype, **options)


def batch(dtype, seed=1, count=6):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(count, 3, 8, 8, generator=generator, dtype=torch.float64).to(dtype)
    return pixels.contiguous(memory_format=torch.channels_last), torch.randint(3, (count,), generator=generator)


# float32 in channels-last maps: where torch's batch normalisation reads past a weight that is not laid out
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-3)])
def test_a_supernet_is_what_a_loop_over_operations_computes(dtype, tolerance):
    net = build(dtype).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for alpha in net.alphas():
            alpha.normal_(0, 1, generator=torch.Generator().manual_seed(4))
    plain = PlainSupernet(net).to(dtype).to(memory_format=torch.channels_last)
    pixels, labels = batch(dtype)
    torch.testing.assert_close(net(pixels), plain(pixels), rtol=tolerance, atol=tolerance)
    wanted = plain_first(plain, (pixels, labels), (pixels, labels))
    loss = functional.cross_entropy(net(pixels), labels)
    found = torch.autograd.grad(loss, [*net.alphas(), *net.weights()], allow_unused=True)
    for slope, reference in zip(found, wanted, strict=False):
        assert float((slope - reference).norm()) < tolerance * float(reference.norm())
    ours = sorted(float(slope.norm()) for slope in found[2:] if slope is not None)
    theirs = sorted(float(p.grad.norm()) for p in plain.weights() if p.grad is not None)
    np.testing.assert_allclose(ours, theirs, rtol=100 * tolerance, atol=tolerance)


def test_alpha_and_beta_are_registered_and_apart_from_w():
    net = build(shape=SupernetConfig(topology="stretchable", operations=("skip_connect", "conv_1x1")))
    names = {name for name, _ in net.named_parameters()}
    assert {"alpha_normal", "alpha_reduction", "beta_normal", "beta_reduction"} <= names
    assert {"alpha_normal", "beta_reduction"} <= set(net.state_dict())
    apart, weights = {id(p) for p in net.architecture()}, {id(p) for p in net.weights()}
    assert not apart & weights
    assert len(apart | weights) == len(list(net.parameters()))
    assert float(net.alpha_normal.detach().std()) == pytest.approx(1e-3, rel=0.7)


def test_statistics_follow_only_where_they_are_to():
    net = build()
    norms = [module for module in net.modules() if isinstance(module, Norm)]
    net.track(False)
    net(batch(torch.float32)[0])
    assert all(not norm.mean.any() for norm in norms)
    assert not net.stem[1].running_mean.any()
    net.track(True)
    net(batch(torch.float32)[0])
    assert all(norm.mean.any() for norm in norms)
    net.eval()
    before = [norm.mean.clone() for norm in norms]
    net(batch(torch.float32, seed=5)[0])
    assert all(torch.equal(norm.mean, mean) for norm, mean in zip(norms, before, strict=True))


def test_sampling_computes_one_operation_per_edge_with_gradients_for_all_logits():
    net = build(torch.float64)
    generator = torch.Generator().manual_seed(2)
    noise = {kind: -torch.log(-torch.log(torch.rand(net.alpha(kind).shape, generator=generator))) for kind in KINDS}
    noise = {kind: values.double() for kind, values in noise.items()}
    mixing = net.sampled(noise, temperature=5.0)
    for kind in KINDS:
        drawn = (net.alpha(kind).log_softmax(1) + noise[kind]).argmax(1)
        assert mixing[kind].computed == [[int(place)] for place in drawn]
        assert mixing[kind].weights.detach().gather(1, drawn[:, None]).eq(1).all()
    pixels, labels = batch(torch.float64)
    slopes = torch.autograd.grad(
        functional.cross_entropy(net(pixels, mixing), labels), [*net.alphas(), *net.weights()], allow_unused=True
    )
    assert slopes[0].abs().sum() > 0
    assert sum(slope is None for slope in slopes[2:]) > len(slopes) / 2  # what was not drawn


def test_the_share_of_draws_is_the_softmax():
    net = build(torch.float64)
    with torch.no_grad():
        net.alpha_normal.copy_(torch.arange(8.0).expand(14, 8) / 4)
    rng, counts = np.random.default_rng(0), torch.zeros(8)
    for _ in range(400):
        noise = {kind: torch.from_numpy(rng.gumbel(size=(14, 8))) for kind in KINDS}
        for (place,) in net.sampled(noise, 1.0)["normal"].computed:
            counts[place] += 1
    shares = net.alpha_normal.detach()[0].softmax(0)
    spread = (shares * (1 - shares) / counts.sum()).sqrt()
    assert ((counts / counts.sum() - shares).abs() < 5 * spread).all()


def test_a_discrete_supernet_is_measured_by_its_strongest_operations():
    net = build(discrete=True).eval()
    pixels, _ = batch(torch.float32)
    torch.testing.assert_close(net(pixels), net(pixels, net.sampled(None)))
    assert not torch.allclose(net(pixels), net(pixels, net.mixed()))


def test_equal_seeds_build_equal_supernets_and_nothing_global_moves():
    state = torch.get_rng_state()
    first, second = build(), build()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_seed_gives_the_numbers_it_always_gave():
    """Sums of absolute weights, α and β, and single numbers, recorded before the house's networks shared one start."""
    shape = SupernetConfig(topology="outputs", operations=("skip_connect", "sep_conv_3x3", "avg_pool_3x3"))
    net = build(torch.float64, shape)
    sums = [float(sum(p.detach().abs().sum() for p in group)) for group in (net.weights(), net.alphas(), net.betas())]
    assert sums == pytest.approx([4391.798737788255, 0.0661353755131131, 0.02716687622069003], rel=1e-5)
    assert float(net.classifier.bias[0].detach()) == pytest.approx(0.11161208152770996, rel=1e-5)
    assert float(net.alpha_normal[0, 0].detach()) == pytest.approx(-0.0019653020426630974, rel=1e-5)
    assert all(not norm.mean.any() and norm.variance.eq(1).all() for norm in net.modules() if isinstance(norm, Norm))


def test_only_the_cifar_form():
    with pytest.raises(ValueError, match="cifar form"):
        Supernet(SupernetConfig(), Skeleton(form="imagenet", resolution=32, cells=4))


# ---------------------------------------------------------------- what it becomes


def test_darts_cells_are_of_the_darts_space():
    for seed in range(2):
        net = build_supernet(SupernetConfig(), SKELETON, torch.Generator().manual_seed(seed))
        assert DARTS.contains(net.derive())


def test_every_random_stretchable_derivation_builds():
    topology = Topology("stretchable", 4)
    operations = DARTS_OPERATIONS[1:]
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        cells = [
            derive_cell(
                topology,
                operations,
                torch.randn(len(topology.edges), len(operations), generator=generator),
                torch.randn(sum(topology.sizes), generator=generator),
                2,
            )
            for _ in KINDS
        ]
        genotype = CellGenotype(*cells)
        network = build_network(genotype, SKELETON, torch.Generator().manual_seed(0))
        assert measured_cost(network, 3, 8) == cost(genotype, SKELETON)


def test_the_published_size_of_darts_v2():
    assert cost(PUBLISHED["DARTS_V2"], Skeleton()).params == 3_349_342


@pytest.mark.parametrize("layers", [8, 12, 16])
def test_channels_reach_a_wanted_number_of_parameters(layers):
    for genotype in (PUBLISHED["DARTS_V2"], STRETCHED):
        skeleton = final_skeleton(genotype, Skeleton(cells=layers), 3.3e6)
        assert cost(genotype, skeleton).params == pytest.approx(3.3e6, rel=0.03)
        less, more = (cost(genotype, Skeleton(cells=layers, channels=skeleton.channels + d)).params for d in (-1, 1))
        found = cost(genotype, skeleton).params
        assert abs(found - 3.3e6) <= min(abs(less - 3.3e6), abs(more - 3.3e6))
    with pytest.raises(ValueError, match="no number of channels"):
        channels_for(STRETCHED, Skeleton(cells=layers), 10)
    assert final_skeleton(STRETCHED, Skeleton(cells=layers), 10).channels == 1  # a search goes on


@pytest.mark.parametrize("topology", ["fixed", "stretchable"])
@pytest.mark.parametrize("params", [10, 1e15])
def test_parameters_that_no_cell_can_have_are_refused_before_a_search(topology, params):
    shape = SupernetConfig(topology=topology, operations=DARTS_OPERATIONS[1:])
    check_params(shape, Skeleton(), 3.3e6)
    with pytest.raises(ValueError, match="as the number wanted"):
        check_params(shape, Skeleton(), params)


def test_an_added_operation_is_mixed_where_a_relu_and_a_normalisation_frame_it(monkeypatch):
    added_operation.install(monkeypatch)
    skeleton = Skeleton(channels=4, cells=3, resolution=8)
    config = SupernetConfig(operations=("skip_connect", added_operation.NAME), nodes=4)
    network = build_supernet(config, skeleton, torch.Generator().manual_seed(0))
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 10)
    monkeypatch.setitem(OPERATIONS, "bare", Operation(name="bare", build=lambda channels, stride: nn.Identity()))
    with pytest.raises(ValueError, match="a sequence from ReLU to batch normalisation, the operation 'bare' is none"):
        build_supernet(SupernetConfig(operations=("skip_connect", "bare")), skeleton, torch.Generator().manual_seed(0))
