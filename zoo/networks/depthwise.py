"""Depthwise convolutions whose backward pass is quick on CPUs: the same weights and numbers as torch's own.

torch's forward pass is quick and its backward pass is not (``python -m benchmarks depthwise``): not where it is
dilated, and not for kernels of more than three columns, least of all on maps smaller than those.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.phases import from_phases, to_phases
from zoo.networks.taps import Window, tap_matrix

COLUMNS = 3
"""Of a kernel whose weight gradient oneDNN computes quickly, however many rows it has."""

CHUNK = 1 << 21
"""Bytes of maps whose copies stay in a core's cache, about; the best of half to twice as many."""


class Depthwise(nn.Conv2d):
    """A depthwise convolution with a square kernel; quick in training on a CPU on maps with channels last."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, ceil(H/stride), ceil(W/stride))
        if not self.training or not has_quick(x):
            return super().forward(x)
        (stride, _), (dilation, _) = self.stride, self.dilation
        if dilation == 1:
            return depthwise(x, self.weight, stride)
        if stride == dilation:  # the other phases are never read
            return depthwise(x[:, :, ::stride, ::stride].contiguous(memory_format=torch.channels_last), self.weight)
        if stride == 1 and not any(side % dilation for side in x.shape[2:]):
            return from_phases(depthwise(to_phases(x, dilation), self.weight), dilation)
        return super().forward(x)


def has_quick(x: Tensor) -> bool:
    """Whether maps are where and as these gradients are quicker: on a CPU, channels last, not cast on the way."""
    on_cpu = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return on_cpu and x.is_contiguous(memory_format=torch.channels_last)


def depthwise(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """(B, C, H, W) with kernels (C, 1, k, k), k odd -> (B, C, ceil(H/stride), ceil(W/stride))."""
    kernel = weight.shape[2]
    window = Window((x.shape[2], x.shape[3]), (kernel, kernel), (stride, stride), (kernel // 2, kernel // 2), (1, 1))
    if kernel <= COLUMNS or not has_quick(x):
        return functional.conv2d(x, weight, None, *_how(window, weight))
    out: Tensor = _QuickDepthwise.apply(x, weight, window)
    return out


class _QuickDepthwise(torch.autograd.Function):
    """torch's forward pass, and a backward pass of its own."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, window: Window) -> Tensor:
        return functional.conv2d(x, weight, None, *_how(window, weight))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Window], output: Tensor) -> None:
        x, weight, ctx.window = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (x, weight), window = ctx.saved_tensors, ctx.window
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        for_x = for_weight = None
        if ctx.needs_input_grad[0]:
            for_x = input_gradient(x, gradient, weight, window)
        if ctx.needs_input_grad[1]:
            for_weight = weight_gradient(x, gradient, weight, window)
        return for_x, for_weight, None


def input_gradient(x: Tensor, gradient: Tensor, weight: Tensor, window: Window) -> Tensor:
    """(B, C, H', W') -> (B, C, H, W): without a stride, the forward pass with the kernels turned around."""
    if window.stride == (1, 1):
        return functional.conv2d(gradient, weight.flip(2, 3), None, *_how(window, weight))
    return _torchs(x, gradient, weight, _how(window, weight), 0)


def weight_gradient(x: Tensor, gradient: Tensor, weight: Tensor, window: Window) -> Tensor:
    """(C, 1, k, k), from (B, C, H, W) and (B, C, H', W').

    On maps smaller than the kernel it is one product per channel, (P', B)·(B, P), and a sum over its taps.
    """
    if min(window.size) < window.kernel[0]:
        rows = gradient.flatten(2).permute(1, 2, 0) @ x.flatten(2).permute(1, 0, 2)  # (C, P', P)
        return (rows.flatten(1) @ tap_matrix(window, x.dtype, x.device).T).view_as(weight)
    if x.dtype != torch.float32:  # oneDNN has no float64
        return _torchs(x, gradient, weight, _how(window, weight), 1)
    images = max(1, CHUNK // (x[0].numel() * x.element_size()))
    total = torch.zeros_like(weight)
    for first in range(0, len(x), images):
        total += _by_strips(x[first : first + images], gradient[first : first + images], window)
    return total


def _by_strips(x: Tensor, gradient: Tensor, window: Window) -> Tensor:
    """The gradient of kernels of many columns, three columns at a time: those at and beside the middle, then on both
    sides two more and two more, for which maps and gradients are cut so that these columns are at the middle.
    """
    (rows, columns), (_, stride) = window.kernel, window.stride
    like = x.new_empty(x.shape[1], 1, rows, COLUMNS)
    how = (window.stride, (rows // 2, COLUMNS // 2), (1, 1), x.shape[1])

    def strip(maps: Tensor, slopes: Tensor) -> Tensor:
        maps, slopes = (part.contiguous(memory_format=torch.channels_last) for part in (maps, slopes))
        return _torchs(maps, slopes, like, how, 1)

    parts = [strip(x, gradient)]
    for shift in range(2, columns // 2 + 1, 2):  # even, so that a stride of 2 steps on the same pixels
        cut = shift // stride
        wanted = min(2, columns // 2 + 1 - shift)
        right = strip(x[..., shift:], gradient[..., :-cut])[..., 1 : 1 + wanted]
        left = strip(x[..., :-shift], gradient[..., cut:])[..., 2 - wanted : 2]
        parts = [left, *parts, right]
    return torch.cat(parts, dim=3)


How = tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]
"""Stride, padding, dilation and groups."""


def _how(window: Window, weight: Tensor) -> How:
    return window.stride, window.padding, window.dilation, len(weight)


def _torchs(x: Tensor, gradient: Tensor, weight: Tensor, how: How, of: int) -> Tensor:
    """torch's own gradient, of the maps (0) or of the weights (1)."""
    stride, padding, dilation, groups = how
    found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, dilation, False, (0, 0), groups, (of == 0, of == 1, False)
    )
    return found[of]
