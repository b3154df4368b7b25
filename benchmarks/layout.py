"""Images last or pixels last? Operations of small maps in both layouts of channel-major activations, forward.

Then, with images last: batch normalisation as a group normalisation beside torch's own, and
products in bfloat16 beside float32.
"""

import argparse
import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

IMAGES = 384
MAPS = ((9, 8), (18, 4), (36, 2))  # channels and pixels a side of the three parts of a c4r4 network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--calls", type=int, default=10)


def run(args: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    rows = []
    for channels, side in MAPS:
        pixels = side * side
        last = torch.randn(channels, pixels, IMAGES)
        first = last.transpose(1, 2).contiguous()  # (C, N, P)
        matrices = torch.randn(channels, pixels, pixels)
        maps_last = last.view(channels, side, side, IMAGES).permute(0, 3, 1, 2)
        maps_first = first.view(channels, IMAGES, side, side)
        for what, images_last, pixels_last in (
            ("depthwise product", partial(torch.bmm, matrices, last), partial(torch.bmm, first, matrices)),
            ("max pool 3×3", partial(_max, maps_last, 3), partial(_max, maps_first, 3)),
            ("max pool 7×7", partial(_max, maps_last, 7), partial(_max, maps_first, 7)),
            ("average pool 3×3", partial(_average, maps_last), partial(_average, maps_first)),
        ):
            times = [_microseconds(call, args.calls) for call in (images_last, pixels_last)]
            rows.append(
                {
                    "channels": channels,
                    "pixels": side,
                    "what": what,
                    "us_images_last": round(times[0], 1),
                    "us_pixels_last": round(times[1], 1),
                    "ratio": round(times[1] / times[0], 2),
                }
            )
        rows += [choice(channels, side, args.calls, *each) for each in choices(channels, pixels)]
    rows.sort(key=lambda row: "us" in row)  # one table after the other
    return {"name": "layout", "images": IMAGES, "rows": rows}


def choices(channels: int, pixels: int) -> list[tuple[str, Callable[[], object], Callable[[], object]]]:
    """What was chosen, what was not, and what both are called; on activations (C, P, N)."""
    maps, matrices = torch.randn(channels, pixels, IMAGES), torch.randn(channels, pixels, pixels)
    low, low_matrices = maps.bfloat16(), matrices.bfloat16()
    length, gain, shift = pixels * IMAGES, torch.ones(channels), torch.zeros(channels)
    rows = maps.view(1, channels, length)

    def as_groups() -> object:
        return torch.native_group_norm(rows, gain, shift, 1, channels, length, channels, 1e-5)

    def as_batch() -> object:
        return torch.native_batch_norm(rows, gain, shift, None, None, True, 0.1, 1e-5)

    return [
        ("batch norm: as groups, or torch's", as_groups, as_batch),
        ("product: bfloat16, or float32", partial(torch.bmm, low_matrices, low), partial(torch.bmm, matrices, maps)),
    ]


def choice(
    channels: int, side: int, calls: int, what: str, first: Callable[[], object], other: Callable[[], object]
) -> dict[str, Any]:
    """One row of two ways to do the same."""
    times = [_microseconds(call, calls) for call in (first, other)]
    sizes = {"channels": channels, "pixels": side, "what": what}
    return sizes | {"us": round(times[0], 1), "us_other": round(times[1], 1), "ratio": round(times[1] / times[0], 2)}


def _max(maps: torch.Tensor, kernel: int) -> torch.Tensor:
    return functional.max_pool2d(maps, kernel, 1, kernel // 2)


def _average(maps: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(maps, 3, 1, 1, count_include_pad=False)


def _microseconds(call: Callable[[], object], calls: int) -> float:
    """Of a call, the least of several turns: noise only adds."""
    return 1e6 * min(timeit.repeat(call, number=calls, repeat=7)) / calls
