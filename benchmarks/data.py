"""Augmented images per second: batches on the device against torchvision's transforms in a DataLoader."""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks._pairs import compared, in_turns, noise
from benchmarks.baselines import LOADERS, PictureSplit, seen_in_training
from zoo.data.augmentation import Augmentation, augment, draw
from zoo.data.image_set import ImageSet

GOALS = {32: 5.0, 8: 2.0}


def device_epoch(images: ImageSet, resolution: int, batch: int, device: str) -> Callable[[], int]:
    """An epoch as the trainer prepares it: shuffled, drawn, cropped, flipped, resized, normalised, cut out."""
    pixels = torch.tensor(images.train.images, device=device)
    augmentation = Augmentation.scaled(images.resolution, resolution, flip=images.flip)

    def epoch() -> int:
        rng = np.random.default_rng(0)
        count = len(pixels)
        order = torch.from_numpy(rng.permutation(count)).to(device)
        draws = draw(augmentation, rng, count, images.resolution, images.resolution, resolution).to(device)
        seen = 0
        for first in range(0, count, batch):
            part = slice(first, first + batch)
            chosen = pixels[order[part]]
            seen += len(augment(chosen, draws[part], augmentation, resolution, images.mean, images.std))
        return seen

    return epoch


def loader_epoch(images: ImageSet, resolution: int, batch: int) -> Callable[[], int]:
    """The same in a DataLoader, as the plain loop has it."""
    split = PictureSplit(images.train, seen_in_training(images, resolution, cutout=resolution // 2))
    random = torch.Generator().manual_seed(0)
    loader = DataLoader(split, batch_size=batch, shuffle=True, num_workers=LOADERS, generator=random)
    return lambda: sum(len(labels) for _, labels in loader)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--threads", type=int, default=1, help="of the process that augments; the DataLoader has 2 more"
    )
    parser.add_argument("--device", default="cpu")


def run(args: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(args.threads)
    images = noise(args.images, 10)
    rows = []
    for resolution, goal in GOALS.items():
        sides: dict[str, Callable[[], object]] = {
            "batches": device_epoch(images, resolution, args.batch, args.device),
            "DataLoader": loader_epoch(images, resolution, args.batch),
        }
        row = compared([in_turns(sides, args.rounds)], "batches", "DataLoader", goal)
        rate = args.images / float(str(row["median_seconds"]))
        rows.append({"pixels": resolution, "images_per_second": round(rate), **row})
    return {"name": "data", "threads": args.threads, "loaders": LOADERS, "rows": rows}
