"""A supernet trained from a stream, against the same images in memory: memory by the number of images, and throughput.

Random smooth pictures are written as JPEG files, more and more of them. Every side is a process of its own that trains
the same steps on the same supernet. Its memory is the peak above what it had with the supernet built and no image read,
in itself and in the largest process that it starts. The two sides take turns. Decoding must not be the bound: with so
few pixels a step takes much longer than reading its images.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

THROUGHPUT, MEGABYTES = 0.9, 2000.0
"""Goals: of the throughput of images in memory; beside the model."""
CLASSES = 10
NUMBERS = ("resolution", "channels", "batch", "steps", "loaders", "threads")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--sizes", type=int, nargs="+", default=[5000, 20000], help="images")
    parser.add_argument("--resolution", type=int, default=64, help="pixels a side")
    parser.add_argument("--channels", type=int, default=16, help="of the stem")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=8, help="timed steps of a round, one path each")
    parser.add_argument("--rounds", type=int, default=3, help="alternating processes per side")
    parser.add_argument("--loaders", type=int, default=1, help="processes that decode")
    parser.add_argument("--threads", type=int, default=1)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """One row per number of images, and how memory grows from the first to the last."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in args.sizes:
            folder = Path(scratch) / str(size)
            write_pictures(folder, size, args.resolution)
            rounds = [(side(args, folder, True), side(args, folder, False)) for _ in range(args.rounds)]
            rows.append({"images": size, **compared(*zip(*rounds, strict=True), args=args)})
    growth = rows[-1]["streamed_mb"] / rows[0]["streamed_mb"]
    sizes = {name: getattr(args, name) for name in NUMBERS}
    return {"name": "streamed_supernet", "rows": rows, "growth_of_streamed_memory": round(growth, 3), **sizes}


def write_pictures(folder: Path, count: int, resolution: int) -> None:
    """JPEG files, as many in every class, beginning with the same ones whatever the count."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        picture = small.resize((resolution, resolution), Image.Resampling.BICUBIC)
        picture.save(folder / f"class{number % CLASSES}" / f"{number:06d}.jpg", quality=85)


def side(args: argparse.Namespace, folder: Path, streamed: bool) -> dict[str, float]:
    """What a process of its own measures.

    Raises:
        RuntimeError: if it fails.
    """
    asked = {name: getattr(args, name) for name in NUMBERS}
    asked |= {"folder": str(folder), "streamed": streamed, "classes": CLASSES}
    command = [sys.executable, "-m", "benchmarks._streamed_side", json.dumps(asked)]
    with tempfile.TemporaryDirectory() as cache:  # decoded pictures of an earlier round would be mapped, not held
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compared(
    streamed: Sequence[dict[str, float]], held: Sequence[dict[str, float]], *, args: argparse.Namespace
) -> dict[str, Any]:
    """Medians of both sides, and whether the goals are reached."""
    images = args.batch * args.steps
    ratio = median(held, "seconds") / median(streamed, "seconds")
    memory, child = median(streamed, "megabytes"), median(streamed, "child_megabytes")
    return {
        "streamed_mb": round(memory, 1),
        "child_mb": round(child, 1),
        "held_mb": round(median(held, "megabytes"), 1),
        "streamed_images_per_second": round(images / median(streamed, "seconds"), 1),
        "held_images_per_second": round(images / median(held, "seconds"), 1),
        "throughput": round(ratio, 3),
        "reached": ratio >= THROUGHPUT and memory + max(1, args.loaders) * child < MEGABYTES,
    }


def median(rows: Sequence[dict[str, float]], name: str) -> float:
    """Of a column."""
    return float(np.median([row[name] for row in rows]))
