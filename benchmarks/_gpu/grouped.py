"""A layer group in Triton: what a step of many small networks would be made of, forward and backward.

A group is M blocks of one shape, each a ReLU, a depthwise and a pointwise convolution of maps of few pixels. Maps lie
as (maps, channels, pixels, images). Nothing is normalised by a kernel of its own: every map is kept as it was before
its normalisation, whose scale and shift its readers apply. Imported only where Triton is installed.
"""

import importlib
from typing import Any

import torch
from torch import Tensor

from benchmarks._gpu.group_case import Case

triton: Any = importlib.import_module("triton")  # has no types, and may be missing where types are checked
tl: Any = importlib.import_module("triton.language")


def _active(maps, scale, shift, number, channel, channels, pixels, images, p, n, inside):  # type: ignore[no-untyped-def]
    """One channel of a map, normalised: (spots, width)."""
    row = number * channels + channel
    values = tl.load(maps + (row * pixels + p) * images + n, mask=inside, other=0.0).to(tl.float32)
    return tl.where(inside, values * tl.load(scale + row) + tl.load(shift + row), 0.0)


def _forward(  # type: ignore[no-untyped-def]
    maps, scale, shift, table, taps, weights, out, sums, channels, pixels, images,
    terms: tl.constexpr, padded: tl.constexpr, spots: tl.constexpr, width: tl.constexpr,
):  # fmt: skip
    """A block and a tile of images: the node's sum, ReLU, depthwise by its matrix, pointwise, sums of the result.

    ``table`` (M, terms) numbers the maps that a block's input sums; ``taps`` (M, channels, pixels, pixels) are the
    depthwise kernels as matrices, ``weights`` (M, channels, channels); ``sums`` (2, M, tiles, channels).
    """
    tile, block, tiles, blocks = tl.program_id(0), tl.program_id(1), tl.num_programs(0), tl.num_programs(1)
    p, q, o = tl.arange(0, spots)[:, None], tl.arange(0, spots)[None, :], tl.arange(0, padded)
    n = (tile * width + tl.arange(0, width))[None, :]
    inside, square = (p < pixels) & (n < images), (p < pixels) & (q < pixels)
    total = tl.zeros((padded, spots, width), tl.float32)
    for c in range(channels):
        x = tl.zeros((spots, width), tl.float32)
        for term in tl.static_range(terms):
            number = tl.load(table + block * terms + term)
            x += active(maps, scale, shift, number, c, channels, pixels, images, p, n, inside)
        x = tl.maximum(x, 0.0).to(maps.dtype.element_ty)
        place = ((block * channels + c) * pixels + p) * pixels + q  # (out, in)
        y = tl.dot(tl.load(taps + place, mask=square, other=0.0), x, input_precision="ieee")
        column = tl.load(weights + (block * channels + o) * channels + c, mask=o < channels, other=0.0)
        total += column.to(tl.float32)[:, None, None] * y[None, :, :]
    rows, kept = block * channels + o, o < channels
    where = (rows[:, None, None] * pixels + p[None, :, :]) * images + n[None, :, :]
    tl.store(out + where, total, mask=kept[:, None, None] & inside[None, :, :])
    place = (block * tiles + tile) * channels + o  # of every tile apart: no atomics, so every run gives the same
    total = tl.where(inside[None, :, :], total, 0.0)
    tl.store(sums + place, tl.sum(tl.sum(total, axis=2), axis=1), mask=kept)
    tl.store(sums + blocks * tiles * channels + place, tl.sum(tl.sum(total * total, axis=2), axis=1), mask=kept)


def _backward(  # type: ignore[no-untyped-def]
    maps, scale, shift, table, taps, weights, out, above, gain, slope, bias, inner, below, products,
    channels, pixels, images, terms: tl.constexpr, padded: tl.constexpr, spots: tl.constexpr, width: tl.constexpr,
):  # fmt: skip
    """The gradients of a block and a tile: of its input, of its pointwise weights, and of what lies between.

    The gradient of the result before its normalisation is gain · above + slope · out + bias, (M, channels) each.
    ``inner`` is the gradient between the two convolutions: a product with the active input gives that of the taps.
    ``products`` (M, tiles, channels, channels) are parts of the gradient of the weights.
    """
    tile, block, tiles = tl.program_id(0), tl.program_id(1), tl.num_programs(0)
    p, q, o = tl.arange(0, spots)[:, None], tl.arange(0, spots)[None, :], tl.arange(0, padded)
    n = (tile * width + tl.arange(0, width))[None, :]
    inside, square, kept = (p < pixels) & (n < images), (p < pixels) & (q < pixels), o < channels
    rows = block * channels + o
    where = (rows[:, None, None] * pixels + p[None, :, :]) * images + n[None, :, :]
    whole = kept[:, None, None] & inside[None, :, :]
    a = tl.load(gain + rows, mask=kept, other=0.0)[:, None, None]
    b = tl.load(slope + rows, mask=kept, other=0.0)[:, None, None]
    k = tl.load(bias + rows, mask=kept, other=0.0)[:, None, None]
    upper = a * tl.load(above + where, mask=whole, other=0.0).to(tl.float32)
    upper += b * tl.load(out + where, mask=whole, other=0.0).to(tl.float32) + k
    upper = tl.where(whole, upper, 0.0)
    for c in range(channels):
        x = tl.zeros((spots, width), tl.float32)
        for term in tl.static_range(terms):
            number = tl.load(table + block * terms + term)
            x += active(maps, scale, shift, number, c, channels, pixels, images, p, n, inside)
        positive = x > 0
        place = ((block * channels + c) * pixels + p) * pixels + q
        matrix = tl.load(taps + place, mask=square, other=0.0)
        y = tl.dot(matrix, tl.maximum(x, 0.0).to(matrix.dtype), input_precision="ieee")
        column = tl.load(weights + rows * channels + c, mask=kept, other=0.0).to(tl.float32)
        tl.store(
            products + ((block * tiles + tile) * channels + o) * channels + c,
            tl.sum(tl.sum(upper * y[None, :, :], axis=2), axis=1),
            mask=kept,
        )
        middle = tl.sum(upper * column[:, None, None], axis=0)
        here = ((block * channels + c) * pixels + p) * images + n
        tl.store(inner + here, middle, mask=inside)
        lower = tl.dot(tl.trans(matrix), middle.to(matrix.dtype), input_precision="ieee")
        tl.store(below + here, tl.where(positive, lower, 0.0), mask=inside)


active, forward, backward = triton.jit(_active), triton.jit(_forward), triton.jit(_backward)

WARPS, TILE = 8, 16  # of a program; images of a tile
LEAST = 16  # rows and columns of a product on tensor cores


def sizes(channels: int, pixels: int) -> dict[str, int]:
    """The sizes that a kernel is compiled for: powers of two that hold a block's."""
    padded, spots = (max(LEAST, triton.next_power_of_2(each)) for each in (channels, pixels))
    return {"padded": padded, "spots": spots, "width": TILE}


def run_forward(case: Case) -> tuple[Tensor, Tensor]:
    """The maps (M, channels, pixels, images) before their normalisation, their sums and squares (2, M, channels)."""
    blocks, channels, pixels, images = case.shape
    tiles = triton.cdiv(images, TILE)
    out = torch.empty(case.shape, device=case.maps.device, dtype=case.maps.dtype)
    sums = torch.empty(2, blocks, tiles, channels, device=out.device)
    forward[(tiles, blocks)](
        case.maps, case.scale, case.shift, case.table, case.taps, case.weights, out, sums, channels, pixels, images,
        terms=case.table.shape[1], **sizes(channels, pixels), num_warps=WARPS,
    )  # fmt: skip
    return out, sums.sum(dim=2)


def run_backward(case: Case, out: Tensor, above: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients, given that of ``out``: between the convolutions, of the node's sum, of the weights."""
    blocks, channels, pixels, images = case.shape
    tiles, rows = triton.cdiv(images, TILE), (blocks, channels)
    inner, below = torch.empty_like(out), torch.empty_like(out)
    products = torch.empty(blocks, tiles, channels, channels, device=out.device)
    ones, zeros = torch.ones(rows, device=out.device), torch.zeros(rows, device=out.device)
    backward[(tiles, blocks)](
        case.maps, case.scale, case.shift, case.table, case.taps, case.weights, out, above, ones, zeros, zeros,
        inner, below, products, channels, pixels, images, terms=case.table.shape[1], **sizes(channels, pixels),
        num_warps=WARPS,
    )  # fmt: skip
    return inner, below, products.sum(dim=1)
