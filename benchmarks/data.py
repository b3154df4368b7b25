"""Augmented images per second: batches on the device against torchvision's transforms in a DataLoader.

The last row is how long a batch takes to augment beside a training step on it: float32, 8 pixels, as ``proxy_epoch``.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks._pairs import RECIPE, compared, genotypes, in_turns, noise, proxy_skeleton, share
from benchmarks.baselines import LOADERS, PictureSplit, seen_in_training
from zoo.data.augmentation import Augmentation, augment, draw
from zoo.data.image_set import ImageSet
from zoo.networks import build_network
from zoo.spaces import CellGenotype
from zoo.training import Precision
from zoo.training.cotraining import make_program
from zoo.training.step import train_step

GOALS = {32: 5.0, 8: 2.0}
LIMIT = 0.05
"""Share of a step."""


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


def training_step(genotype: CellGenotype, batch: int, device: str) -> Callable[[], object]:
    """A step of the engine on a batch that is ready."""
    skeleton, random = proxy_skeleton(), torch.Generator().manual_seed(0)
    program = make_program([build_network(genotype, skeleton, random, device=device)], Precision(device=device), RECIPE)
    images = torch.randn(1, batch, skeleton.in_channels, skeleton.resolution, skeleton.resolution, device=device)
    labels = torch.zeros(1, batch, dtype=torch.long, device=device)
    return lambda: train_step(program, images, labels, RECIPE, 0.01).tolist()  # read, so that a GPU is waited for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", type=int, default=4, help="whose steps are timed")
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
    one = device_epoch(noise(args.batch, 10), proxy_skeleton().resolution, args.batch, args.device)
    times = [
        in_turns({"augmentation": one, "a step": training_step(genotype, args.batch, args.device)}, args.rounds)
        for genotype in genotypes(args.networks)
    ]
    rows.append(share(times, "augmentation", "a step", LIMIT))
    return {"name": "data", "threads": args.threads, "loaders": LOADERS, "rows": rows}
