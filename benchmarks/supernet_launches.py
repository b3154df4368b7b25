"""What a GPU could capture of a supernet's training: how often a path or a block comes back, and launches of a step.

A captured step pays where it is replayed often: the first time it is launched, the second time it is recorded, which
takes about as long. Paths are those that a training draws; launches are counted on tensors without numbers, as
``kernels`` does, forward, backward and update. A training builds its supernet anew for every epoch, its trial.
"""

import argparse
from collections import Counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.kernels import _Launches, _lists
from scarlet.supernet.form import SupernetForm
from scarlet.supernet.lesson import Lesson
from scarlet.supernet.recipe import EPOCHS, RECIPE
from scarlet.supernet.rules import RULES, sampling_rule
from scarlet.supernet.setup import paper_training
from scarlet.supernet.supernet import Supernet
from scarlet.supernet.training import path_costs
from zoo.purposes import SUPERNET_PATHS
from zoo.training.epoch import Stage, random_stream

SPACES = ("nas-bench-macro", "scarlet-s1-cifar", "scarlet-s2-cifar")
IMAGES = 50_000
LISTED = 3  # passes over all gradients: their norms, their clipping, the update


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--sampling", nargs="+", choices=sorted(RULES), default=["uniform", "fair"])
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"of the whole training ({EPOCHS})")
    parser.add_argument("--batch", type=int, default=RECIPE.batch, help=f"images of a step ({RECIPE.batch})")


def run(args: argparse.Namespace) -> dict[str, Any]:
    rows = [_row(space, rule, args.epochs, args.batch) for space in args.space for rule in args.sampling]
    return {"name": "supernet_launches", "rows": rows, "batch": args.batch, "images": IMAGES, "epochs": args.epochs}


def _row(space: str, rule: str, epochs: int, batch: int) -> dict[str, Any]:
    with torch.device("meta"):
        network = Supernet(SupernetForm(space=space), paper_training(space).skeleton)
    steps, costs = IMAGES // batch, path_costs(network)
    stage = Stage(start=0, stop=epochs, epochs=epochs, seed=0, root=0)
    streams = [random_stream(stage, SUPERNET_PATHS, epoch) for epoch in range(epochs)]
    draws = [sampling_rule(rule).draw(stream, costs, steps) for stream in streams]
    paths = [[tuple(path) for path in epoch.reshape(-1, epoch.shape[-1]).tolist()] for epoch in draws]
    one = Counter(paths[0])
    whole = Counter(path for epoch in paths for path in epoch)
    blocks = Counter((layer, choice) for path in paths[0] for layer, choice in enumerate(path))
    layers, count = draws[0].shape[-1], draws[0].shape[1]
    passes, update = _launched(network, rule, draws[0][0], batch)
    return {
        "space": space,
        "sampling": rule,
        "paths": f"{len(network.chain.choices)}^{layers}",
        "drawn_an_epoch": len(paths[0]),
        "replayed_in_an_epoch": round(replayed(one), 4),
        "replayed_in_all": round(replayed(whole), 4),
        "graphs_in_all": sum(times > 1 for times in whole.values()),
        "blocks": len(network.chain.choices) * layers,
        "blocks_replayed": round(replayed(blocks), 4),
        "launches": passes + update,
        # stem, layers and end, forward and backward: a copy of what they are given, and a graph
        "launches_by_block": count * 4 * (layers + 2) + update,
    }


def replayed(times: Counter[Any]) -> float:
    """The share of steps that find their graph: all but the first, which is launched, and the second, recorded."""
    return sum(max(0, each - 2) for each in times.values()) / times.total()


def _launched(network: Supernet, rule: str, paths: NDArray[np.int64], batch: int) -> tuple[int, int]:
    """Launches of a step's passes, and of its clipping and update, which take parameters list by list."""
    skeleton = network.skeleton
    with torch.device("meta"):
        images = torch.empty(batch, 3, skeleton.resolution, skeleton.resolution)
        labels = torch.empty(batch, dtype=torch.long)
    counted, lesson = _Launches(), Lesson(sampling_rule(rule), labels, RECIPE.smoothing)
    network.train()
    with counted:
        for path in paths.tolist():
            lesson.loss(network(images, path)).backward()  # type: ignore[no-untyped-call]
    used = [parameter for parameter in network.parameters() if parameter.grad is not None]
    return counted.found.total(), LISTED * _lists(used)
