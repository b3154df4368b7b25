"""The closed-form cost of a genotype: how long it takes, and that it agrees with torch's flop counter."""

import argparse
import statistics
import time
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from zoo.networks.cell_network import build_network
from zoo.networks.profile import measured_cost
from zoo.spaces import CELL_SPACES, CellGenotype, CellSpace, Skeleton, cost
from zoo.spaces.cost import cost_table

GOAL, TOGETHER_GOAL = 2.0, 0.2  # µs per genotype, alone and in a population
POPULATION = 70


def timed(space: CellSpace, skeleton: Skeleton, count: int, counted: int, seed: int) -> dict[str, Any]:
    """One space: median microseconds of the closed form, milliseconds of counting on the built network."""
    rng = np.random.default_rng((seed, *space.name.encode()))
    genotypes = [space.sample(rng) for _ in range(count)]
    table = cost_table(skeleton)
    alone = [1e6 * per_call(lambda genotype=genotype: table.of(genotype)) for genotype in genotypes]  # type: ignore[misc]
    codes = table.encode(genotypes[:POPULATION])
    together = 1e6 * per_call(lambda: table.macs(codes)) / len(codes)
    same = table.macs(codes).tolist() == [table.of(genotype).macs for genotype in genotypes[:POPULATION]]
    checked = [counting(genotype, skeleton) for genotype in genotypes[:counted]]
    median = statistics.median(alone)
    return {
        "space": space.name,
        "genotypes": count,
        "us_alone": round(median, 3),
        "goal": GOAL,
        "us_in_a_population": round(together, 3),
        "goal_there": TOGETHER_GOAL,
        "reached": median <= GOAL and together <= TOGETHER_GOAL,
        "counted": counted,
        "ms_counting": round(statistics.median(ms for ms, _ in checked), 1) if checked else None,
        "agree": same and all(agrees for _, agrees in checked),
    }


def per_call(call: Callable[[], object], calls: int = 20) -> float:
    """Seconds of a call, the least of several turns: noise only adds."""
    return min(timeit.repeat(call, number=calls, repeat=5)) / calls


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
