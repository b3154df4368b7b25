"""The trainer: one stage of one network's schedule, from the first batch to the last, readable top to bottom."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.data.augmentation import Augmentation, augment, draw
from zoo.networks.cell_network import CellNetwork

# Purposes of the random streams; every use of randomness has a number of its own.
SHUFFLE, AUGMENT, PATHS = 301, 302, 303

EVALUATION_BATCH = 512

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


class Diverged(ArithmeticError):
    """The loss is no longer a finite number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained; the defaults are EcoNAS's reduced settings (Appendix E.2, Zhou 2020).

    Attributes:
        batch: images per step.
        lr: learning rate at the start of the cosine.
        lr_min: learning rate at its end.
        momentum: of SGD.
        weight_decay: of all parameters.
        clip: largest gradient norm.
        cutout: side of the blanked square as a share of the image's side; 0 for none.
        path_dropout: probability at the end of its linear ramp; the original setting has 0.2.
        auxiliary: weight of the auxiliary head's loss; 0 builds none.

    Raises:
        ValueError: for a value out of range.
    """

    batch: int = 96
    lr: float = 0.025
    lr_min: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    cutout: float = 0.5
    path_dropout: float = 0.0
    auxiliary: float = 0.0

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ValueError(f"the training batch must have at least 2 images, got {self.batch}")
        if not 0 <= self.lr_min <= self.lr:
            raise ValueError(f"learning rates must satisfy 0 <= lr_min <= lr, got {self.lr_min} and {self.lr}")
        for name in ("momentum", "cutout", "path_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        for name in ("weight_decay", "auxiliary"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not self.clip > 0:
            raise ValueError(f"clip must be positive, got {self.clip}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Where and in which numbers a network is trained: a device, a dtype (bfloat16 by autocast), a memory format.

    Channels-last maps train about 1.5 times faster on CPUs and are what tensor cores want.
    """

    device: str = "cpu"
    dtype: str = "float32"
    channels_last: bool = True

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")

    @property
    def storage(self) -> torch.dtype:
        """The dtype of weights and images: float64 where asked, float32 otherwise."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    def autocast(self) -> AbstractContextManager[None]:
        """Mixed precision for bfloat16, nothing otherwise."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.dtype == "bfloat16")

    def place(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) in this dtype and memory format."""
        return images.to(
            self.storage, memory_format=torch.channels_last if self.channels_last else torch.contiguous_format
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a schedule: epochs ``start`` to ``stop`` of ``epochs``, seeded by (seed, root) and the epoch."""

    start: int
    stop: int
    epochs: int
    seed: int
    root: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Training images on the device and how they are seen: uint8 (N, C, H, W), labels (N,), pixels per side."""

    images: Tensor
    labels: Tensor
    resolution: int
    mean: Sequence[float]
    std: Sequence[float]
    flip: bool


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


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Cosine from ``lr`` to ``lr_min`` over all steps of the full schedule.

    Deviation: by step, where the authors go by epoch, so that a schedule of one or two epochs completes too.
    """
    return recipe.lr_min + (recipe.lr - recipe.lr_min) * (1 + math.cos(math.pi * step / steps)) / 2


def train_stage(
    network: CellNetwork,
    optimizer: torch.optim.Optimizer,
    examples: Examples,
    recipe: Recipe,
    precision: Precision,
    stage: Stage,
) -> float:
    """Train ``network`` for the epochs of ``stage``; returns the mean training loss of its last epoch.

    Stages continue one another exactly: every random number comes from (seed, root, purpose, epoch), the
    schedule from the step of the full schedule, momentum from the optimizer. Nothing waits for the device
    inside an epoch. A last batch of a single image, which batch normalisation cannot use, is left out.

    Raises:
        Diverged: naming the epoch, if the loss is not finite at its end.
        ValueError: for fewer than two images.
    """
    count, device = len(examples.labels), examples.images.device
    base, resolution = examples.images.shape[-1], examples.resolution
    augmentation = Augmentation.scaled(
        base, resolution, flip=examples.flip, cutout=math.floor(recipe.cutout * resolution + 0.5)
    )
    starts = [i for i in range(0, count, recipe.batch) if count - i > 1]
    if not starts:
        raise ValueError(f"training needs at least 2 images, got {count}")
    seen = min(count, starts[-1] + recipe.batch)  # images of an epoch
    parameters = [p for p in network.parameters() if p.requires_grad]
    network.train()
    mean_loss = math.nan
    for epoch in range(stage.start, stage.stop):
        order = _stream(stage, SHUFFLE, epoch).permutation(count)
        indices = torch.from_numpy(order).to(device)
        draws = draw(augmentation, _stream(stage, AUGMENT, epoch), count, base, base, resolution).to(device)
        paths = _paths(stage, epoch, device) if recipe.path_dropout else None
        drop = recipe.path_dropout * epoch / stage.epochs
        total = torch.zeros((), device=device, dtype=precision.storage)
        for number, first in enumerate(starts):
            batch = indices[first : first + recipe.batch]
            pixels = augment(
                examples.images[batch],
                draws[first : first + recipe.batch],
                augmentation,
                resolution,
                examples.mean,
                examples.std,
            )
            rate = learning_rate(recipe, epoch * len(starts) + number, stage.epochs * len(starts))
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
            with precision.autocast():
                loss = _loss(network, precision.place(pixels), examples.labels[batch], recipe, drop, paths)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimizer.step()
            total += loss.detach() * len(batch)
        mean_loss = total.item() / seen
        if not math.isfinite(mean_loss):
            raise Diverged(f"diverged: the training loss is {mean_loss} in epoch {epoch + 1}")
    return mean_loss


def _loss(
    network: CellNetwork,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    drop: float,
    paths: torch.Generator | None,
) -> Tensor:
    if recipe.auxiliary:
        logits, auxiliary = network.with_auxiliary(images, drop, paths)
        return functional.cross_entropy(logits, labels) + recipe.auxiliary * functional.cross_entropy(auxiliary, labels)
    return functional.cross_entropy(network(images, drop, paths), labels)


def _stream(stage: Stage, purpose: int, epoch: int) -> np.random.Generator:
    return np.random.default_rng((stage.seed, stage.root, purpose, epoch))


def _paths(stage: Stage, epoch: int, device: torch.device) -> torch.Generator:
    seed = int(_stream(stage, PATHS, epoch).integers(2**63))
    return torch.Generator(device).manual_seed(seed)


@torch.no_grad()
def evaluate(
    network: nn.Module, images: Tensor, labels: Tensor, classes: int, precision: Precision
) -> dict[str, float]:
    """Accuracy, balanced accuracy (mean recall of the classes present) and mean loss on prepared images.

    Args:
        network: put into evaluation mode.
        images: float (N, C, H, W), resized and normalised.
        labels: (N,) on the same device.
        classes: number of classes.
        precision: dtype and memory format.

    Raises:
        Diverged: if the loss is not finite.
    """
    network.eval()
    loss = torch.zeros((), device=images.device, dtype=precision.storage)
    hits = torch.zeros(len(labels), device=images.device, dtype=torch.bool)
    for first in range(0, len(labels), EVALUATION_BATCH):
        part = slice(first, first + EVALUATION_BATCH)
        with precision.autocast():
            logits = network(precision.place(images[part]))
        loss += functional.cross_entropy(logits.to(precision.storage), labels[part], reduction="sum")
        hits[part] = logits.argmax(dim=1) == labels[part]
    mean_loss = loss.item() / len(labels)
    if not math.isfinite(mean_loss):
        raise Diverged(f"diverged: the validation loss is {mean_loss}")
    present = torch.bincount(labels, minlength=classes)
    correct = torch.bincount(labels[hits], minlength=classes)
    recall = correct[present > 0].double() / present[present > 0]
    return {
        "accuracy": hits.sum().item() / len(labels),
        "balanced_accuracy": recall.mean().item(),
        "loss": mean_loss,
    }
