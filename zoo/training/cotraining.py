"""Co-training: several networks trained and measured together as one program, each as if it were alone.

Batches, seeds, losses, clipping norms and divergence are each network's own; only the schedule is common, because a
batch of trials never mixes settings or stages.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zoo.networks.cell_network import CellNetwork
from zoo.networks.engine.program import Program
from zoo.population.steps import stepped
from zoo.training.captured import CapturedStep
from zoo.training.cuda_streams import in_turns
from zoo.training.distributed import ALONE
from zoo.training.epoch import EpochBatches, Examples, Stage
from zoo.training.memory import available, fitting
from zoo.training.recipe import Precision, Recipe, torch_dtype
from zoo.training.trainer import (
    EVALUATION_BATCH,
    Diverged,
    learning_rate,
    path_stream,
)

LARGEST_MAP = 8
"""Pixels a side up to which a program is faster than modules in every space, with 9 to 36 channels: see `crossover`."""


def prefers_program(engine: str, resolution: int, device: str) -> bool:
    """Whether networks of maps of ``resolution`` are run as a program: small maps, on a device that was tried."""
    return engine == "auto" and resolution <= LARGEST_MAP and torch.device(device).type in ("cpu", "cuda")


def make_program(networks: Sequence[CellNetwork], precision: Precision, recipe: Recipe) -> Program:
    """The networks as one program in a precision's dtype, for a recipe's batches.

    Networks on the CPU are borrowed by a program on the precision's device, those on another stay where they are.
    """
    at_home = next(networks[0].parameters()).device.type != "cpu"
    device = None if at_home else torch.device(precision.device)
    return Program(networks, torch_dtype(precision.dtype), recipe.batch, device)


def load_momenta(program: Program, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Continue with the momenta that the optimizers of the networks hold."""
    buffer = program.buffer
    momenta = buffer.momenta.to(buffer.home)
    for owner, parameter, momentum in buffer.views(momenta):
        held = optimizers[owner].state.get(parameter, {}).get("momentum_buffer")
        if held is not None:
            momentum.copy_(held)
    buffer.momenta.copy_(momenta)


def store_momenta(program: Program, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Hand the momenta to the optimizers."""
    buffer = program.buffer
    for owner, parameter, momentum in buffer.views(buffer.momenta.to(buffer.home)):
        optimizers[owner].state[parameter]["momentum_buffer"] = momentum.clone()


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What became of a program.

    Attributes:
        losses: network by network the mean training loss of every epoch, or how it diverged.
        graphs: shapes of batches whose step was captured, and replayed from then on.
        fallback: why steps were not captured on a device that has graphs; empty where they were, and elsewhere.
    """

    losses: Sequence[list[float] | Diverged]
    graphs: int
    fallback: str


def train_together(
    programs: Sequence[Program],
    examples: Examples,
    recipe: Recipe,
    precision: Precision,
    stages: Sequence[Sequence[Stage]],
) -> list[Trained]:
    """Train all networks of all programs for the epochs of their stages, which differ in their seeds only.

    Several programs take their steps in turn, on a GPU each on a stream of its own.

    Args:
        programs: what is trained.
        examples: what on.
        recipe: how.
        precision: device and dtype.
        stages: of every network of every program.

    Returns:
        What became of every program. A network that diverges does not touch the others.

    Raises:
        ValueError: for stages with other epochs, or fewer than two images.
    """
    spans = {(stage.start, stage.stop, stage.epochs) for group in stages for stage in group}
    if len(spans) != 1:
        raise ValueError("networks that train together must be at the same stage of the same schedule")
    works = [
        training(program, examples, recipe, precision, group) for program, group in zip(programs, stages, strict=True)
    ]
    return in_turns(works, examples.images.device)


def training(
    program: Program, examples: Examples, recipe: Recipe, precision: Precision, stages: Sequence[Stage]
) -> Generator[None, None, Trained]:
    """One program's stage as :func:`train_together` runs it, which stops after every step."""
    results: list[list[float] | Diverged] = [[] for _ in stages]
    step = CapturedStep(program, recipe)
    for epoch in range(stages[0].start, stages[0].stop):
        losses = yield from _epoch(step, examples, recipe, precision, stages, epoch)
        for number, loss in enumerate(losses.tolist()):
            if isinstance(trained := results[number], Diverged):
                continue
            if math.isfinite(loss):
                trained.append(loss)
            else:
                results[number] = Diverged.in_training(loss, epoch)
        if all(isinstance(result, Diverged) for result in results):
            break
    return Trained(results, step.graphs, step.fallback)


def _epoch(
    step: CapturedStep, examples: Examples, recipe: Recipe, precision: Precision, stages: Sequence[Stage], epoch: int
) -> Generator[None, None, Tensor]:
    """One epoch of all networks of a program, step by step; their mean losses (K,).

    Between the copies of its random numbers and its end nothing waits for the device.
    """
    device = examples.images.device
    epochs = [EpochBatches(examples, recipe, stage, epoch) for stage in stages]
    paths = [path_stream(stage, epoch, device, ALONE) for stage in stages] if recipe.path_dropout else []
    drop = recipe.path_dropout * epoch / stages[0].epochs
    total = torch.zeros(len(stages), device=device, dtype=precision.storage)
    slices = epochs[0].slices
    for number in range(len(slices)):
        done, steps = epoch * len(slices) + number, stages[0].epochs * len(slices)
        rate = learning_rate(recipe, done, steps, recipe.warmup * len(slices))
        pixels, labels = EpochBatches.together(epochs, number)
        losses = step(pixels, labels, rate, drop, paths)
        total += losses * labels.shape[1]
        stepped(done + 1 - stages[0].start * len(slices), (stages[0].stop - stages[0].start) * len(slices))
        yield
    means: Tensor = total / slices[-1].stop
    return means


def evaluation_batch(program: Program, count: int, device: torch.device) -> int:
    """How many of ``count`` images are validated at a time: on a GPU as many as fit in its memory.

    On a CPU larger batches would only leave the cache, and change the last bits.
    """
    if device.type == "cpu":
        return EVALUATION_BATCH
    return fitting(count, EVALUATION_BATCH, program.bytes_per_image, available(device))


def evaluate_together(
    program: Program, images: Tensor, labels: Tensor, classes: int
) -> list[dict[str, float] | Diverged]:
    """As :func:`zoo.training.trainer.evaluate`, for all networks of a program on the same images (N, C, H, W)."""
    networks, count = len(program.networks), len(labels)
    size = evaluation_batch(program, count, images.device)
    loss = torch.zeros(networks, device=images.device, dtype=program.buffer.storage)
    hits = []
    for first in range(0, count, size):
        pixels, truth = images[first : first + size], labels[first : first + size]
        _, logits, _ = program.forward(pixels.expand(networks, *pixels.shape), training=False)
        logits = logits.to(program.buffer.storage)  # (K, b, classes)
        each = functional.cross_entropy(logits.transpose(1, 2), truth.expand(networks, -1), reduction="none")
        loss += each.sum(dim=1)
        hits.append(logits.argmax(dim=2) == truth)
    hit = torch.cat(hits, dim=1)  # (K, N)
    present = torch.bincount(labels, minlength=classes)
    results: list[dict[str, float] | Diverged] = []
    for number, mean_loss in enumerate((loss / count).tolist()):
        if not math.isfinite(mean_loss):
            results.append(Diverged.in_validation(mean_loss))
            continue
        correct = torch.bincount(labels[hit[number]], minlength=classes)
        recall = correct[present > 0].double() / present[present > 0]
        results.append(
            {
                "accuracy": int(correct.sum()) / count,
                "balanced_accuracy": recall.mean().item(),
                "loss": mean_loss,
            }
        )
    return results
