"""Convolutions with "same" padding and without bias, with kernels that can be trusted and are quick in training."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

from zoo.networks.phases import from_phases, to_phases
from zoo.networks.taps import Window, tap_matrix


class StridedPointwise(nn.Conv2d):
    """A strided 1×1 convolution, computed as one without stride on the pixels it reads; the same weights and numbers.

    oneDNN's weight gradient of the former writes past its workspace where channels come last and are fewer than a
    vector holds (https://github.com/uxlfoundation/oneDNN/issues/6035): wrong gradients, or a crash.
    """

    def forward(self, x: Tensor) -> Tensor:  # (B, inputs, H, W) -> (B, outputs, ceil(H/stride), ceil(W/stride))
        down, right = self.stride
        return functional.conv2d(x[:, :, ::down, ::right], self.weight, self.bias)


class Depthwise(nn.Conv2d):
    """A depthwise convolution, in training on a CPU by ways whose backward pass is quick; the same numbers.

    torch's own backward pass is slow where it is dilated, and where maps are smaller than the kernel
    (``python -m benchmarks depthwise``). Square kernels; channels last, as in all training here.
    """

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, ceil(H/stride), ceil(W/stride))
        quick = self.training and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        if not quick or not x.is_contiguous(memory_format=torch.channels_last):
            return super().forward(x)
        (stride, _), (dilation, _) = self.stride, self.dilation
        if dilation == 1:
            return self._plain(x, stride)
        if stride == dilation:  # the other phases are never read
            return self._plain(x[:, :, ::stride, ::stride].contiguous(memory_format=torch.channels_last), 1)
        if stride == 1 and not any(side % dilation for side in x.shape[2:]):
            return from_phases(self._plain(to_phases(x, dilation), 1), dilation)
        return super().forward(x)

    def _plain(self, x: Tensor, stride: int) -> Tensor:
        """The convolution without dilation."""
        kernel, size = self.kernel_size[0], (x.shape[2], x.shape[3])
        window = Window(size, (kernel, kernel), (stride, stride), (kernel // 2, kernel // 2), (1, 1))
        if min(size) < kernel:
            out: Tensor = _SmallDepthwise.apply(x, self.weight, window)
            return out
        return functional.conv2d(x, self.weight, None, window.stride, window.padding, 1, len(self.weight))


class _SmallDepthwise(torch.autograd.Function):
    """torch's depthwise convolution with a weight gradient of its own: per channel (P', B)·(B, P), then its taps."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, window: Window) -> Tensor:
        return functional.conv2d(x, weight, None, window.stride, window.padding, window.dilation, len(weight))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Window], output: Tensor) -> None:
        x, weight, ctx.window = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (x, weight), window = ctx.saved_tensors, ctx.window
        for_x = for_weight = None
        if ctx.needs_input_grad[0]:
            how = (window.stride, window.padding, window.dilation, len(weight))
            for_x = conv2d_input(x.shape, weight, gradient, *how)  # type: ignore[no-untyped-call]
        if ctx.needs_input_grad[1]:
            rows = gradient.flatten(2).permute(1, 2, 0) @ x.flatten(2).permute(1, 0, 2)  # (C, P', P)
            for_weight = (rows.flatten(1) @ tap_matrix(window, x.dtype, x.device).T).view_as(weight)
        return for_x, for_weight, None


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A convolution: (B, inputs, H, W) -> (B, outputs, ceil(H/stride), ceil(W/stride)) for odd kernels."""
    make = nn.Conv2d
    if kernel == 1 and stride > 1 and groups == 1:
        make = StridedPointwise
    elif 1 < groups == inputs == outputs:
        make = Depthwise
    return make(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False)
