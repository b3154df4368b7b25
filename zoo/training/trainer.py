"""The trainer: one stage of one network's schedule, from the first batch to the last, readable top to bottom."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.network import Network
from zoo.population.steps import stepped, stretch
from zoo.purposes import DROPPED_PATHS
from zoo.training.distributed import ALONE, Forward, ProcessGroup
from zoo.training.epoch import EpochBatches, Examples, Portion, Stage, batch_slices, portions
from zoo.training.recipe import Precision, Recipe

EVALUATION_BATCH = 512


class Diverged(ArithmeticError):
    """The loss is no longer a finite number."""

    @classmethod
    def in_training(cls, loss: float, epoch: int) -> "Diverged":
        """In an epoch, counted from 0."""
        return cls(f"diverged: the training loss is {loss} in epoch {epoch + 1}")

    @classmethod
    def in_validation(cls, loss: float) -> "Diverged":
        """After training."""
        return cls(f"diverged: the validation loss is {loss}")


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD with momentum over all parameters, in one fused update where the device has one."""
    fused = next(network.parameters()).device.type in ("cpu", "cuda")
    return torch.optim.SGD(
        network.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        fused=fused or None,
    )


def learning_rate(recipe: Recipe, step: int, steps: int, warmup: int = 0) -> float:
    """The rate of a step out of all steps of the full schedule.

    The first ``warmup`` steps rise linearly from ``warmup_lr`` towards ``lr`` (Goyal et al. 2017), the others
    follow the cosine from ``lr`` to ``lr_min``.

    Deviation: by step, where the authors go by epoch, so that a schedule of one or two epochs completes too.
    """
    if step < warmup:
        return recipe.warmup_lr + (recipe.lr - recipe.warmup_lr) * step / warmup
    return (
        recipe.lr_min + (recipe.lr - recipe.lr_min) * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
    )


def train_stage(
    network: Network,
    optimizer: torch.optim.Optimizer,
    examples: Examples,
    recipe: Recipe,
    precision: Precision,
    stage: Stage,
    ranks: ProcessGroup = ALONE,
    every: int | None = None,
) -> list[float]:
    """Train ``network`` for the epochs of ``stage``; returns the mean training loss of every epoch.

    Of every part of an epoch, where the stage counts parts of ``every`` steps.

    Stages continue one another exactly: every random number comes from (seed, root, purpose, epoch), the
    schedule from the step of the full schedule, momentum from the optimizer. Nothing waits for the device
    inside an epoch. A last batch of a single image, which batch normalisation cannot use, is left out.

    Raises:
        Diverged: naming the epoch, if the loss is not finite at its end.
        ValueError: for fewer than two images.
    """
    learner = Learner.of(network, optimizer, recipe, ranks)
    losses, count = [], len(examples.labels)
    asked = portions(stage, len(batch_slices(count, recipe.batch, ranks.size)), every)
    for number, portion in enumerate(asked):
        batches = EpochBatches(examples, recipe, portion.stage, portion.epoch, ranks).part(portion.steps)
        with stretch(number, len(asked)):
            losses.append(train_portion(learner, batches, count, recipe, precision, portion))
    return losses


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """A network that is trained.

    Attributes:
        network: what is trained.
        forward: the network as the process group calls it, from :meth:`ProcessGroup.forward`.
        optimizer: of the network.
        ranks: the process group, who trains.
    """

    network: Network
    forward: Forward
    optimizer: torch.optim.Optimizer
    ranks: ProcessGroup = ALONE

    @classmethod
    def of(
        cls, network: Network, optimizer: torch.optim.Optimizer, recipe: Recipe, ranks: ProcessGroup = ALONE
    ) -> "Learner":
        """A network that a process group trains by a recipe, with its auxiliary head where the recipe has one."""
        return cls(network, ranks.forward(network, auxiliary=recipe.auxiliary > 0), optimizer, ranks)


def train_epoch(
    learner: Learner,
    batches: Iterable[tuple[Tensor, Tensor]],
    count: int,
    recipe: Recipe,
    precision: Precision,
    stage: Stage,
    epoch: int,
) -> float:
    """One epoch over prepared batches, as :func:`train_portion`: all its steps; ``epoch`` counts from 0."""
    steps = range(len(batch_slices(count, recipe.batch, learner.ranks.size)))
    return train_portion(learner, batches, count, recipe, precision, Portion(stage=stage, epoch=epoch, steps=steps))


def train_portion(
    learner: Learner,
    batches: Iterable[tuple[Tensor, Tensor]],
    count: int,
    recipe: Recipe,
    precision: Precision,
    portion: Portion,
) -> float:
    """An epoch, or some steps of it, over prepared batches; returns their mean training loss.

    Args:
        learner: whose network is put into training mode.
        batches: this process's share of the batches of these steps: pixels (b, C, H, W) and labels (b,).
        count: images of an epoch, for all processes together.
        recipe: what a step does.
        precision: dtype and memory format.
        portion: the steps, and whose schedule this is.

    Raises:
        Diverged: naming the epoch, if the mean loss is not finite.
    """
    stage, epoch, steps = portion.stage, portion.epoch, portion.steps
    network, forward, optimizer, ranks = learner.network, learner.forward, learner.optimizer, learner.ranks
    slices = batch_slices(count, recipe.batch, ranks.size)
    parameters = [p for p in network.parameters() if p.requires_grad]
    device = parameters[0].device
    network.train()
    paths = path_stream(stage, epoch, device, ranks, steps.start) if recipe.path_dropout else None
    drop = recipe.path_dropout * epoch / stage.epochs
    total = torch.zeros((), device=device, dtype=precision.storage)
    for number, (pixels, labels) in zip(steps, batches, strict=True):
        step = epoch * len(slices) + number
        rate = learning_rate(recipe, step, stage.epochs * len(slices), recipe.warmup * len(slices))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        with precision.autocast():
            loss = _loss(forward, precision.place(pixels), labels, recipe, drop, paths)
        ranks.weigh(loss, len(labels), slices[number]).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, recipe.clip)
        optimizer.step()
        total += loss.detach() * len(labels)
        stepped(number + 1 - steps.start, len(steps))
    mean_loss: float = ranks.sum(total).item() / (slices[steps[-1]].stop - slices[steps.start].start)
    if not math.isfinite(mean_loss):
        raise Diverged.in_training(mean_loss, epoch)
    return mean_loss


def _loss(
    forward: Forward,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    drop: float,
    paths: torch.Generator | None,
) -> Tensor:
    logits, auxiliary = forward(images, drop, paths)
    loss = functional.cross_entropy(logits, labels, label_smoothing=recipe.smoothing)
    if auxiliary is None:
        return loss
    return loss + recipe.auxiliary * functional.cross_entropy(auxiliary, labels, label_smoothing=recipe.smoothing)


def path_stream(stage: Stage, epoch: int, device: torch.device, ranks: ProcessGroup, first: int = 0) -> torch.Generator:
    """The stream of dropped paths from the first of some steps on.

    Every further process, and every later part of an epoch, has one of its own, or all would drop alike.
    """
    own = (ranks.rank, first) if first else (ranks.rank,) if ranks.rank else ()
    seed = int(np.random.default_rng((stage.seed, stage.root, DROPPED_PATHS, epoch, *own)).integers(2**63))
    return torch.Generator(device).manual_seed(seed)


def evaluate(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    classes: int,
    precision: Precision,
    ranks: ProcessGroup = ALONE,
) -> dict[str, float]:
    """Accuracy, balanced accuracy (mean recall of the classes present) and mean loss on prepared images.

    Args:
        network: put into evaluation mode.
        images: float (N, C, H, W), resized and normalised.
        labels: (N,) on the same device.
        classes: number of classes.
        precision: dtype and memory format.
        process group: whose processes share the work.

    Raises:
        Diverged: if the loss is not finite.
    """
    count = len(labels)
    parts = (
        ranks.share(slice(first, min(first + EVALUATION_BATCH, count))) for first in range(0, count, EVALUATION_BATCH)
    )
    return measure(network, ((images[part], labels[part]) for part in parts), classes, images.device, precision, ranks)


@torch.no_grad()
def named_right(network: nn.Module, images: Tensor, labels: Tensor, precision: Precision) -> Tensor:
    """Which of the prepared images (N, C, H, W) a network names right: bool (N,) on their device."""
    network.eval()
    found = []
    for first in range(0, len(labels), EVALUATION_BATCH):
        part = slice(first, first + EVALUATION_BATCH)
        with precision.autocast():
            logits = network(precision.place(images[part]))
        found.append(logits.argmax(dim=1) == labels[part])
    return torch.cat(found)


@torch.no_grad()
def measure(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    classes: int,
    device: torch.device | str,
    precision: Precision,
    ranks: ProcessGroup = ALONE,
) -> dict[str, float]:
    """As :func:`evaluate`, on batches of prepared images and their labels; in a process group, of this process's share.

    A process group measures what the first process would: its buffers (batch normalisation) replace the others'.

    Raises:
        Diverged: if the loss is not finite.
    """
    ranks.copy_buffers(network)
    network.eval()
    loss = torch.zeros((), device=device, dtype=precision.storage)
    hits, seen = [torch.zeros(0, device=device, dtype=torch.bool)], [torch.zeros(0, device=device, dtype=torch.long)]
    for pixels, labels in batches:
        if not len(labels):  # a small last batch has nothing for this process
            continue
        with precision.autocast():
            logits = network(precision.place(pixels))
        loss += functional.cross_entropy(logits.to(precision.storage), labels, reduction="sum")
        hits.append(logits.argmax(dim=1) == labels)
        seen.append(labels)
    hit, label = torch.cat(hits), torch.cat(seen)
    present = ranks.sum(torch.bincount(label, minlength=classes))
    correct = ranks.sum(torch.bincount(label[hit], minlength=classes))
    count = int(present.sum())
    mean_loss = ranks.sum(loss).item() / count
    if not math.isfinite(mean_loss):
        raise Diverged.in_validation(mean_loss)
    recall = correct[present > 0].double() / present[present > 0]
    return {
        "accuracy": int(correct.sum()) / count,
        "balanced_accuracy": recall.mean().item(),
        "loss": mean_loss,
    }
