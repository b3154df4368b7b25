"""A layer group to compute: blocks of one shape with what they read, and what torch's modules make of it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TERMS = 2
"""Maps that a node sums."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A group of M blocks, each a ReLU, a depthwise and a pointwise convolution of a node's sum.

    Attributes:
        maps: (V, channels, pixels, images), before their normalisation.
        scale: of their normalisation, float32 (V, channels).
        shift: likewise.
        table: which maps a block's node sums, int64 (M, terms).
        kernels: depthwise, float32 (M, channels, k, k).
        taps: as matrices, (M, channels, pixels out, pixels in).
        weights: pointwise, (M, channels out, channels in).
    """

    maps: Tensor
    scale: Tensor
    shift: Tensor
    table: Tensor
    kernels: Tensor
    taps: Tensor
    weights: Tensor

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(M, channels, pixels, images)."""
        return len(self.table), *self.maps.shape[1:]


def made(
    channels: int, side: int, images: int, blocks: int, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Case:
    """The same numbers everywhere; kernels of 3 × 3."""
    generator, pixels = torch.Generator().manual_seed(0), side * side

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    kernels, eye = drawn(blocks, channels, 3, 3), torch.eye(pixels).view(1, pixels, side, side)
    weight = kernels.view(-1, 1, 3, 3)
    spread = functional.conv2d(
        eye.transpose(0, 1).expand(-1, len(weight), -1, -1), weight, padding=1, groups=len(weight)
    )
    taps = spread.flatten(2).permute(1, 2, 0).reshape(blocks, channels, pixels, pixels)
    return Case(
        maps=drawn(TERMS * blocks, channels, pixels, images).to(device, dtype),
        scale=drawn(TERMS * blocks, channels).to(device),
        shift=drawn(TERMS * blocks, channels).to(device),
        table=torch.randperm(TERMS * blocks, generator=generator).view(blocks, TERMS).to(device),
        kernels=kernels.to(device),
        taps=taps.contiguous().to(device, dtype),
        weights=(drawn(blocks, channels, channels) / channels**0.5).to(device, dtype),
    )


def plainly(case: Case, above: Tensor | None = None) -> tuple[Tensor, ...]:
    """As torch's modules compute it in the dtype of the maps: the result, and its gradients where ``above`` is given.

    Those are of what lies between the convolutions, of the node's sum, and of the pointwise weights.
    """
    blocks, channels, pixels, images = case.shape
    side, dtype = round(pixels**0.5), case.maps.dtype
    normal = case.maps * case.scale[..., None, None].to(dtype) + case.shift[..., None, None].to(dtype)
    node = normal[case.table].sum(dim=1).requires_grad_(above is not None)
    weights = case.weights.detach().clone().requires_grad_(above is not None)
    flat = torch.relu(node).permute(3, 0, 1, 2).reshape(images, blocks * channels, side, side)
    kernels = case.kernels.to(dtype).view(-1, 1, 3, 3)
    inner = functional.conv2d(flat, kernels, padding=1, groups=blocks * channels)
    out = functional.conv2d(inner, weights.view(-1, channels, 1, 1), groups=blocks)

    def laid_out(maps: Tensor) -> Tensor:
        return maps.reshape(images, blocks, channels, pixels).permute(1, 2, 3, 0)

    result = laid_out(out)
    if above is None:
        return (result,)
    between, below, products = torch.autograd.grad(result, [inner, node, weights], above)
    return result.detach(), laid_out(between), below, products
