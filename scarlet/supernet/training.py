"""Training a supernet: trials are its epochs; by a sampling rule, on one or several devices."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from scarlet.supernet.file import TrainedSupernet
from scarlet.supernet.form import SupernetForm
from scarlet.supernet.lesson import Lesson
from scarlet.supernet.material import Epochs, HeldImages, Material
from scarlet.supernet.rules import sampling_rule, uniform_paths
from scarlet.supernet.setup import SupernetSetup
from scarlet.supernet.similarity import feature_similarity, mean_similarity
from scarlet.supernet.supernet import Supernet, build_supernet
from zoo.data.image_set import ImageSet
from zoo.data.stream import ImageStream
from zoo.population.steps import stepped
from zoo.population.trial import Job, Outcome
from zoo.purposes import INITIAL_WEIGHTS, MEASURED_PATHS, SUPERNET_PATHS
from zoo.spaces.chain_cost import ChainCosts
from zoo.training.checkpoint import load_checkpoint, save_checkpoint
from zoo.training.device import prepare_process
from zoo.training.distributed import ALONE, ProcessGroup
from zoo.training.epoch import Stage, random_stream
from zoo.training.evaluator import Measurement, guarded, resumed
from zoo.training.memory import keep_freed_memory
from zoo.training.recipe import Recipe
from zoo.training.trainer import (
    Diverged,
    learning_rate,
    make_optimizer,
)

COUNTED_PATHS = 8
"""Random paths whose mean accuracy says how well a supernet is trained; the same ones after every epoch."""

COMPARED = 64
"""Validation images on which parallel choices are compared."""


def new_supernet(form: SupernetForm, setup: SupernetSetup, root: int = 0) -> Supernet:
    """An untrained supernet as a run with this setup starts from."""
    training, precision = setup.training, setup.training.precision
    seed = int(np.random.default_rng((training.seed, root, INITIAL_WEIGHTS)).integers(2**63))
    network = build_supernet(
        form, training.skeleton, torch.Generator().manual_seed(seed),
        start=setup.start, device=precision.device, dtype=precision.storage,
    )  # fmt: skip
    return network.to(memory_format=torch.channels_last) if precision.channels_last else network


def supernet_optimizer(network: Supernet, recipe: Recipe) -> torch.optim.SGD:
    """SGD whose every momentum starts as zeros, which is what none is: the fused update wants all of them or none."""
    optimizer = make_optimizer(network, recipe)
    for parameter in network.parameters():
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def trained_supernet(
    form: SupernetForm,
    setup: SupernetSetup,
    images: ImageSet | ImageStream,
    weights: bytes,
    notes: dict[str, Any],
    per_epoch: int = 1,
) -> TrainedSupernet:
    """The supernet of a training's last checkpoint.

    Args:
        form: of the supernet.
        setup: it was trained with.
        images: it was trained on.
        weights: the checkpoint.
        notes: to keep with it, besides the images, the seed, the epochs and the sampling.
        per_epoch: parts of an epoch, which checkpoints count.

    Raises:
        ValueError: if the checkpoint is damaged or of another supernet.
    """
    network = new_supernet(form, setup)
    epochs = load_checkpoint(weights, network, supernet_optimizer(network, setup.training.recipe)) // per_epoch
    known = {"data": images.fingerprint, "seed": setup.training.seed, "epochs": epochs, "sampling": setup.sampling}
    return TrainedSupernet(
        network=network.to(torch.device("cpu")).eval(),
        classes=images.classes,
        mean=images.mean,
        std=images.std,
        notes={**known, **notes},
    )


def path_costs(network: Supernet) -> ChainCosts:
    """What the sub-networks of a supernet cost, extracted."""
    skeleton = network.skeleton
    return ChainCosts(network.chain, skeleton.resolution, skeleton.classes, skeleton.in_channels)


class SupernetEvaluator:
    """Trains the supernet of every job for its stage and measures some of its paths on the validation images.

    A trial is an epoch, or a part of one: ``setup.every`` steps. Paths are measured when an epoch is over.

    Args:
        setup: how to train.
        material: what on.
        ranks: whose processes share every batch; all of them take the same paths.
    """

    def __init__(self, setup: SupernetSetup, material: Material, ranks: ProcessGroup = ALONE) -> None:
        prepare_process(setup.training.threads)
        if setup.training.precision.device == "cpu":
            keep_freed_memory()
        self._setup, self._material, self._ranks = setup, material, ranks

    @classmethod
    def of(cls, setup: SupernetSetup, images: ImageSet, ranks: ProcessGroup = ALONE) -> "SupernetEvaluator":
        """Of images in memory, which it holds on the device."""
        prepare_process(setup.training.threads)
        return cls(setup, HeldImages(setup.training, images, ranks), ranks)

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order; divergence and lack of memory are failed records."""
        return [guarded(job, lambda job=job: self._train_and_measure(job)) for job in jobs]  # type: ignore[misc]

    def _train_and_measure(self, job: Job) -> Measurement:
        trial, setup = job.trial, self._setup.training
        if trial.setting is None or (trial.setting.c, trial.setting.r) != (0, 0):
            raise ValueError(f"trial {trial.index}: a supernet is trained at its own channels and resolution")
        network = new_supernet(SupernetForm.of(trial.genotype), self._setup, job.root)
        optimizer = supernet_optimizer(network, setup.recipe)
        stage = resumed(job, trial.setting, network, optimizer, setup.seed)
        epochs = self._material.epochs(trial.setting.s)
        loss = train_supernet(network, optimizer, epochs, self._setup, stage, self._ranks)
        self._ranks.copy_buffers(network)
        keep = trial.keep and self._ranks.rank == 0
        weights = save_checkpoint(network, optimizer, trial.stop) if keep else None
        parts = self._setup.parts(epochs.steps)
        metrics = {"train_loss": loss, "images": epochs.images}
        if trial.stop % parts == 0:
            metrics = self._measured(network) | metrics
        return Measurement(metrics=metrics, epochs=(stage.stop - stage.start) / parts, weights=weights)

    def _measured(self, network: Supernet) -> dict[str, float]:
        rng = np.random.default_rng((self._setup.training.seed, MEASURED_PATHS))
        chain, labels = network.chain, self._material.labels
        paths = uniform_paths(rng, chain.starts[-1], len(chain.choices), COUNTED_PATHS)
        scores = self._material.scores(network, paths)
        if not np.isfinite(scores.losses).all():
            raise Diverged(f"diverged: the validation losses of {COUNTED_PATHS} paths are {scores.losses.tolist()}")
        alike = mean_similarity(feature_similarity(network, self._material.compared(COMPARED), paths[0].tolist()))
        return {
            "accuracy": float(scores.accuracies(labels).mean()),
            "balanced_accuracy": float(scores.balanced(labels).mean()),
            "loss": float(scores.losses.mean()),
            "block_similarity": alike.blocks,
            "skip_similarity": alike.skip,
        }


def train_supernet(
    network: Supernet,
    optimizer: torch.optim.Optimizer,
    epochs: Epochs,
    setup: SupernetSetup,
    stage: Stage,
    ranks: ProcessGroup = ALONE,
) -> float:
    """Train for the parts of epochs of ``stage``; returns the mean training loss of the last part, over all its paths.

    As of any network, every random number comes from (seed, root, purpose, epoch), so that stages continue one
    another exactly; parameters off a step's paths get no gradient, and so neither momentum nor decay move them.

    Raises:
        Diverged: naming the epoch, if the loss is not finite at the end of a part.
        ValueError: for fewer than two images.
    """
    forward: nn.Module = network
    if ranks.size > 1:
        # Whatever a step's paths leave out, they leave out everywhere: all processes take the same ones.
        forward = DistributedDataParallel(network, broadcast_buffers=False, find_unused_parameters=True)
    mean_loss, costs = math.nan, path_costs(network)
    network.train()
    for part in range(stage.start, stage.stop):
        mean_loss = _part(forward, optimizer, epochs, setup, stage, part, costs, ranks)
    return mean_loss


def _part(
    forward: nn.Module,
    optimizer: torch.optim.Optimizer,
    epochs: Epochs,
    setup: SupernetSetup,
    stage: Stage,
    part: int,
    costs: ChainCosts,
    ranks: ProcessGroup,
) -> float:
    """Train one part of an epoch: all of its steps, or ``setup.every`` of them."""
    recipe, precision = setup.training.recipe, setup.training.precision
    per_epoch = setup.parts(epochs.steps)
    epoch, place = divmod(part, per_epoch)
    shown = epochs.batches(stage, epoch)
    slices = shown.slices
    rng = random_stream(stage, SUPERNET_PATHS, epoch)
    paths = sampling_rule(setup.sampling).draw(rng, costs, len(slices))
    every = setup.every or len(slices)
    steps = range(place * every, min((place + 1) * every, len(slices)))
    total = torch.zeros((), device=precision.device, dtype=precision.storage)
    for number, (pixels, labels) in zip(steps, shown.part(steps), strict=True):
        step, total_steps = epoch * len(slices) + number, stage.epochs // per_epoch * len(slices)
        rate = learning_rate(recipe, step, total_steps, recipe.warmup * len(slices))
        for group in optimizer.param_groups:
            group["lr"] = rate

        def weigh(loss: Tensor, count: int = len(labels), batch: slice = slices[number]) -> Tensor:
            return ranks.weigh(loss, count, batch)

        loss = supernet_step(forward, optimizer, precision.place(pixels), labels, paths[number], setup, weigh)
        total += loss * len(labels)
        done = (part - stage.start) * len(steps) + number + 1 - steps.start
        stepped(done, (stage.stop - stage.start) * len(steps))
    seen = slices[steps[-1]].stop - slices[steps.start].start
    mean_loss: float = ranks.sum(total).item() / seen
    if not math.isfinite(mean_loss):
        raise Diverged(f"diverged: the training loss is {mean_loss} in epoch {epoch + 1}")
    return mean_loss


def supernet_step(
    forward: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    paths: NDArray[np.int64],
    setup: SupernetSetup,
    weigh: Callable[[Tensor], Tensor] = lambda loss: loss,
) -> Tensor:
    """One step: the gradients of all its paths on one batch are summed up, then applied.

    Returns the mean cross-entropy of the paths with the labels, whatever else they learn from.

    Args:
        forward: the supernet, or what shares its gradients between processes.
        optimizer: of the supernet, from :func:`supernet_optimizer`.
        images: prepared, (B, C, H, W).
        labels: (B,).
        paths: (paths, layers).
        setup: sampling rule, clipping, label smoothing, dtype.
        weigh: scales a loss before its backward pass.
    """
    optimizer.zero_grad(set_to_none=True)
    recipe, precision = setup.training.recipe, setup.training.precision
    lesson = Lesson(sampling_rule(setup.sampling), labels, recipe.smoothing)
    for place, path in enumerate(paths.tolist(), start=1):
        # Gradients travel once, with the last path's; which parameters any of them has used is remembered.
        shared = isinstance(forward, DistributedDataParallel) and place < len(paths)
        with cast(DistributedDataParallel, forward).no_sync() if shared else nullcontext():
            with precision.autocast():
                loss = lesson.loss(forward(images, path))
            weigh(loss).backward()  # type: ignore[no-untyped-call]
    used = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    nn.utils.clip_grad_norm_(used, recipe.clip)
    optimizer.step()
    return lesson.entropies / len(paths)
