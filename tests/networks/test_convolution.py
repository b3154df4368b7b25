import pytest
import torch
from torch import nn

from zoo.networks import depthwise
from zoo.networks.convolution import StridedPointwise, convolution
from zoo.networks.depthwise import Depthwise
from zoo.networks.phases import from_phases, to_phases

FORMS = pytest.mark.parametrize("form", [torch.channels_last, torch.contiguous_format])


def gradients(module, images):
    """Of the weights and of the images, for the same random weighting of the outputs."""
    images = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    out = module(images)
    weighting = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(out.dtype)
    return out, *torch.autograd.grad((out * weighting).sum(), (module.weight, images))


def agree(mine, images, form):
    """A module and torch's own convolution in float64: outputs and gradients, several times over."""
    options = {"stride": mine.stride, "padding": mine.padding, "dilation": mine.dilation, "groups": mine.groups}
    oracle = nn.Conv2d(
        mine.in_channels, mine.out_channels, mine.kernel_size, **options, bias=False, dtype=torch.float64
    )
    oracle.load_state_dict(mine.state_dict())
    wanted = gradients(oracle, images.double())
    mine, images = mine.to(memory_format=form), images.to(memory_format=form)
    for _ in range(3):  # memory that was written past is found later
        for got, expected in zip(gradients(mine, images), wanted, strict=True):
            assert torch.allclose(got.double(), expected, rtol=1e-4, atol=1e-4)


@FORMS
@pytest.mark.parametrize("inputs", [1, 3, 4, 7, 9, 20])
def test_strided_pointwise(inputs, form):
    # oneDNN's own corrupted memory for 3 and 4 inputs: https://github.com/uxlfoundation/oneDNN/issues/6035
    torch.manual_seed(0)
    mine = convolution(inputs, 8, 1, 2)
    assert type(mine) is StridedPointwise
    agree(mine, torch.randn(16, inputs, 8, 8), form)


@FORMS
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3)])
@pytest.mark.parametrize(("kernel", "side"), [(3, 1), (3, 2), (5, 4), (7, 2), (7, 6), (3, 4), (5, 5)])
def test_depthwise(kernel, side, stride, dilation, form):
    torch.manual_seed(0)
    mine = convolution(6, 6, kernel, stride, 6, dilation)
    assert type(mine) is Depthwise
    agree(mine, torch.randn(8, 6, side, side), form)


@pytest.mark.parametrize("chunk", [1, 1 << 21])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "rows", "columns"), [(5, 5, 9), (5, 8, 8), (7, 7, 7), (7, 12, 9), (9, 10, 12)])
def test_kernels_of_many_columns_go_strip_by_strip(kernel, rows, columns, stride, chunk, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(depthwise, "CHUNK", chunk)  # one image at a time, or all
    agree(convolution(6, 6, kernel, stride, 6), torch.randn(5, 6, rows, columns), torch.channels_last)


@pytest.mark.parametrize("dilation", [1, 2])
def test_depthwise_may_be_differentiated_twice(dilation):
    torch.manual_seed(0)
    module = convolution(2, 2, 3, groups=2, dilation=dilation).double()
    images = torch.randn(2, 2, 2, 2, dtype=torch.float64).to(memory_format=torch.channels_last).requires_grad_()

    def run(x, weight):
        return torch.func.functional_call(module, {"weight": weight}, x)

    assert torch.autograd.gradgradcheck(run, (images, module.weight))
    weights, plain = torch.func.grad(lambda w: run(images, w).square().sum())(module.weight), run(images, module.weight)
    assert torch.allclose(weights, torch.autograd.grad(plain.square().sum(), module.weight)[0])


def test_all_others_are_torchs():
    assert {type(convolution(4, 4, kernel, stride)) for kernel, stride in ((1, 1), (3, 2), (3, 1))} == {nn.Conv2d}
    assert type(convolution(4, 8, 3, 2, groups=4)) is nn.Conv2d
    assert convolution(4, 8, 3, 2)(torch.randn(1, 4, 5, 5)).shape == (1, 8, 3, 3)
    assert convolution(4, 8, 1, 2)(torch.randn(1, 4, 5, 5)).shape == (1, 8, 3, 3)


def test_phases_and_back():
    x = torch.arange(2 * 3 * 4 * 6.0).view(2, 3, 4, 6)
    apart = to_phases(x)
    assert apart.shape == (8, 3, 2, 3)
    assert torch.equal(apart[:2], x[:, :, ::2, ::2])
    assert torch.equal(from_phases(apart), x)
