"""Images last or pixels last? Operations of small maps in both layouts of channel-major activations, forward."""

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
    return {"name": "layout", "images": IMAGES, "rows": rows}


def _max(maps: torch.Tensor, kernel: int) -> torch.Tensor:
    return functional.max_pool2d(maps, kernel, 1, kernel // 2)


def _average(maps: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(maps, 3, 1, 1, count_include_pad=False)


def _microseconds(call: Callable[[], object], calls: int) -> float:
    """Of a call, the least of several turns: noise only adds."""
    return 1e6 * min(timeit.repeat(call, number=calls, repeat=7)) / calls
