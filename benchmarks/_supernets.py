"""Supernets of NAS-Bench-Macro as they are trained: what their sub-networks score after some of the epochs, kept."""

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scarlet.evaluation.subnets import calibration_images
from scarlet.evaluation.tree import PathScores, evaluate_paths, recalibrated
from scarlet.supernet.form import SupernetForm
from scarlet.supernet.recipe import RECIPE
from scarlet.supernet.rules import sampling_rule
from scarlet.supernet.setup import SupernetSetup
from scarlet.supernet.training import SupernetEvaluator, trained_supernet
from zoo.data import ImageSet
from zoo.data.augmentation import prepare
from zoo.files import draft
from zoo.population import Job, ProxySetting, Trial
from zoo.spaces import Skeleton
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts
from zoo.training import Precision, Recipe, TrainingSetup

SPACE = "nas-bench-macro"
CHAIN = CHAINS[SPACE]
SKIPS = {"stabilizers": (True, "identity"), "random": (True, "random"), "plain": (False, "identity")}
"""Whether skips are stabilizers, and what those begin as."""
SCORES = ("accuracy", "loss", "recalibrated_accuracy", "recalibrated_loss")
"""What sub-networks are ranked by: on the supernet's batch-norm statistics, or on statistics of their own."""
Scores = dict[str, NDArray[np.float64]]
"""By name, each (networks,), more is better."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A sampling rule and a kind of skips.

    Raises:
        ValueError: for a rule or a kind that does not exist.
    """

    rule: str
    skips: str = "stabilizers"

    def __post_init__(self) -> None:
        sampling_rule(self.rule)
        if self.skips not in SKIPS:
            raise ValueError(f"skips: expected {', '.join(SKIPS)}, got {self.skips!r}")

    @classmethod
    def of(cls, text: str) -> "Arm":
        """The arm that RULE[:SKIPS] names."""
        return cls(*text.split(":", 1))

    def __str__(self) -> str:
        return f"{self.rule}:{self.skips}"

    def epochs(self, fair: int) -> int:
        """As many as pass about as many MACs through paths as so many epochs of fair training."""
        costs = ChainCosts(CHAIN, 32, 10)

        def step(rule: str) -> float:
            paths = sampling_rule(rule).draw(np.random.default_rng(0), costs, 1000)
            macs, _ = costs(paths.reshape(-1, costs.layers))
            return float(macs.sum())

        return max(1, round(fair * step("fair") / step(self.rule)))


def setup_of(arm: Arm, seed: int, images: ImageSet, args: argparse.Namespace) -> tuple[SupernetForm, SupernetSetup]:
    """The supernet of an arm, and how it is trained."""
    stabilizers, start = SKIPS[arm.skips]
    skeleton = Skeleton(
        channels=args.channels, cells=8, resolution=args.resolution, in_channels=images.channels,
        classes=len(images.classes),
    )  # fmt: skip
    training = TrainingSetup(
        skeleton=skeleton,
        recipe=Recipe(batch=args.batch, lr=args.lr, lr_min=0.0, weight_decay=RECIPE.weight_decay, cutout=RECIPE.cutout),
        precision=Precision(device=args.device, dtype=args.dtype),
        seed=seed,
        threads=args.threads,
    )
    setup = SupernetSetup(training=training, sampling=arm.rule, start="random" if start == "random" else "identity")
    return SupernetForm(space=SPACE, stabilizers=stabilizers), setup


def looks(epochs: int, count: int) -> list[int]:
    """After which epochs a supernet is measured: ``count`` times, evenly, the last epoch included."""
    return sorted({max(1, round(epochs * place / count)) for place in range(1, count + 1)})


def measured(
    arm: Arm, seed: int, images: ImageSet, paths: NDArray[np.int64], args: argparse.Namespace
) -> list[tuple[int, Scores]]:
    """Scores of the paths (networks, layers) after some epochs of training; what was measured before is read.

    Weights are needed for what is still to be measured only, so that scores alone may be carried to another machine.

    Raises:
        RuntimeError: if the training fails.
    """
    folder = args.runs / f"{str(arm).replace(':', '-')}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    form, setup = setup_of(arm, seed, images, args)
    schedule = ProxySetting(0, 0, 0, arm.epochs(args.epochs))
    found: list[tuple[int, Scores]] = []
    evaluator: SupernetEvaluator | None = None
    before, weights, stops = 0, b"", looks(schedule.e, args.looks)
    last = max((look for look in stops if not (folder / f"{args.networks}-{look}.npz").exists()), default=0)
    for look in stops:
        scores, checkpoint = folder / f"{args.networks}-{look}.npz", folder / f"weights-{look}.pt"
        if look <= last and checkpoint.exists():
            weights = checkpoint.read_bytes()
        elif look <= last:
            evaluator = evaluator or SupernetEvaluator.of(setup, images)
            weights = _trained(evaluator, form, schedule, before, look, weights)
            with draft(checkpoint) as written:
                written.file.write(weights)
        if not scores.exists():
            print(f"{arm}, seed {seed}: {look} of {schedule.e} epochs", file=sys.stderr)
            values = _scores(form, setup, images, weights, paths, args)
            with draft(scores) as written:
                np.savez(written.file, allow_pickle=False, **values)
        with np.load(scores) as file:
            found.append((look, {name: file[name] for name in SCORES}))
        before = look
    return found


def _trained(
    evaluator: SupernetEvaluator, form: SupernetForm, schedule: ProxySetting, start: int, stop: int, weights: bytes
) -> bytes:
    trial = Trial(
        index=start, genotype=form.genotype, setting=schedule, start=start, stop=stop,
        resumes=start - 1 if start else None, keep=True,
    )  # fmt: skip
    ((record, kept),) = evaluator([Job(trial, 0, weights or None)])
    if not record.ok or kept is None:
        raise RuntimeError(record.reason)
    return kept


def _scores(
    form: SupernetForm,
    setup: SupernetSetup,
    images: ImageSet,
    weights: bytes,
    paths: NDArray[np.int64],
    args: argparse.Namespace,
) -> Scores:
    network = trained_supernet(form, setup, images, weights, {}).network.to(args.device)

    def prepared(pixels: Any) -> torch.Tensor:
        return prepare(torch.tensor(pixels, device=args.device), args.resolution, images.mean, images.std)

    pixels, labels = prepared(images.validation.images), torch.tensor(images.validation.labels, device=args.device)
    calibration = calibration_images(
        images, args.recalibration, setup.training.seed, args.resolution, images.mean, images.std
    ).to(args.device)
    statistics = recalibrated(network, calibration, paths)
    own = evaluate_paths(network, pixels, labels, paths)
    fresh = evaluate_paths(network, pixels, labels, paths, statistics=statistics)
    values: Scores = {}
    for prefix, scores in (("", own), ("recalibrated_", fresh)):
        values |= _named(prefix, scores, images.validation.labels)
    return values


def _named(prefix: str, scores: PathScores, labels: NDArray[np.int64]) -> Scores:
    return {f"{prefix}accuracy": scores.accuracies(labels), f"{prefix}loss": -scores.losses}
