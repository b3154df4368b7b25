"""The closed-form cost of a genotype: how long it takes, and that it agrees with torch's flop counter."""

import argparse
import statistics
import time
from typing import Any

import numpy as np
import torch

from zoo.networks.cell_network import build_network
from zoo.networks.profile import measured_cost
from zoo.spaces import CELL_SPACES, CellGenotype, CellSpace, Skeleton, cost

GOAL = 1.0  # ms per genotype


def timed(space: CellSpace, skeleton: Skeleton, count: int, counted: int, seed: int) -> dict[str, Any]:
    """One space: median milliseconds of the closed form and of counting on the built network."""
    rng = np.random.default_rng((seed, *space.name.encode()))
    genotypes = [space.sample(rng) for _ in range(count)]
    closed = []
    for genotype in genotypes:
        began = time.perf_counter()
        cost(genotype, skeleton)
        closed.append(1000 * (time.perf_counter() - began))
    checked = [counting(genotype, skeleton) for genotype in genotypes[:counted]]
    median = statistics.median(closed)
    return {
        "space": space.name,
        "genotypes": count,
        "ms_per_genotype": round(median, 4),
        "slowest": round(max(closed), 4),
        "goal": GOAL,
        "reached": median < GOAL,
        "counted": counted,
        "ms_counting": round(statistics.median(ms for ms, _ in checked), 1) if checked else None,
        "agree": all(same for _, same in checked),
    }


def counting(genotype: CellGenotype, skeleton: Skeleton) -> tuple[float, bool]:
    """Milliseconds to build the network and count on it, and whether that gives what the closed form gives."""
    began = time.perf_counter()
    network = build_network(genotype, skeleton, torch.Generator().manual_seed(0))
    measured = measured_cost(network, skeleton.in_channels, skeleton.resolution)
    return 1000 * (time.perf_counter() - began), measured == cost(genotype, skeleton)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--genotypes", type=int, default=200, help="per space")
    parser.add_argument("--counted", type=int, default=5, help="of them also built and counted")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> dict[str, Any]:
    skeleton = Skeleton()  # 20 cells, 36 channels, 32 pixels
    rows = [timed(space, skeleton, args.genotypes, args.counted, args.seed) for space in CELL_SPACES.values()]
    return {"name": "cost", "cells": skeleton.cells, "channels": skeleton.channels, "rows": rows}
