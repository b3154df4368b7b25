"""Tap matrices: which input pixel every tap of a kernel reads for every output pixel, as matrices of 0 and 1."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Window(NamedTuple):
    """What a convolution's or a pool's window does on maps of a given size, all in (rows, columns)."""

    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    @classmethod
    def of(cls, conv: nn.Conv2d, size: tuple[int, int]) -> "Window":
        """The window of a convolution on maps of ``size``.

        Raises:
            ValueError: for padding that is not given in pixels.
        """
        if isinstance(conv.padding, str):
            raise ValueError(f"a convolution's padding must be in pixels, got {conv.padding!r}")
        kernel, stride, padding, dilation = (
            (pair[0], pair[1]) for pair in (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        )
        return cls(size, kernel, stride, padding, dilation)

    @property
    def out(self) -> tuple[int, int]:
        """Size of the output maps."""
        rows, columns = (
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, padding, dilation in zip(*self, strict=True)
        )
        return rows, columns

    @property
    def pixels(self) -> int:
        """Pixels of an input map."""
        return self.size[0] * self.size[1]

    @property
    def out_pixels(self) -> int:
        """Pixels of an output map."""
        return self.out[0] * self.out[1]


@lru_cache(maxsize=512)
def tap_matrix(window: Window, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(taps, P' · P): 1 where tap t of output pixel p' reads input pixel p, 0 elsewhere and outside of the map.

    A kernel's weights (…, taps) times this are the (P', P) matrix that the whole convolution is on a map of P pixels,
    and the gradient of that matrix times the transpose is the gradient of the weights: one product each way. Every
    column has at most one 1, so the first product is exact in any dtype.
    """
    down, across = (_taps(*sides) for sides in zip(*window, window.out, strict=True))
    taps = down[:, None, :, None, :, None] & across[None, :, None, :, None, :]  # (i, j, y', x', y, x)
    return taps.reshape(-1, window.out_pixels * window.pixels).to(device, dtype)


def _taps(size: int, kernel: int, stride: int, padding: int, dilation: int, out: int) -> Tensor:
    """(taps, out, size) in one direction: whether tap t of an output pixel reads an input pixel."""
    read = torch.arange(out) * stride - padding + torch.arange(kernel)[:, None] * dilation
    return read[:, :, None] == torch.arange(size)
