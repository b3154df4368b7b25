"""A fused block in Triton: deferred normalisation, ReLU, a pointwise product, and the sums of the next normalisation.

Imported only where Triton is installed.
"""

import importlib
from typing import Any

import torch
from torch import Tensor

triton: Any = importlib.import_module("triton")  # has no types, and may be missing where types are checked
tl: Any = importlib.import_module("triton.language")

COLUMNS, PADDED = 128, 16  # pixels of a tile; channels a tile is padded to, the least of a product on tensor cores


def _block(  # type: ignore[no-untyped-def]
    x, weights, scale, shift, out, sums, channels, length, tiles, padded: tl.constexpr, columns: tl.constexpr
):
    network, tile = tl.program_id(1), tl.program_id(0)
    rows, inner = tl.arange(0, padded), tl.arange(0, columns)
    column = tile * columns + inner
    inside = (rows[:, None] < channels) & (column[None, :] < length)
    places = (network * channels + rows[:, None]) * length + column[None, :]
    values = tl.load(x + places, mask=inside, other=0.0)
    gain = tl.load(scale + network * channels + rows, mask=rows < channels, other=0.0)
    bias = tl.load(shift + network * channels + rows, mask=rows < channels, other=0.0)
    active = tl.maximum(values * gain[:, None] + bias[:, None], 0.0)
    active = tl.where(inside, active, 0.0)
    square = (rows[:, None] < channels) & (rows[None, :] < channels)
    matrix = tl.load(weights + (network * channels + rows[:, None]) * channels + rows[None, :], mask=square, other=0.0)
    product = tl.dot(matrix, active)
    tl.store(out + places, product, mask=inside)
    # Sums of every tile apart: no atomics, so that they are the same in every run.
    place = ((network * tiles) + tile) * channels + rows
    total = tiles * channels * tl.num_programs(1)
    tl.store(sums + place, tl.sum(product, axis=1), mask=rows < channels)
    tl.store(sums + total + place, tl.sum(product * product, axis=1), mask=rows < channels)


kernel = triton.jit(_block)


def block(x: Tensor, weights: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """The product of networks' weights (K, C, C) with the ReLU of scaled maps (K, C, L), and its sums (2, K, C).

    Args:
        x: float32 (K, C, L), C at most 16.
        weights: float32 (K, C, C).
        scale: float32 (K, C).
        shift: float32 (K, C).
    """
    networks, channels, length = x.shape
    tiles = triton.cdiv(length, COLUMNS)
    out = torch.empty_like(x)
    sums = torch.empty(2, networks, tiles, channels, device=x.device, dtype=torch.float32)
    kernel[(tiles, networks)](
        x, weights, scale, shift, out, sums, channels, length, tiles, padded=PADDED, columns=COLUMNS
    )
    return out, sums.sum(dim=2)
