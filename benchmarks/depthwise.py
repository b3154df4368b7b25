"""Depthwise convolutions in training, ours beside torch's own: forward and backward, channels last, one thread."""

import argparse
from typing import Any

import torch

from benchmarks._pairs import compared, in_turns, torchs_own
from zoo.networks.convolution import convolution

CASES = ((16, 5, 2, 16), (16, 3, 2, 16), (36, 5, 2, 8), (16, 5, 1, 32), (96, 7, 1, 32), (96, 5, 1, 16), (240, 7, 1, 16),
         (192, 5, 1, 8), (96, 3, 1, 16), (384, 5, 1, 4), (384, 7, 1, 4), (576, 3, 1, 2))  # fmt: skip
"""Channels, kernel, dilation, pixels a side: of cells, then of inverted bottlenecks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7, help="both sides in turn")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Both ways, in turns; the largest difference of a gradient beside them."""
    torch.set_num_threads(1)
    rows = []
    for channels, kernel, dilation, pixels in CASES:
        ours = convolution(channels, channels, kernel, 1, channels, dilation).to(memory_format=torch.channels_last)
        plain = convolution(channels, channels, kernel, 1, channels, dilation).to(memory_format=torch.channels_last)
        plain.load_state_dict(ours.state_dict())
        sides = {"ours": Pass(ours, args.batch, pixels), "torch": Pass(torchs_own(plain), args.batch, pixels)}
        gaps = [(a - b).abs().max() / b.abs().max() for a, b in zip(sides["ours"](), sides["torch"](), strict=True)]
        rows.append(
            {"channels": channels, "kernel": kernel, "dilation": dilation, "pixels": pixels}
            | compared([in_turns(sides, args.rounds)], "ours", "torch", 1.0)
            | {"gap": float(max(gaps))}
        )
    return {"name": "depthwise", "batch": args.batch, "rows": rows}


class Pass:
    """A module's forward and backward pass on the same images every time."""

    def __init__(self, module: torch.nn.Conv2d, batch: int, pixels: int) -> None:
        generator = torch.Generator().manual_seed(0)
        shape = (batch, module.in_channels, pixels, pixels)
        images = torch.randn(shape, generator=generator).to(memory_format=torch.channels_last)
        self._module, self._images = module, images.requires_grad_()
        self._slopes = torch.randn(shape, generator=generator).to(memory_format=torch.channels_last)

    def __call__(self) -> tuple[torch.Tensor, ...]:
        """Gradients of the images and of the weights."""
        out = self._module(self._images)
        return torch.autograd.grad(out, (self._images, self._module.weight), self._slopes)
