"""What scores without training cost beside the trainings of a study of the same networks.

Every score and a training step of the reference are timed on the same networks, in turn; a cheap setting costs what its
images and counted MACs make of an epoch of the reference.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch

from benchmarks._pairs import genotypes, noise
from zoo.networks import build_network
from zoo.population.proxy import ProxySetting, parse_grid, share_at
from zoo.scores.measuring import measure_score
from zoo.scores.score import find_score
from zoo.scores.scored_images import ScoredImages
from zoo.spaces import CELL_SPACES, CellGenotype, Skeleton, cost
from zoo.training import Precision, Recipe
from zoo.training.cotraining import make_program
from zoo.training.step import train_step

SCORES = ("synflow", "snip", "grad_norm", "naswot", "zico")
LIMIT, STEPS = 0.02, 8
RECIPE = Recipe(batch=32, lr=0.1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", choices=sorted(CELL_SPACES), default="econas-search")
    parser.add_argument("--networks", type=int, default=4, metavar="N")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--train", type=int, default=2560, metavar="N", help="training images")
    parser.add_argument("--reference", default="c0r0s0e20")
    parser.add_argument("--repeats", type=int, default=3, metavar="K", help="trainings of the reference")
    parser.add_argument("--setting", default="c{0,2}r{0,2}s0e{6,12} c0r0s1e{12,24}", help="grid of cheap settings")


def run(args: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    skeleton = Skeleton(channels=args.channels, cells=args.cells, resolution=8)
    images = noise(args.train, 10).train
    pixels, labels = torch.tensor(images.images), torch.tensor(images.labels)
    seen = ScoredImages(
        images=pixels, labels=labels, resolution=8, mean=(0.5,) * 3, std=(0.25,) * 3, seed=0, root=0, place=_as_it_is
    )
    networks = genotypes(args.networks + 1, args.space)
    rows = [_timed(genotype, skeleton, seen) for genotype in networks][1:]  # the first one pays for imports
    epochs = [_epochs(genotype, skeleton, args) for genotype in networks[1:]]
    steps = args.train / RECIPE.batch
    trained = [row["step"] * steps * count for row, count in zip(rows, epochs, strict=True)]
    scored = [sum(row[name] for name in SCORES) for row in rows]
    share = sum(scored) / (sum(trained) + sum(scored))
    means = {name: round(float(np.mean([row[name] for row in rows])), 3) for name in SCORES}
    summary = {"networks": args.networks, "trainings": round(float(np.mean(trained)), 1)}
    return {
        "name": "score_cost",
        "rows": [{"seconds of a network": "mean"} | means | summary],
        "share": round(share, 4),
        "limit": LIMIT,
        "reached": share <= LIMIT,
    }


def _as_it_is(images: torch.Tensor) -> torch.Tensor:
    return images


def _timed(genotype: CellGenotype, skeleton: Skeleton, seen: ScoredImages) -> dict[str, float]:
    """Processor seconds of every score, and of a training step."""

    def build() -> Any:
        return build_network(genotype, skeleton, torch.Generator().manual_seed(0))

    found = {}
    for name in SCORES:
        began = time.process_time()
        measure_score(find_score(name), genotype, skeleton, build, seen)
        found[name] = time.process_time() - began
    program = make_program([build()], Precision(), RECIPE)
    pixels, labels = torch.randn(1, RECIPE.batch, 3, 8, 8), torch.zeros(1, RECIPE.batch, dtype=torch.long)
    train_step(program, pixels, labels, RECIPE, 0.1)
    began = time.process_time()
    for _ in range(STEPS):
        train_step(program, pixels, labels, RECIPE, 0.1)
    return found | {"step": (time.process_time() - began) / STEPS}


def _epochs(genotype: CellGenotype, skeleton: Skeleton, args: argparse.Namespace) -> float:
    """What a study trains of a network, in epochs of the reference."""
    whole = cost(genotype, skeleton).macs

    def price(setting: ProxySetting) -> float:
        return setting.e * share_at(setting.s) * cost(genotype, setting.skeleton(skeleton)).macs / whole

    reference: float = args.repeats * price(ProxySetting.parse(args.reference))
    return reference + sum(map(price, parse_grid(args.setting)))
