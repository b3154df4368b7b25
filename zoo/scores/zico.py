"""ZiCo: how alike the gradients of different mini-batches are."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.networks.network import Network
from zoo.scores.gradients import batch_gradients
from zoo.scores.score import Batch


def zico(network: Network, batches: Sequence[Batch]) -> float:
    """ZiCo: Σ over layers of log Σ over weights of E|∂L/∂w| / √Var|∂L/∂w|, the equation that defines it in §3.

    Li et al. 2023. Mean and variance are over mini-batches, the variance that of a population; layers are convolutions
    and linear layers. As in the authors' code, weights without variance add nothing, and neither do layers without any
    such weight (those that no output depends on).

    Deviation: the authors' code takes the variance of ∂L/∂w where the paper has that of its absolute value; this is
    the paper's.
    """
    found = [batch_gradients(network, batch) for batch in batches]
    layers = [_inverse_variation(layer) for layer in zip(*found, strict=True)]
    return math.fsum(math.log(layer) for layer in layers if layer > 0)


def _inverse_variation(gradients: Sequence[Tensor]) -> float:
    """Σ mean / deviation of a layer's absolute gradients, one tensor a mini-batch."""
    sizes = torch.stack(list(gradients)).double().abs()  # (batches, *weight)
    deviation, mean = torch.std_mean(sizes, dim=0, correction=0)
    varied = deviation > 0
    return (mean[varied] / deviation[varied]).sum().item()
