"""Gradients of a network's weights on a mini-batch, and the scores that sum them up: SNIP and the gradient norm."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.network import Network
from zoo.scores.score import Batch


def weights_of(network: nn.Module) -> list[Tensor]:
    """The weights of every convolution and linear layer, in order; no biases, no normalisation."""
    return [module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def gradients(output: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of a scalar, shaped as the weights; zero for layers that it does not depend on."""
    return list(torch.autograd.grad(output, weights, allow_unused=True, materialize_grads=True))


def batch_gradients(network: Network, batch: Batch) -> list[Tensor]:
    """Gradients of the mean cross-entropy of a mini-batch for :func:`weights_of`, in training mode, without dropout."""
    images, labels = batch
    network.train()
    return gradients(functional.cross_entropy(network(images), labels), weights_of(network))


def snip(network: Network, batches: Sequence[Batch]) -> float:
    """Connection sensitivity (SNIP): Σ |w · ∂L/∂w| over all weights of convolutions and linear layers.

    A weight's sensitivity |∂L/∂c| to its mask c, at c = 1, is Lee et al. 2019, §4.1; a network's is its sum over
    weights, Abdelfattah et al. 2021, §3.2. L is the cross-entropy of the first mini-batch.

    Deviation: Lee et al. divide by the sum over the network, whose weights they compare; of networks it would be 1.
    """
    found = batch_gradients(network, batches[0])
    return math.fsum(
        (weight.detach() * gradient).abs().sum(dtype=torch.float64)
        for weight, gradient in zip(weights_of(network), found, strict=True)
    )


def grad_norm(network: Network, batches: Sequence[Batch]) -> float:
    """Gradient norm: Σ over convolutions and linear layers of ‖∂L/∂w‖₂ (Abdelfattah et al. 2021, §3.2).

    L is the cross-entropy of the first mini-batch.
    """
    return math.fsum(gradient.double().norm() for gradient in batch_gradients(network, batches[0]))
