"""Which signal of a cheap training ranks networks best: accuracy, a loss, or nothing trained at all.

One study for each image set and space, with everything that a training records. The default signal is chosen on the
first image sets and tested once on the last one, with fresh networks and seeds.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import thriftnas
from zoo.experiments import Run

SPACES = ("econas-zoo", "econas-search")
SETTING = "c{0,2}r{0,2}s0e{6,12} c0r0s1e{12,24}"
REFERENCE = "c0r0s0e20"


@dataclass(frozen=True, slots=True)
class Images:
    """An image set of the benchmark: what it is called, the counts of its images, and the seed of its studies."""

    name: str
    train: int
    validation: int
    seed: int
    chooses: bool  # whether the default signal is chosen on it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--cifar10", default="cifar10", help="CIFAR-10 as --data names it, e.g. imagefolder:DIR")
    parser.add_argument("--models", type=int, default=24, help="networks of every study")
    parser.add_argument("--repeats", type=int, default=3, help="trainings of every network at the reference")
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--only", help="image sets to train on now, separated by commas; the others wait")
    parser.add_argument("--runs", type=Path, default=Path("runs/signals"), help="folder of the studies")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train what is not trained yet, then compare.

    Raises:
        ValueError: for images that cannot be read, or counts that a study refuses.
    """
    sets = (
        Images("digits", 640, 798, 0, True),
        Images("fashion-mnist", 2560, 5000, 0, True),
        Images(args.cifar10, 2560, 5000, 1, False),
    )
    wanted = None if args.only is None else args.only.split(",")
    studies = [
        studied(images, space, args)
        for space in SPACES
        for images in sets
        if wanted is None or images.name.partition(":")[0] in wanted
    ]
    return {"name": "signals", "rows": [{"run": str(one.folder), **one.status} for one in studies]}


def studied(images: Images, space: str, args: argparse.Namespace) -> Run:
    """One study, begun or continued."""
    return thriftnas.study(
        images.name,
        args.runs / f"{Path(images.name).name}-{space}",
        space=space,
        models=args.models,
        repeats=args.repeats,
        setting=SETTING,
        reference=REFERENCE,
        train=images.train,
        validation=images.validation,
        resolution=8,
        channels=8,
        cells=8,
        batch=96 if images.train > 1000 else 32,
        group=8,
        seed=images.seed,
        workers=args.workers,
    )
