"""Where a step's processor time goes: the operators that take most of it, for every kind of training there is.

What explains the rows of ``table`` that miss their goals. Without a GPU an operator's time is the processor's.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import darts_step, supernet_step
from benchmarks._pairs import RECIPE, SETTING, genotypes, jobs, noise, proxy_skeleton
from benchmarks.baselines import plain_training
from milenas.supernet.config import SupernetConfig
from milenas.supernet.supernet import build_supernet
from zoo.spaces import Skeleton
from zoo.training import Precision, TrainingEvaluator, TrainingSetup


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--of", nargs="+", choices=STEPS, default=list(STEPS), help="kinds of training")
    parser.add_argument("--most", type=int, default=8, help="operators listed of each")
    parser.add_argument("--batch", type=int, default=64, help="images of a step of a supernet")
    parser.add_argument("--resolution", type=int, default=32, help="pixels a side, of supernets")
    parser.add_argument("--images", type=int, default=384, help="of an epoch of cells at c4r4")
    parser.add_argument("--group", type=int, default=8, help="cells trained together")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Every kind's operators, after a step that warms up."""
    torch.set_num_threads(1)
    rows = []
    for name in args.of:
        step = STEPS[name](args)
        step()
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            step()
        found = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
        total = sum(event.self_cpu_time_total for event in found)
        rows += [
            {"of": name, "operator": one.key, "calls": one.count, "share": round(one.self_cpu_time_total / total, 3),
             "ms": round(one.self_cpu_time_total / 1e3, 1), "ms_in_all": round(total / 1e3, 1)}
            for one in found[: args.most]
        ]  # fmt: skip
    return {"name": "operators", "batch": args.batch, "images": args.images, "group": args.group, "rows": rows}


def plain_cells(args: argparse.Namespace) -> Callable[[], object]:
    """An epoch of one network by the plain loop, its loader included."""
    (genotype,), images = genotypes(1), noise(args.images, args.images)
    return partial(plain_training, genotype, proxy_skeleton(), RECIPE, images, epochs=SETTING.e, seed=0)


def cells(args: argparse.Namespace, *, count: int | None = None) -> Callable[[], object]:
    """An epoch of a group of networks as one program."""
    setup = TrainingSetup(recipe=RECIPE, precision=Precision(), threads=1, engine="auto")
    evaluator = TrainingEvaluator(setup, noise(args.images, args.images))
    return partial(evaluator, jobs(genotypes(count or args.group)))


def scarlet(args: argparse.Namespace) -> Callable[[], object]:
    """A fair step of the 19-layer supernet for small images."""
    space = "scarlet-s1-cifar"
    sizes = argparse.Namespace(channels=32, resolution=args.resolution, batch=args.batch, device="cpu")
    _, ours = supernet_step.both(space, "fair", sizes, "float32")
    ((images, labels, paths),) = supernet_step.batches(space, "fair", 1, sizes)
    return partial(ours, images, labels, paths)


def darts(args: argparse.Namespace, *, second: bool = False) -> Callable[[], object]:
    """A step of differentiable search, with 16 channels and 8 cells."""
    generator = torch.Generator().manual_seed(0)
    net = build_supernet(SupernetConfig(), Skeleton(channels=16, cells=8, resolution=args.resolution), generator)
    shape = (args.batch, 3, args.resolution, args.resolution)
    batches = [
        (torch.randn(shape, generator=generator).to(memory_format=torch.channels_last),
         torch.randint(10, (args.batch,), generator=generator))
        for _ in range(2)
    ]  # fmt: skip
    return partial(darts_step.ours, net.to(memory_format=torch.channels_last), *batches, second=second)


STEPS: dict[str, Callable[[argparse.Namespace], Callable[[], object]]] = {
    "plain-cells": plain_cells,
    "cells": partial(cells, count=1),
    "cells-together": cells,
    "scarlet": scarlet,
    "darts": darts,
    "darts-second-order": partial(darts, second=True),
}
