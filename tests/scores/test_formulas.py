"""Every score against its formula, on networks that can be computed by hand or in a few lines."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo.networks.network import build_any
from zoo.scores import SCORES
from zoo.scores.gradients import grad_norm, snip, weights_of
from zoo.scores.naswot import alike, naswot
from zoo.scores.synflow import synflow
from zoo.scores.zico import zico
from zoo.spaces import Cell, CellGenotype, Edge, Skeleton

SMALL = Skeleton(channels=3, cells=3, resolution=8, classes=3)


class Layers(nn.Module):
    """Modules one after the other on maps of (b, 2, 4, 4), their means, and a linear layer to 3 classes."""

    skeleton = Skeleton(in_channels=2, resolution=4, classes=3)

    def __init__(self, *modules, width=2):
        super().__init__()
        self.before = nn.Sequential(*modules)
        self.classifier = nn.Linear(width, 3, bias=False)
        generator = torch.Generator().manual_seed(7)
        with torch.no_grad():
            for weight in weights_of(self):
                weight.copy_(torch.randn(weight.shape, generator=generator))
        self.double()

    def forward(self, x):
        return self.classifier(self.before(x).mean(dim=(2, 3)))


def batch(seed, count=5, side=4, channels=2):
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.normal(size=(count, channels, side, side)))
    return images, torch.from_numpy(rng.integers(0, 3, count))


def cells(seed=0, skeleton=SMALL, dtype=torch.float64):
    node = (Edge("sep_conv_3x3", 0), Edge("skip_connect", 1), Edge("max_pool_3x3", 1))
    cell = Cell((node,), (2,))
    return build_any(CellGenotype(cell, cell), skeleton, torch.Generator().manual_seed(seed), dtype=dtype)


def linear_gradient(network, images, labels):
    """Of the mean cross-entropy by the weights of a linear layer: mean over images of (p - y) xᵀ."""
    x, w = images.mean(dim=(2, 3)).numpy(), network.classifier.weight.detach().numpy()
    odds = np.exp(x @ w.T)
    error = odds / odds.sum(axis=1, keepdims=True) - np.eye(3)[labels.numpy()]
    return error.T @ x / len(x)


# ---------------------------------------------------------------- SynFlow


def test_synflow_of_one_layer_is_its_absolute_weights():
    network = Layers()
    assert synflow(network) == pytest.approx(math.log(network.classifier.weight.abs().sum().item()), rel=1e-12)


def test_synflow_of_two_layers_counts_the_flow_once_for_each():
    network = Layers(nn.Conv2d(2, 4, 1, bias=False), nn.ReLU(), width=4)
    first, second = (weight.detach().abs().flatten(1).numpy() for weight in weights_of(network))
    flow = (second @ first).sum()  # Tanaka 2020: every layer's saliencies sum up to R
    assert synflow(network) == pytest.approx(math.log(2 * flow), rel=1e-12)


@pytest.mark.parametrize(("bounded", "factor"), [(nn.ReLU6(inplace=True), 100), (nn.Hardswish(), 0.01)])
def test_synflow_passes_by_normalisation_and_bounds(bounded, factor):
    plain = Layers(nn.Conv2d(2, 4, 1, bias=False), nn.ReLU(), width=4)
    norm = nn.BatchNorm2d(4)
    nn.init.constant_(norm.running_mean, 3.0)
    other = Layers(nn.Conv2d(2, 4, 1, bias=False), norm, bounded, width=4)
    other.before[0].weight.data = factor * plain.before[0].weight
    other.classifier.weight.data = plain.classifier.weight.data
    assert synflow(other) == pytest.approx(synflow(plain) + math.log(factor), rel=1e-12)


def test_synflow_looks_at_no_image_and_no_sign_and_leaves_the_network_alone():
    network = cells(dtype=torch.float32)
    before = copy.deepcopy(network.state_dict())
    value = synflow(network, [batch(0)])
    assert value == synflow(network, []) == SCORES["synflow"].of(network, [])
    assert all(torch.equal(held, before[name]) for name, held in network.state_dict().items())
    assert network.training
    with torch.no_grad():
        for weight in weights_of(network)[::2]:
            weight.neg_()
    assert synflow(network) == value


def test_synflow_of_a_deep_network_is_beyond_float32_and_finite():
    node = tuple((Edge("conv_3x3", i), Edge("conv_3x3", i + 1)) for i in range(5))
    cell = Cell(node, (2, 3, 4, 5, 6))
    network = build_any(
        CellGenotype(cell, cell), Skeleton(channels=6, cells=20, resolution=4), torch.Generator().manual_seed(0)
    )
    assert math.log(torch.finfo(torch.float32).max) < synflow(network) < math.log(torch.finfo(torch.float64).max)


def test_nothing_flows_through_nothing():
    cell = Cell(((Edge("none", 0),),), (2,))
    network = build_any(CellGenotype(cell, cell), SMALL, torch.Generator().manual_seed(0))
    assert synflow(network) == -math.inf


# ---------------------------------------------------------------- gradients on a mini-batch


def test_snip_and_the_gradient_norm_of_one_layer_are_those_of_the_closed_form():
    network, (images, labels) = Layers(), batch(1)
    slope = linear_gradient(network, images, labels)
    weight = network.classifier.weight.detach().numpy()
    assert snip(network, [(images, labels)]) == pytest.approx(np.abs(weight * slope).sum(), rel=1e-12)
    assert grad_norm(network, [(images, labels)]) == pytest.approx(np.linalg.norm(slope), rel=1e-12)


def test_snip_is_the_sensitivity_to_masks_at_one():
    """Lee 2019: the gradient by c of the loss with weights c · w."""
    network, (images, labels) = cells(), batch(2, side=8, channels=3)
    held = dict(network.named_parameters())
    wanted = {id(weight) for weight in weights_of(network)}
    masks = {name: torch.ones_like(value, requires_grad=True) for name, value in held.items() if id(value) in wanted}
    masked = {name: held[name] * mask for name, mask in masks.items()}
    functional.cross_entropy(torch.func.functional_call(network, masked, (images,)), labels).backward()
    expected = sum(mask.grad.abs().sum().item() for mask in masks.values() if mask.grad is not None)
    assert snip(network, [(images, labels)]) == pytest.approx(expected, rel=1e-10)


def test_the_gradient_norm_sums_the_norms_of_layers():
    network, (images, labels) = cells(), batch(2, side=8, channels=3)
    functional.cross_entropy(network(images), labels).backward()
    norms = [module.weight.grad.norm() for module in network.modules()
             if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.grad is not None]  # fmt: skip
    assert len(norms) > 15
    assert grad_norm(network, [(images, labels)]) == pytest.approx(sum(norms).item(), rel=1e-10)


@pytest.mark.parametrize("name", ["snip", "grad_norm", "naswot"])
def test_one_mini_batch_is_read_of_several(name):
    first, second = (batch(seed, side=8, channels=3) for seed in (3, 4))
    score = SCORES[name]
    assert score.of(cells(), [first, second]) == score.of(cells(), [first]) != score.of(cells(), [second])


# ---------------------------------------------------------------- NASWOT


def test_signs_that_are_alike_are_counted():
    maps = torch.tensor([[1.0, -1.0, 0.0], [2.0, 3.0, -4.0], [-1.0, 1.0, 1.0]])
    assert alike(maps.view(3, 1, 3, 1)).tolist() == [[3, 2, 0], [2, 3, 1], [0, 1, 3]]


def test_naswot_of_one_relu_is_the_determinant_of_its_codes():
    network, (images, labels) = Layers(nn.ReLU(inplace=True)), batch(5)
    codes = (images > 0).flatten(1).numpy()
    kernel = [[float((a == b).sum()) for b in codes] for a in codes]
    assert naswot(network, [(images.clone(), labels)]) == pytest.approx(math.log(np.linalg.det(kernel)), rel=1e-12)


def test_naswot_hears_every_relu_of_a_network(monkeypatch):
    codes, relu = [], torch.relu
    network, (images, labels) = cells(seed=3), batch(6, side=8, channels=3)
    value = naswot(network, [(images, labels)])
    monkeypatch.setattr(torch, "relu", lambda x: codes.append((x > 0).flatten(1)) or relu(x))
    network(images)
    code = torch.cat(codes, dim=1)
    distance = (code[:, None] != code).sum(dim=2)
    expected = np.linalg.slogdet((code.shape[1] - distance).double().numpy())[1]
    assert value == pytest.approx(expected, rel=1e-12)


def test_naswot_of_two_equal_images_is_minus_infinity():
    images, labels = batch(7)
    assert naswot(Layers(nn.ReLU()), [(images[[0, 0]], labels[:2])]) == -math.inf


def test_naswot_refuses_networks_without_relu_in_one_line():
    for network in (Layers(), Layers(nn.ReLU6())):
        with pytest.raises(
            ValueError, match=r"'naswot' needs 1 mini-batch of images and nn\.ReLU, and the network has no"
        ):
            SCORES["naswot"].of(network, [batch(0)])


# ---------------------------------------------------------------- ZiCo


def test_zico_of_one_layer_is_the_closed_form():
    network, batches = Layers(), [batch(seed) for seed in (8, 9, 10)]
    slopes = np.abs([linear_gradient(network, *one) for one in batches])
    expected = math.log((slopes.mean(axis=0) / slopes.std(axis=0)).sum())
    assert zico(network, batches) == pytest.approx(expected, rel=1e-10)


def test_zico_adds_up_layers_and_leaves_out_those_without_gradient_or_variance():
    network, batches = Layers(nn.Conv2d(2, 4, 1, bias=False), nn.ReLU(), width=4), [batch(seed) for seed in (8, 9)]
    slopes = []
    for images, labels in batches:
        network.zero_grad()
        functional.cross_entropy(network(images), labels).backward()
        slopes.append([weight.grad.abs().numpy().copy() for weight in weights_of(network)])
    ratios = [(np.mean(pair, axis=0) / np.std(pair, axis=0)).sum() for pair in zip(*slopes, strict=True)]
    network.unused = nn.Linear(2, 2).double()
    assert zico(network, batches) == pytest.approx(sum(map(math.log, ratios)), rel=1e-10)
    assert zico(network, batches[:1] * 2) == 0


def test_zico_with_one_mini_batch_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"'zico' needs 2 mini-batches of images with labels, got 1$"):
        SCORES["zico"].of(Layers(), [batch(0)])
