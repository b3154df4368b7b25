"""What a supernet costs at full size: work, memory and hours of a training that this machine could not finish.

Multiply-adds are exact: the mean of random paths, three times for forward and backward pass, by images and epochs.
Memory is counted, not estimated: bytes that a backward pass keeps of the largest path, once each, per image; and
weights, gradients and momenta of all paths. Seconds are those of one path, forward and backward, on this machine. Hours
for other machines follow from the multiply-adds and a rate that the reader puts in.
"""

import argparse
import dataclasses
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from scarlet.supernet.form import SupernetForm
from scarlet.supernet.recipe import EPOCHS, RECIPE
from scarlet.supernet.rules import sampling_rule, uniform_paths
from scarlet.supernet.setup import SupernetSetup, paper_training
from scarlet.supernet.supernet import Supernet
from scarlet.supernet.training import new_supernet, path_costs

PASSES = 3
"""Multiply-adds of a training step over those of its forward pass."""
COPIES = 3
"""Of every weight: itself, its gradient, its momentum."""
RANDOM = 1000
"""Paths whose mean cost is taken."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--space", default="scarlet-s1")
    parser.add_argument("--resolution", type=int, default=224, help="pixels a side")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--images", type=int, default=1_281_167, help="training images: ImageNet's")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--sampling", default="fair")
    parser.add_argument("--batch", type=int, default=RECIPE.batch, help="images of one device's step")
    parser.add_argument("--channels", type=int, help="of the stem; the space's")
    parser.add_argument("--measured", type=int, default=4, help="images of the step that is timed and counted")
    parser.add_argument("--rounds", type=int, default=5, help="timed steps of one path")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e12, 1e13, 1e14], help="multiply-adds a second")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """One row per rate of a machine, and this machine's."""
    torch.set_num_threads(1)
    form = SupernetForm(space=args.space)
    setup = SupernetSetup(
        training=paper_training(args.space, channels=args.channels, resolution=args.resolution), sampling=args.sampling
    )
    supernet = new_supernet(form, _with_classes(setup, args.classes))
    costs, rng = path_costs(supernet), np.random.default_rng(0)
    drawn = uniform_paths(rng, costs.layers, costs.choices, RANDOM)
    macs, _ = costs(drawn)
    each = np.repeat(np.arange(costs.choices)[:, None], costs.layers, axis=1)
    largest = each[int(np.argmax(costs(each)[0]))]
    paths = sampling_rule(args.sampling).draw(rng, costs, 1).shape[1]
    weights = COPIES * sum(parameter.nbytes for parameter in supernet.parameters())
    passes = float(args.images) * args.epochs * paths
    work = passes * PASSES * float(macs.mean())
    rate = PASSES * float(costs(drawn[:1])[0][0]) * args.measured / step_seconds(supernet, drawn[0], args)
    machines = {"this one, one core": rate} | {f"{speed:g} a second": speed for speed in args.rates}
    return {
        "name": "imagenet_supernet",
        "space": args.space,
        "epochs": args.epochs,
        "paths_of_a_step": paths,
        "parameters": sum(parameter.numel() for parameter in supernet.parameters()),
        "mean_macs_of_a_path": float(macs.mean()),
        "multiply_adds": work,
        "gigabytes_of_weights": weights / 1e9,
        "gigabytes_of_maps": kept_bytes(supernet, largest, args) / args.measured * args.batch / 1e9,
        "batch": args.batch,
        "rows": [
            {"machine": machine, "multiply_adds_per_second": speed, "hours": work / speed / 3600}
            for machine, speed in machines.items()
        ],
    }


def _with_classes(setup: SupernetSetup, classes: int) -> SupernetSetup:
    skeleton = dataclasses.replace(setup.training.skeleton, classes=classes)
    return dataclasses.replace(setup, training=dataclasses.replace(setup.training, skeleton=skeleton))


def loss_of(supernet: Supernet, path: np.ndarray, args: argparse.Namespace) -> Tensor:
    """Of one path on random images."""
    images = torch.randn(args.measured, 3, args.resolution, args.resolution)
    labels = torch.zeros(args.measured, dtype=torch.long)
    return functional.cross_entropy(supernet(images, path.tolist()), labels)


def kept_bytes(supernet: Supernet, path: np.ndarray, args: argparse.Namespace) -> int:
    """What the backward pass of a path keeps, weights left out, every storage once."""
    own = {parameter.untyped_storage().data_ptr() for parameter in supernet.parameters()}
    kept: dict[int, int] = {}
    held = []  # so that no address is used twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        held.append(tensor)
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        torch.autograd.backward(loss_of(supernet, path, args))
    return sum(kept.values())


def step_seconds(supernet: Supernet, path: np.ndarray, args: argparse.Namespace) -> float:
    """Median seconds of a path's forward and backward pass, after one to warm up."""
    times = []
    for _ in range(args.rounds + 1):
        began = time.perf_counter()
        torch.autograd.backward(loss_of(supernet, path, args))
        times.append(time.perf_counter() - began)
    return float(np.median(times[1:]))
