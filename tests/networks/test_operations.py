"""Operations as modules: sizes, padding, strides, and what a factorized reduce reads."""

import pytest
import torch
from torch import nn

from zoo.networks.operations import FactorizedReduce, Zero, build_operation
from zoo.spaces import OPERATIONS

EVERY = pytest.mark.parametrize("name", OPERATIONS)


@EVERY
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("stride", "size"), [(1, 1), (1, 6), (2, 2), (2, 6)])
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")  # one channel: half of a reduce is empty
def test_shapes_at_every_stride_size_and_width(name: str, channels: int, stride: int, size: int) -> None:
    module = build_operation(OPERATIONS[name], channels, stride).eval()
    out = module(torch.randn(2, channels, size, size))
    assert out.shape == (2, channels, size // stride, size // stride)
    assert torch.isfinite(out).all()


@EVERY
def test_only_parametric_operations_have_weights(name: str) -> None:
    for stride in (1, 2):
        module = build_operation(OPERATIONS[name], 4, stride)
        weights = OPERATIONS[name].parametric or (name == "skip_connect" and stride == 2)
        assert any(True for _ in module.parameters()) == weights
        assert not any(isinstance(m, nn.Conv2d) and m.bias is not None for m in module.modules())


@EVERY
def test_the_order_is_relu_convolution_norm(name: str) -> None:
    """A ReLU comes first where there are weights, so negative inputs alone say nothing; the norm comes last."""
    if OPERATIONS[name].parametric:
        module = build_operation(OPERATIONS[name], 4, 1)
        half = [nn.ReLU, nn.Conv2d, nn.Conv2d, nn.BatchNorm2d]
        expected = {"conv": [nn.ReLU, nn.Conv2d, nn.BatchNorm2d], "sep_conv": half * 2}
        assert isinstance(module, nn.Sequential)
        for layer, kind in zip(module, expected.get(OPERATIONS[name].kind, half), strict=True):
            assert isinstance(layer, kind)


@pytest.mark.parametrize("stride", [1, 2])
def test_average_pooling_leaves_the_padding_out(stride: int) -> None:
    ones = torch.ones(1, 2, 6, 6)
    pooled = build_operation(OPERATIONS["avg_pool_3x3"], 2, stride)(ones)
    torch.testing.assert_close(pooled, torch.ones_like(pooled), rtol=0, atol=0)


def test_maximum_pooling_of_negative_maps_stays_negative() -> None:
    """Padding by zeros would win against them."""
    for name in ("max_pool_3x3", "max_pool_5x5", "max_pool_7x7"):
        pooled = build_operation(OPERATIONS[name], 1, 1)(-torch.ones(1, 1, 4, 4))
        assert (pooled == -1).all()


def reach(module: nn.Module, size: int = 15) -> torch.Tensor:
    """Which input pixels the central output pixel depends on: bool (size, size)."""
    x = torch.rand(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    module = module.double().eval()
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
    out = module(x)
    out[0, 0, size // 2, size // 2].backward()
    assert x.grad is not None
    return x.grad[0, 0] != 0


@pytest.mark.parametrize(
    ("name", "height", "width", "pixels"),
    [
        ("conv_1x1", 1, 1, 1),
        ("conv_3x3", 3, 3, 9),
        ("sep_conv_3x3", 5, 5, 25),  # twice 3
        ("sep_conv_5x5", 9, 9, 81),
        ("sep_conv_7x7", 13, 13, 169),
        ("dil_conv_3x3", 5, 5, 9),  # every second pixel
        ("dil_conv_5x5", 9, 9, 25),
        ("conv_1x3_3x1", 3, 3, 9),
        ("conv_1x7_7x1", 7, 7, 49),
        ("avg_pool_3x3", 3, 3, 9),
    ],
)
def test_receptive_fields(name: str, height: int, width: int, pixels: int) -> None:
    seen = reach(build_operation(OPERATIONS[name], 1, 1))
    rows, columns = torch.nonzero(seen.any(1)).flatten(), torch.nonzero(seen.any(0)).flatten()
    assert (int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1) == (height, width)
    assert int(rows[0] + rows[-1]) == int(columns[0] + columns[-1]) == 14  # centred
    assert seen.sum() == pixels


def test_factorized_reduce_reads_both_diagonals() -> None:
    """Each half of the channels reads one pixel in four, shifted by (1, 1) from what the other half reads."""
    module = FactorizedReduce(3, 4).double().eval()
    for half, (first, other) in enumerate([(0, 1), (1, 0)]):
        x = torch.rand(1, 3, 6, 6, dtype=torch.float64, requires_grad=True)
        module(x)[:, 2 * half : 2 * half + 2].sum().backward()
        assert x.grad is not None
        assert (x.grad[:, :, first::2, first::2] != 0).all()
        assert (x.grad[:, :, other::2] == 0).all()
        assert (x.grad[:, :, :, other::2] == 0).all()


@pytest.mark.parametrize("outputs", [2, 5])
def test_factorized_reduce_splits_odd_widths(outputs: int) -> None:
    module = FactorizedReduce(3, outputs)
    assert module(torch.randn(2, 3, 4, 4)).shape == (2, outputs, 2, 2)
    assert module.conv_1.out_channels + module.conv_2.out_channels == outputs


def test_none_is_zero_and_carries_no_gradient() -> None:
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    for stride in (1, 2):
        out = Zero(stride)(x)
        assert out.shape == (2, 3, 4 // stride, 4 // stride)
        assert (out == 0).all()
        assert not out.requires_grad
