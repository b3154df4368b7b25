"""The operations of a cell as modules: ReLU, convolution, normalisation, in the order DARTS fixed.

Every kind of operation of this package has a builder here; an operation that another package adds brings its own.
"""

from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor, nn

from zoo.networks.convolution import convolution
from zoo.spaces.operations import Kind, Operation


class Zero(nn.Module):
    """``none``: zeros of the output's size."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H/stride, W/stride)
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


class FactorizedReduce(nn.Module):
    """Halves the resolution: two strided 1×1 convolutions, one of them shifted by a pixel in both directions.

    So two of every four pixels are read, where a single strided convolution reads one (as in DARTS).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_1 = convolution(inputs, outputs // 2, 1, 2)
        self.conv_2 = convolution(inputs, outputs - outputs // 2, 1, 2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:  # (B, inputs, H, W) -> (B, outputs, H/2, W/2), H and W even
        x = torch.relu(x)
        halves = (self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])) if self.conv_1.out_channels else (self.conv_2(x),)
        out: Tensor = self.norm(torch.cat(halves, dim=1))
        return out


def relu_conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution with "same" padding, normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        convolution(inputs, outputs, kernel, stride),
        nn.BatchNorm2d(outputs),
    )


def _depthwise_separable(channels: int, kernel: int, stride: int, dilation: int) -> list[nn.Module]:
    return [
        nn.ReLU(),
        convolution(channels, channels, kernel, stride, channels, dilation),
        convolution(channels, channels, 1),
        nn.BatchNorm2d(channels),
    ]


def _rectangular(channels: int, kernel: int, stride: int) -> list[nn.Module]:
    half = kernel // 2
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, half), bias=False),
        nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (half, 0), bias=False),
        nn.BatchNorm2d(channels),
    ]


def _separable(kernel: int, channels: int, stride: int) -> nn.Module:
    first = _depthwise_separable(channels, kernel, stride, 1)
    return nn.Sequential(*first, *_depthwise_separable(channels, kernel, 1, 1))


BUILDERS: dict[Kind, Callable[[int, int, int], nn.Module]] = {
    "none": lambda kernel, channels, stride: Zero(stride),
    "skip": lambda kernel, c, stride: nn.Identity() if stride == 1 else FactorizedReduce(c, c),
    "avg_pool": lambda kernel, c, stride: nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False),
    "max_pool": lambda kernel, channels, stride: nn.MaxPool2d(kernel, stride, kernel // 2),
    "conv": lambda kernel, channels, stride: relu_conv_norm(channels, channels, kernel, stride),
    "sep_conv": _separable,
    "dil_conv": lambda kernel, channels, stride: nn.Sequential(*_depthwise_separable(channels, kernel, stride, 2)),
    "rect_conv": lambda kernel, channels, stride: nn.Sequential(*_rectangular(channels, kernel, stride)),
}
"""By the kind of an operation (kernel, channels, stride) to its module."""


def build_operation(operation: Operation, channels: int, stride: int) -> nn.Module:
    """The module of one operation: (B, channels, H, W) -> (B, channels, H/stride, W/stride).

    Average pooling leaves the padding out of its mean; an identity exists at stride 1 only, at stride 2 a
    skip connection is a factorized reduce.

    Raises:
        ValueError: for an operation without a builder, or whose module has weights that networks cannot initialise.
    """
    if operation.build is not None:
        return _checked(operation, _added(operation)(channels, stride))
    if operation.kind not in BUILDERS:
        raise ValueError(f"the operation {operation.name!r} has no builder, expected one")
    return BUILDERS[operation.kind](operation.kernel, channels, stride)


def _added(operation: Operation) -> Callable[[int, int], nn.Module]:
    """The builder that another package gives, imported where it is a text."""
    build = operation.build
    if not isinstance(build, str):
        assert build is not None
        return build
    module, _, name = build.partition(":")
    try:
        found: Callable[[int, int], nn.Module] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"the builder {build!r} of the operation {operation.name!r} cannot be imported") from error
    return found


def _checked(operation: Operation, module: nn.Module) -> nn.Module:
    """Networks are laid out without memory and then filled by type: whatever else has state would be garbage."""
    for part in module.modules():
        has_state = bool([*part.parameters(recurse=False), *part.buffers(recurse=False)])
        if has_state and not isinstance(part, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            raise ValueError(
                f"the weights of the operation {operation.name!r} must be those of Conv2d, Linear and BatchNorm2d, "
                f"got {type(part).__name__}"
            )
    return module
