"""From which map on are modules faster than a program? One training step of each, by pixels and channels.

Processor seconds of one thread, so that other work on the machine disturbs less; modules in channels-last memory, with
the fused update: the plain engine, not the plain loop.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks._pairs import compared, genotypes
from zoo.networks import build_network
from zoo.spaces import CellGenotype, Skeleton
from zoo.training import Precision, Recipe
from zoo.training.cotraining import LARGEST_MAP, make_program
from zoo.training.epoch import Stage
from zoo.training.step import train_step
from zoo.training.trainer import Learner, make_optimizer, train_epoch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", default="econas-search", help="where the networks are from")
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pixels", type=int, nargs="+", default=[8, 12, 16])
    parser.add_argument("--channels", type=int, nargs="+", default=[9, 18, 36])


def run(args: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    rows = []
    for pixels in args.pixels:
        for channels in args.channels:
            skeleton = Skeleton(channels=channels, cells=args.cells, resolution=pixels)
            times = [steps(g, skeleton, args.batch, args.rounds) for g in genotypes(args.networks, args.space)]
            chosen = "program" if pixels <= LARGEST_MAP else "modules"
            row = compared(times, "program", "modules", 1.0)
            rows.append({"pixels": pixels, "channels": channels, "chosen": chosen, **row})
    return {"name": "crossover", "space": args.space, "batch": args.batch, "cells": args.cells, "rows": rows}


def steps(genotype: CellGenotype, skeleton: Skeleton, batch: int, rounds: int) -> dict[str, list[float]]:
    """Processor seconds of training steps of one network, both ways in turns."""
    recipe, precision, side = Recipe(batch=batch), Precision(), skeleton.resolution
    images, labels = torch.randn(batch, 3, side, side), torch.arange(batch) % 10
    modules = build_network(genotype, skeleton, torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    learner = Learner.of(modules, make_optimizer(modules, recipe), recipe)
    stage = Stage(start=0, stop=1, epochs=1, seed=0, root=0)
    program = make_program([build_network(genotype, skeleton, torch.Generator().manual_seed(0))], precision, recipe)
    sides: dict[str, Callable[[], object]] = {
        "modules": lambda: train_epoch(learner, [(images, labels)], batch, recipe, precision, stage, 0),
        "program": lambda: train_step(program, images[None], labels[None], recipe, 0.01),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side_ in sides.items():
            began = time.thread_time()
            side_()
            if number:
                seconds[name].append(time.thread_time() - began)
    return seconds
