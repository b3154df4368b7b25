"""A training step of a program: forward, losses, backward, statistics, update, for all networks at once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.networks.engine.program import Program
from zoo.training.recipe import Recipe


def train_step(
    program: Program,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    rate: float | Tensor,
    drop: float = 0.0,
    paths: Sequence[torch.Generator] = (),
) -> Tensor:
    """One step of all networks on images (K, b, C, H, W) and labels (K, b); their losses (K,), on the device."""
    buffer = program.buffer
    run, logits, auxiliary = program.forward(images, training=True, drop=drop, generators=paths)
    losses, slope = _loss(logits.to(buffer.storage), labels, recipe.smoothing)
    above = None
    if auxiliary is not None:
        extra, above = _loss(auxiliary.to(buffer.storage), labels, recipe.smoothing)
        losses, above = losses + recipe.auxiliary * extra, (recipe.auxiliary * above).to(buffer.compute)
    program.backward(run, slope.to(buffer.compute), above)
    buffer.track(images.shape[1])
    buffer.step(rate, momentum=recipe.momentum, decay=recipe.weight_decay, clip=recipe.clip)
    return losses


def _loss(logits: Tensor, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Mean cross entropy of every network, (K,), and its slope by the logits (K, b, classes).

    Autograd's kernels without autograd: nothing but launches, which is what a captured step may be made of.
    """
    images, classes = logits.shape[1:]
    logs = logits.transpose(1, 2).log_softmax(1)  # (K, classes, b)
    truth = labels.unsqueeze(1)
    each = logs.gather(1, truth).squeeze(1).neg()
    if smoothing:
        each = (1 - smoothing) * each - smoothing / classes * logs.sum(dim=1)
    wanted = torch.full_like(logs, -smoothing / classes / images)
    wanted.scatter_(1, truth, -(1 - smoothing + smoothing / classes) / images)
    slope = torch.ops.aten._log_softmax_backward_data(wanted, logs, 1, logs.dtype)
    return each.mean(dim=1), slope.transpose(1, 2)
