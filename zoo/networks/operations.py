"""The operations of a cell as modules: ReLU, convolution, normalisation, in the order DARTS fixed."""

import torch
from torch import Tensor, nn

from zoo.networks.convolution import convolution
from zoo.spaces.operations import Operation


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


def build_operation(operation: Operation, channels: int, stride: int) -> nn.Module:
    """The module of one operation: (B, channels, H, W) -> (B, channels, H/stride, W/stride).

    Average pooling leaves the padding out of its mean; an identity exists at stride 1 only, at stride 2 a
    skip connection is a factorized reduce.
    """
    kernel = operation.kernel
    match operation.kind:
        case "none":
            return Zero(stride)
        case "skip":
            return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
        case "avg_pool":
            return nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False)
        case "max_pool":
            return nn.MaxPool2d(kernel, stride, kernel // 2)
        case "conv":
            return relu_conv_norm(channels, channels, kernel, stride)
        case "sep_conv":
            first = _depthwise_separable(channels, kernel, stride, 1)
            return nn.Sequential(*first, *_depthwise_separable(channels, kernel, 1, 1))
        case "dil_conv":
            return nn.Sequential(*_depthwise_separable(channels, kernel, stride, 2))
        case "rect_conv":
            return nn.Sequential(*_rectangular(channels, kernel, stride))
