"""Phases of maps: pixels of every stride-th row and column, apart; a dilated convolution is an ordinary one on each."""

from torch import Tensor


def to_phases(x: Tensor, every: int = 2) -> Tensor:
    """(B, C, H, W) with sides divisible by ``every``, e -> (e²B, C, H/e, W/e), channels last.

    A convolution of dilation e is one without dilation on each of them, and a pointwise operation or a norm does not
    see the difference. On CPUs torch's backward pass of dilated
    depthwise convolutions is far slower (``python -m benchmarks depthwise``).
    """
    batch, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(batch, height // every, every, width // every, every, channels)
    apart = rows.permute(2, 4, 0, 1, 3, 5).reshape(every**2 * batch, height // every, width // every, channels)
    return apart.permute(0, 3, 1, 2)


def from_phases(x: Tensor, every: int = 2) -> Tensor:
    """The inverse of :func:`to_phases`."""
    batch, channels, height, width = x.shape
    images = batch // every**2
    apart = x.permute(0, 2, 3, 1).reshape(every, every, images, height, width, channels)
    rows = apart.permute(2, 3, 0, 4, 1, 5).reshape(images, every * height, every * width, channels)
    return rows.permute(0, 3, 1, 2)
