"""Stages: the linear maps of a layer on channel-major activations, with their gradients written out.

Activations are (M, C, P, N): M layers of one shape side by side, C channels, the P = H · W pixels of a map, N images.
Images come last because everything then runs over long contiguous rows: a 1×1 convolution is one product, a depthwise
convolution a product with a small matrix of pixels by pixels, a pool a vectorised walk over rows. (With pixels last,
pools and products with 2×2 maps take several times as long: `python -m benchmarks layout`.)
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from zoo.networks.engine.parameter_buffer import Slot
from zoo.networks.engine.tap_products import TapProducts
from zoo.networks.taps import Window, tap_matrix

MATRIX_LIMIT = {torch.float32: 64, torch.float64: 64, torch.bfloat16: 256}
"""Largest P · P' at which a dense convolution is one product of (channels · pixels)² elements: measured on a CPU."""

LAUNCHED_LIMIT = 64 * 64
"""The same where launches cost more than products: maps of 8 by 8 pixels. Larger matrices would be mostly zeros."""

DEPTHWISE_LIMIT = 256
"""Largest map, in pixels, on which a depthwise convolution is a product of pixels by pixels: measured on a CPU."""


def largest_matrix(device: torch.device, dtype: torch.dtype) -> int:
    """P · P' up to which a dense convolution is one product of all its layers, instead of a kernel for each."""
    return MATRIX_LIMIT[dtype] if device.type == "cpu" else LAUNCHED_LIMIT


class Stage(Protocol):
    """A linear map of M layers; ``saved`` is what its backward pass needs of the forward pass."""

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        """(M, C, P, N) to ((M, C', P', N), saved)."""
        ...

    def backward(self, gradient: Tensor, saved: Any, need_input: bool) -> Tensor | None:
        """Write the weights' gradients; returns the input's, (M, C, P, N), where it is needed."""
        ...


class Pointwise:
    """A 1×1 convolution of stride 1: one product of weights (C', C) with channels (C, P · N)."""

    def __init__(self, weights: Slot) -> None:
        self._weights = weights

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        m, _, pixels, images = x.shape
        weight = self._weights.weight.flatten(2)  # (M, C', C)
        rows = x.flatten(2)  # (M, C, P · N)
        return torch.bmm(weight, rows).view(m, weight.shape[1], pixels, images), rows

    def backward(self, gradient: Tensor, saved: Any, need_input: bool) -> Tensor | None:
        """Two products."""
        weight, rows = self._weights.weight.flatten(2), gradient.flatten(2)
        self._weights.put(torch.bmm(rows, saved.transpose(1, 2)))
        if not need_input:
            return None
        return torch.bmm(weight.transpose(1, 2), rows).view(*saved.shape[:2], *gradient.shape[2:])


class Depthwise:
    """Depthwise convolutions of any kernels, strides and dilations: a (P', P) matrix for every channel.

    Args:
        runs: (weights, window) of layers with the same kernel; all layers of all runs are side by side.
        products: makes matrices of kernels.
    """

    def __init__(self, runs: Sequence[tuple[Slot, Window]], products: TapProducts) -> None:
        self._runs, self._products = list(runs), products
        self._out = runs[0][1].out_pixels
        for slot, window in runs:
            products.add(slot, window)

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        m, channels, pixels, images = x.shape
        matrices = torch.cat([self._products.matrices(slot, window) for slot, window in self._runs])
        matrices = matrices.view(m * channels, self._out, pixels)
        maps = x.view(m * channels, pixels, images)
        return torch.bmm(matrices, maps).view(m, channels, self._out, images), (matrices, maps)

    def backward(self, gradient: Tensor, saved: Any, need_input: bool) -> Tensor | None:
        """Two products, and those that gather the matrices' gradients into the kernels'."""
        matrices, maps = saved
        rows = gradient.reshape(len(matrices), -1, gradient.shape[3])  # (M · C, P', N)
        slopes = torch.bmm(rows, maps.transpose(1, 2)).flatten(1)  # (M · C, P' · P)
        parts = torch.split(slopes, [slot.rows for slot, _ in self._runs])
        for (slot, window), part in zip(self._runs, parts, strict=True):
            self._products.put(slot, window, part)
        if not need_input:
            return None
        return torch.bmm(matrices.transpose(1, 2), rows).view(*gradient.shape[:2], *maps.shape[1:])


class Matrix:
    """A dense convolution on tiny maps: one product with a matrix of (C' · P', C · P) elements.

    On a 2×2 map every output pixel sees every input pixel, so the matrix holds no zeros a kernel would skip.
    """

    def __init__(self, weights: Slot, window: Window, dtype: torch.dtype, device: torch.device) -> None:
        self._weights, self._window = weights, window
        self._taps = tap_matrix(window, dtype, device)  # held, as in TapProducts

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        m, channels, pixels, images = x.shape
        weight, out = self._weights.weight, self._window.out_pixels
        spread = (weight.flatten(3).flatten(0, 2) @ self._taps).view(m, -1, channels, out, pixels)
        matrix = spread.transpose(2, 3).reshape(m, -1, channels * pixels)  # (M, C' · P', C · P)
        rows = x.view(m, channels * pixels, images)
        return torch.bmm(matrix, rows).view(m, -1, out, images), (matrix, rows)

    def backward(self, gradient: Tensor, saved: Any, need_input: bool) -> Tensor | None:
        """As for depthwise matrices, over all channels at once."""
        matrix, rows = saved
        m, outputs, out, images = gradient.shape
        channels, pixels = self._weights.weight.shape[2], self._window.pixels
        above = gradient.reshape(m, outputs * out, images)
        slopes = torch.bmm(above, rows.transpose(1, 2)).view(m, outputs, out, channels, pixels).transpose(2, 3)
        self._weights.put(slopes.reshape(-1, out * pixels) @ self._taps.t())
        if not need_input:
            return None
        return torch.bmm(matrix.transpose(1, 2), above).view(m, channels, pixels, images)


class Ordinary:
    """A convolution on larger maps: torch's own kernel on images turned to (N, H, W, C), one layer at a time.

    For dense convolutions the two turns of the maps cost less than what those kernels save there.
    """

    def __init__(self, weights: Slot, window: Window, groups: int) -> None:
        self._weights, self._window, self._groups = weights, window, groups

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        turned = [_to_images(maps, self._window.size) for maps in x]
        w = self._window
        outs = [
            functional.conv2d(image, weight, None, w.stride, w.padding, w.dilation, self._groups)
            for image, weight in zip(turned, self._weights.weight, strict=True)
        ]
        return torch.stack([_to_channels(out) for out in outs]), turned

    def backward(self, gradient: Tensor, saved: Any, need_input: bool) -> Tensor | None:
        """By torch's kernels again."""
        w, inputs, slopes = self._window, [], []
        for above, image, weight in zip(gradient, saved, self._weights.weight, strict=True):
            below, slope, _ = torch.ops.aten.convolution_backward(
                _to_images(above, w.out), image, weight, None, w.stride, w.padding, w.dilation, False, (0, 0),
                self._groups, (need_input, True, False),
            )  # fmt: skip
            inputs.append(below)
            slopes.append(slope)
        self._weights.put(torch.stack([slope.contiguous() for slope in slopes]))
        return torch.stack([_to_channels(below) for below in inputs]) if need_input else None


class Strided:
    """1×1 convolutions side by side that read every ``stride``-th pixel from a shift on: a factorized reduce's, or one.

    Args:
        slots: their weights, each with its shift in both directions.
        size: of the maps.
        stride: in both directions.
    """

    def __init__(self, slots: Sequence[tuple[Slot, int]], size: tuple[int, int], stride: int) -> None:
        self._slots, self._size, self._stride = list(slots), size, stride

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        m, channels, _, images = x.shape
        maps = x.view(m, channels, *self._size, images)  # (M, C, H, W, N)
        picked = [self._pixels(maps, shift).flatten(2) for _, shift in self._slots]  # (M, C, P' · N)
        outs = [torch.bmm(slot.weight.flatten(2), rows) for (slot, _), rows in zip(self._slots, picked, strict=True)]
        out = torch.cat(outs, dim=1)
        return out.view(m, out.shape[1], -1, images), (picked, x.shape)

    def backward(self, gradient: Tensor, saved: Any, need_input: bool) -> Tensor | None:
        """Two products each; pixels that none of them reads get zeros."""
        picked, shape = saved
        below = gradient.new_zeros(shape)
        maps = below.view(*shape[:2], *self._size, shape[3])
        first = 0
        for (slot, shift), rows in zip(self._slots, picked, strict=True):
            above = gradient[:, first : first + slot.weight.shape[1]].flatten(2)
            slot.put(torch.bmm(above, rows.transpose(1, 2)))
            if need_input:
                part = self._pixels(maps, shift)
                part.copy_(torch.bmm(slot.weight.flatten(2).transpose(1, 2), above).view(part.shape))
            first += slot.weight.shape[1]
        return below if need_input else None

    def _pixels(self, maps: Tensor, shift: int) -> Tensor:
        return maps[:, :, shift :: self._stride, shift :: self._stride]


def _to_images(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, P, N) to (N, C, H, W) in channels-last memory."""
    channels, _, images = maps.shape
    turned = maps.reshape(channels, *size, images).permute(3, 0, 1, 2)
    return turned.contiguous(memory_format=torch.channels_last)


def _to_channels(images: Tensor) -> Tensor:
    """(N, C, H, W) to (C, P, N)."""
    return images.permute(1, 2, 3, 0).flatten(1, 2).contiguous()
