"""How well a supernet of NAS-Bench-Macro ranks: sub-networks on inherited weights against the published accuracies.

Supernets with stabilizers (which begin as the identity, or random) and with plain skips, uniform and fair, are trained
on CIFAR-10 images with the same number of images passed through paths: a uniform epoch is one path per image, a fair
one as many as there are choices, so uniform trainings have that many times as many epochs. Then the same random
networks of the table are measured on validation images, with the supernet's batch-norm statistics and with
recalibrated ones, and ranked.

The table's accuracies are test accuracies of full trainings, which is all it has: nothing is selected by them.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scarlet.evaluation.subnets import calibration_images
from scarlet.evaluation.tree import evaluate_paths, recalibrated
from scarlet.supernet.form import SupernetForm
from scarlet.supernet.recipe import RECIPE
from scarlet.supernet.setup import SupernetSetup
from scarlet.supernet.training import SupernetEvaluator, trained_supernet
from zoo.data import ImageSet, load
from zoo.data.augmentation import prepare
from zoo.population import Job, ProxySetting, Trial
from zoo.population.table import Table, read_table
from zoo.reliability.correlation import resampled_kendall, resampled_spearman
from zoo.reliability.interval import bootstrap
from zoo.spaces import Skeleton
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts
from zoo.training import Precision, Recipe, TrainingSetup

SPACE = "nas-bench-macro"
CHAIN = CHAINS[SPACE]
SKIPS = {"stabilizers": (True, "identity"), "random": (True, "random"), "plain": (False, "identity")}
"""Whether skips are stabilizers, and what those begin as."""
VARIANTS = tuple(f"{skips}-{sampling}" for sampling in ("fair", "uniform") for skips in SKIPS)
NETWORKS, RESAMPLES = 801, 802
"""Seeds of the networks and of the resamples, the same for every variant."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--table", type=Path, required=True, help="NAS-Bench-Macro's table of CIFAR-10, a CSV file")
    parser.add_argument("--data", default="cifar10", help="cifar10, or imagefolder:DIR")
    parser.add_argument("--train", type=int, default=8000, help="images, validation included")
    parser.add_argument("--val", type=int, default=1000, help="validation images")
    parser.add_argument("--resolution", type=int, default=16, help="pixels a side")
    parser.add_argument("--channels", type=int, default=16, help="channels of the stem; the benchmark's own are 32")
    parser.add_argument("--epochs", type=int, default=20, help="of fair training; uniform has three times as many")
    parser.add_argument("--seeds", type=int, default=2, help="supernets per variant")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="which of them, e.g. plain-fair")
    parser.add_argument("--networks", type=int, default=200, help="sub-networks ranked")
    parser.add_argument("--recalibration", type=int, default=512, help="images for recalibrated statistics")
    parser.add_argument("--batch", type=int, default=RECIPE.batch)
    parser.add_argument("--lr", type=float, default=RECIPE.lr)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", help="float32, or bfloat16 by autocast")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train, measure and rank."""
    wanted = args.variants.split(",")
    if unknown := set(wanted) - set(VARIANTS):
        raise ValueError(f"unknown variants {sorted(unknown)}, expected some of {', '.join(VARIANTS)}")
    images = load(args.data, resolution=args.resolution, train=args.train, validation=args.val, seed=0, progress=None)
    paths, accuracies = drawn(read_table(args.table), args.networks)
    macs, _ = ChainCosts(CHAIN.scaled(args.channels), args.resolution, len(images.classes), images.channels)(paths)
    rows, curves = [], {}
    for variant in wanted:
        for seed in range(args.seeds):
            row, curve = ranked(variant, seed, images, paths, accuracies, args)
            rows.append({"variant": variant, "seed": seed, **row})
            curves[f"{variant} {seed}"] = curve
            print(rows[-1], flush=True)  # hours may pass before the table
    rows += [{"variant": "macs alone", "seed": 0, **measures("", macs.astype(float), accuracies)}]
    sizes = {name: value for name, value in vars(args).items() if name not in ("name", "json", "table")}
    return {"name": "supernet_ranking", "rows": rows, "validation_accuracy_by_epoch": curves} | sizes


def drawn(table: Table, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Paths (count, 8) and published accuracies of random networks, no two of which are the same function."""
    if table.space.name != SPACE:
        raise ValueError(f"expected a table of {SPACE}, got one of {table.space.name}")
    rng = np.random.default_rng(NETWORKS)
    chosen: dict[str, tuple[int, ...]] = {}
    everything = sorted(table.accuracies)
    for place in rng.permutation(len(everything)).tolist():
        chosen.setdefault(CHAIN.function(everything[place]), everything[place])
        if len(chosen) == count:
            break
    (epochs,) = table.epochs
    return np.array(list(chosen.values())), np.array([table.accuracies[path][epochs] for path in chosen.values()])


def asked(variant: str, seed: int, images: ImageSet, args: argparse.Namespace) -> tuple[SupernetForm, SupernetSetup]:
    """The supernet of a variant, and how it is trained."""
    skips, sampling = variant.split("-")
    stabilizers, start = SKIPS[skips]
    skeleton = Skeleton(
        channels=args.channels, cells=8, resolution=args.resolution, in_channels=images.channels,
        classes=len(images.classes),
    )  # fmt: skip
    recipe = Recipe(batch=args.batch, lr=args.lr, lr_min=0.0, weight_decay=RECIPE.weight_decay, cutout=RECIPE.cutout)
    setup = SupernetSetup(
        training=TrainingSetup(
            skeleton=skeleton,
            recipe=recipe,
            precision=Precision(device=args.device, dtype=args.dtype),
            seed=seed,
            threads=args.threads,
        ),
        sampling="uniform" if sampling == "uniform" else "fair",
        start="random" if start == "random" else "identity",
    )
    return SupernetForm(space=SPACE, stabilizers=stabilizers), setup


def ranked(
    variant: str,
    seed: int,
    images: ImageSet,
    paths: NDArray[np.int64],
    accuracies: NDArray[np.float64],
    args: argparse.Namespace,
) -> tuple[dict[str, Any], list[float]]:
    """One supernet's row, and its mean validation accuracy after every fair epoch's worth of paths."""
    form, setup = asked(variant, seed, images, args)
    per_image = len(CHAIN.choices) if setup.sampling == "uniform" else 1
    evaluator, weights = SupernetEvaluator(setup, images), None
    curve: list[float] = []
    schedule = ProxySetting(0, 0, 0, args.epochs * per_image)
    metrics: dict[str, float] = {}
    for epoch in range(0, schedule.e, per_image):
        trial = Trial(
            index=epoch, genotype=form.genotype, setting=schedule, start=epoch, stop=epoch + per_image,
            resumes=epoch - 1 if epoch else None, keep=True,
        )  # fmt: skip
        ((record, weights),) = evaluator([Job(trial, 0, weights)])
        if not record.ok or weights is None:
            return {"reason": record.reason}, curve
        metrics = dict(record.metrics)
        curve.append(round(metrics["accuracy"], 4))
    assert weights is not None
    network = trained_supernet(form, setup, images, weights, {}).network.to(args.device)
    pixels = torch.tensor(images.validation.images, device=args.device)
    pixels = prepare(pixels, args.resolution, images.mean, images.std)
    labels = torch.tensor(images.validation.labels, device=args.device)
    calibration = calibration_images(images, args.recalibration, seed, args.resolution, images.mean, images.std).to(
        args.device
    )
    own = evaluate_paths(network, pixels, labels, paths)
    fresh = evaluate_paths(network, pixels, labels, paths, statistics=recalibrated(network, calibration, paths))
    scores = [each.accuracies(images.validation.labels) for each in (own, fresh)]
    return {
        **measures("", scores[0], accuracies),
        **measures("recalibrated_", scores[1], accuracies),
        "accuracy": float(scores[0].mean()),
        "recalibrated_accuracy": float(scores[1].mean()),
        "block_similarity": metrics["block_similarity"],
        "skip_similarity": metrics["skip_similarity"],
    }, curve


def measures(prefix: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, Any]:
    """Kendall's τ with its 95 % interval over networks, and Spearman's ρ."""
    tau = bootstrap(resampled_kendall, x, y, np.random.default_rng(RESAMPLES))
    rho = bootstrap(resampled_spearman, x, y, np.random.default_rng(RESAMPLES))
    return {
        f"{prefix}kendall": tau.value,
        f"{prefix}low": tau.low,
        f"{prefix}high": tau.high,
        f"{prefix}spearman": rho.value,
    }
