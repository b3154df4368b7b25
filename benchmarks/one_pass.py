"""A 1×1 convolution, its normalisation and its h-swish in training: torch's kernels against two ways with fewer passes.

The convolutions that widen an inverted bottleneck, with the largest maps of a supernet. ``folded`` never passes over
the wide maps to normalise them: their means and variances follow from the covariance C of the narrow input, the
variance of output channel i is wᵢᵀ C wᵢ, so that the normalisation goes into the convolution's weights. ``compiled``
lets inductor write one kernel of normalisation and h-swish (it needs a C++ compiler). Both have torch's numbers.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks._pairs import compared, in_turns

CASES = ((32, 3, 32), (32, 6, 32), (40, 6, 16), (80, 3, 16), (80, 6, 16), (96, 6, 8), (192, 6, 8))
"""Narrow channels, expansion, pixels a side."""
EPSILON = 1e-5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7, help="all ways in turn")
    parser.add_argument("--most", type=int, default=len(CASES), help="cases measured, of the first")
    parser.add_argument("--compile", action="store_true", help="inductor's kernels too, which take minutes to make")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All ways in turns, forward and backward; the largest difference of a gradient beside them."""
    torch.set_num_threads(1)
    ways: dict[str, Way] = {"torch": apart, "folded": folded}
    if args.compile:
        ways["compiled"] = _compiled()
    rows = []
    for narrow, expansion, pixels in CASES[: args.most]:
        sides = {name: Pass(way, narrow, expansion, pixels, args.batch) for name, way in ways.items()}
        theirs = sides["torch"]()
        times = in_turns(sides, args.rounds)
        for name in list(ways)[1:]:
            gaps = [(a - b).abs().max() / b.abs().max() for a, b in zip(sides[name](), theirs, strict=True)]
            rows.append(
                {"channels": narrow, "expansion": expansion, "pixels": pixels}
                | compared([times], name, "torch", 1.0)
                | {"gap": float(max(gaps))}
            )
    return {"name": "one_pass", "batch": args.batch, "rows": rows}


Way = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Normalised, activated maps (B, E, H, W) of maps (B, C, H, W), kernels (E, C, 1, 1), scales and shifts (E,)."""


def apart(x: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """torch's convolution, then its normalisation by the batch, then its activation."""
    return _activated(functional.conv2d(x, weight), scale, shift)


def _activated(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return functional.hardswish(functional.batch_norm(maps, None, None, scale, shift, True, 0.1, EPSILON))


def folded(x: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """The normalisation inside the convolution, then the activation."""
    return functional.hardswish(_Folded.apply(x, weight, scale, shift))


class _Folded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        rows, kernel = _rows(x), weight.flatten(1)
        centre = rows.mean(0)
        off = rows - centre
        by_covariance = kernel @ (off.T @ off / len(rows))
        inverse = torch.rsqrt((by_covariance * kernel).sum(1) + EPSILON)
        mean, folded = kernel @ centre, (scale * inverse)[:, None] * kernel
        ctx.save_for_backward(x, kernel, folded, scale, inverse, mean, centre, by_covariance)
        return functional.conv2d(x, folded[:, :, None, None], shift - scale * inverse * mean)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        x, kernel, folded, scale, inverse, mean, centre, by_covariance = ctx.saved_tensors
        rows, slopes = _rows(x), _rows(gradient)
        for_folded, for_shift = slopes.T @ rows, slopes.sum(0)
        for_scale = (for_folded * kernel).sum(1) - for_shift * mean
        for_variance = -0.5 * for_scale * scale * inverse**3
        for_mean = -scale * inverse * for_shift
        for_kernel = (scale * inverse)[:, None] * for_folded + for_mean[:, None] * centre
        for_kernel += 2 * for_variance[:, None] * by_covariance
        for_covariance = (kernel.T * (for_variance * (2 / len(rows)))) @ kernel
        offset = kernel.T @ for_mean / len(rows) - for_covariance @ centre
        for_rows = torch.addmm(slopes @ folded, rows, for_covariance).add_(offset)
        for_x = for_rows.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)
        return for_x, for_kernel[:, :, None, None], for_scale * inverse, for_shift


def _rows(maps: Tensor) -> Tensor:
    """(B, C, H, W) with channels last -> (B·H·W, C), the same memory."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _compiled() -> Way:
    kernel = torch.compile(_activated, dynamic=True)
    return lambda x, weight, scale, shift: kernel(functional.conv2d(x, weight), scale, shift)


class Pass:
    """Forward and backward pass of a way on the same maps every time."""

    def __init__(self, way: Way, narrow: int, expansion: int, pixels: int, batch: int) -> None:
        generator = torch.Generator().manual_seed(0)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        wide = narrow * expansion
        images = drawn(batch, narrow, pixels, pixels).to(memory_format=torch.channels_last)
        given = (images, drawn(wide, narrow, 1, 1), 1 + 0.1 * drawn(wide), drawn(wide))
        self._given = tuple(tensor.requires_grad_() for tensor in given)
        self._way = way
        self._slopes = drawn(batch, wide, pixels, pixels).to(memory_format=torch.channels_last)

    def __call__(self) -> tuple[Tensor, ...]:
        """Gradients of the maps, kernels, scales and shifts."""
        return torch.autograd.grad(self._way(*self._given), self._given, self._slopes)
