"""A supernet's weight step: ours against a plain loop with the same modules, the same paths and the same losses.

The plain loop is what tutorials do: maps in torch's default order, ``loss.item()`` after every path, SGD tensor by
tensor. Ours keeps maps channels-last, updates all parameters in one fused kernel, never waits for the loss, and on a
CPU keeps freed memory for the next step. A
step is one path (uniform) or as many as a layer has choices (fair). Other sampling rules learn from more than labels,
so only their times compare with the plain loop's. ``loss_gap`` is the largest relative difference
of the losses of the first steps in float64, where the two ways must agree.

Ratios are of medians over alternating rounds, of processor seconds on a CPU, where other programs disturb them less.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks._pairs import compared, torchs_own
from scarlet.supernet.form import SupernetForm
from scarlet.supernet.rules import RULES, sampling_rule
from scarlet.supernet.setup import SupernetSetup
from scarlet.supernet.supernet import Supernet, build_supernet
from scarlet.supernet.training import supernet_optimizer, supernet_step
from zoo.spaces import Skeleton
from zoo.spaces.chain import chain_of
from zoo.spaces.chain_cost import ChainCosts
from zoo.training import Precision, Recipe, TrainingSetup
from zoo.training.memory import keep_freed_memory

CLASSES, CHECKED, GOAL = 10, 3, 2.3
SAMPLINGS = ("uniform", "fair")
RECIPE = Recipe(lr=0.045, lr_min=0.0, weight_decay=4e-5)
Step = Callable[[Tensor, Tensor, NDArray[np.int64]], float | Tensor]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--spaces", default="scarlet-s1-cifar,nas-bench-macro")
    parser.add_argument("--samplings", nargs="+", choices=tuple(RULES), default=list(SAMPLINGS), help="one row each")
    parser.add_argument("--resolution", type=int, default=32, help="pixels a side")
    parser.add_argument("--channels", type=int, default=32, help="channels of the stem")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4, help="per round, uniform; a fair round is one step")
    parser.add_argument("--rounds", type=int, default=5, help="alternating measurements")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", help="of our side: float32, or bfloat16 by autocast")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure every space with every sampling."""
    torch.set_num_threads(args.threads)
    rows = [measured(space, sampling, args) for space in args.spaces.split(",") for sampling in args.samplings]
    sizes = {name: value for name, value in vars(args).items() if name not in ("name", "json", "spaces", "samplings")}
    return {"name": "supernet_step", "rows": rows} | sizes


def plain_step(network: Supernet, optimizer: torch.optim.Optimizer) -> Step:
    """The loop every tutorial has."""

    def step(images: Tensor, labels: Tensor, paths: NDArray[np.int64]) -> float:
        optimizer.zero_grad()
        total = 0.0
        for path in paths.tolist():
            loss = functional.cross_entropy(network(images, path), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        nn.utils.clip_grad_norm_(network.parameters(), RECIPE.clip)
        optimizer.step()
        return total / len(paths)

    return step


def our_step(network: Supernet, precision: Precision, sampling: str) -> Step:
    """What `thriftnas scarlet train` does."""
    optimizer = supernet_optimizer(network, RECIPE)
    training = TrainingSetup(skeleton=network.skeleton, recipe=RECIPE, precision=precision)
    setup = SupernetSetup(training=training, sampling=sampling)

    def step(images: Tensor, labels: Tensor, paths: NDArray[np.int64]) -> Tensor:
        return supernet_step(network, optimizer, precision.place(images), labels, paths, setup)

    return step


def both(space: str, sampling: str, args: argparse.Namespace, dtype: str) -> tuple[Step, Step]:
    """The two ways, from the same weights."""
    precision = Precision(device=args.device, dtype=dtype)
    skeleton = Skeleton(channels=args.channels, cells=1, resolution=args.resolution, classes=CLASSES)
    networks = [
        build_supernet(
            SupernetForm(space=space), skeleton, torch.Generator().manual_seed(0), device=args.device, dtype=storage
        ).train()
        for storage in (torch.float64 if dtype == "float64" else torch.float32, precision.storage)
    ]
    plain = torch.optim.SGD(
        networks[0].parameters(),
        lr=RECIPE.lr,
        momentum=RECIPE.momentum,
        weight_decay=RECIPE.weight_decay,
        foreach=False,
    )
    return plain_step(torchs_own(networks[0]), plain), our_step(
        networks[1].to(memory_format=torch.channels_last), precision, sampling
    )


def batches(space: str, sampling: str, steps: int, args: argparse.Namespace) -> list[Any]:
    """(images, labels, paths) of some steps."""
    generator = torch.Generator().manual_seed(1)
    shape = (args.batch, 3, args.resolution, args.resolution)
    costs = ChainCosts(chain_of(space).scaled(args.channels), args.resolution, CLASSES)
    paths = sampling_rule(sampling).draw(np.random.default_rng(0), costs, steps)
    return [
        (
            torch.randn(shape, generator=generator).to(args.device),
            torch.randint(CLASSES, (args.batch,), generator=generator).to(args.device),
            each,
        )
        for each in paths
    ]


def measured(space: str, sampling: str, args: argparse.Namespace) -> dict[str, Any]:
    """One row."""
    small = argparse.Namespace(**{**vars(args), "batch": 8, "resolution": 16, "channels": 8})
    plain, ours = both(space, sampling, small, "float64")
    pairs = [
        (float(plain(images.double(), labels, paths)), float(ours(images.double(), labels, paths)))
        for images, labels, paths in batches(space, sampling, CHECKED, small)
    ]
    gap = max(abs(a - b) / abs(a) for a, b in pairs)
    work = batches(space, sampling, args.steps if sampling == "uniform" else 1, args)
    ways = both(space, sampling, args, args.dtype)
    clock = time.process_time if args.device == "cpu" else time.perf_counter
    seconds: dict[str, list[float]] = {"ours": [], "plain loop": []}
    for number in range(args.rounds + 1):
        for name, way in zip(("plain loop", "ours"), ways, strict=True):
            keep_freed_memory(name == "ours" and args.device == "cpu")
            way(*work[0])  # memory of the other way is given back, or this one's is taken
            began = clock()
            for one in work:
                way(*one)
            if args.device != "cpu":
                torch.cuda.synchronize()
            if number:  # the first round warms up
                seconds[name].append(clock() - began)
    images = args.batch * sum(len(paths) for _, _, paths in work)
    return {
        "space": space,
        "sampling": sampling,
        **compared([seconds], "ours", "plain loop", GOAL),
        "ours_ms_per_path_image": 1e3 * float(np.median(seconds["ours"])) / images,
        "loss_gap": gap,
    }
