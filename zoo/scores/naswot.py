"""NASWOT: how differently the ReLUs of a network see different images."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.networks.network import Network
from zoo.networks.operations import FactorizedReduce
from zoo.scores.score import Batch


@torch.no_grad()
def naswot(network: Network, batches: Sequence[Batch]) -> float:
    """NASWOT: log |det K|, K[i, j] the ReLUs that are on or off alike for images i and j of the first mini-batch.

    Mellor et al. 2021, Eq. 1–2: K = N_A − d_H(c_i, c_j), with the code c_i of an image one bit for each of the N_A
    inputs of ReLUs, 1 where it is positive. A factorized reduce counts with the ReLU that it begins with. −∞ where
    two images have the same code. Batch normalisation is in training mode, as in the authors' code.
    """
    images, _ = batches[0]
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)

    def count(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        kernel.add_(alike(inputs[0]).cpu())

    relus = [module for module in network.modules() if isinstance(module, nn.ReLU | FactorizedReduce)]
    hooks = [module.register_forward_pre_hook(count) for module in relus]
    try:
        network.train()
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return float(torch.linalg.slogdet(kernel).logabsdet)


def alike(x: Tensor) -> Tensor:
    """float64 (b, b): how many of the maps' signs two images share, from maps (b, ...)."""
    signs = (x > 0).flatten(1).float().mul_(2).sub_(1)  # ±1, (b, n); sums of these are exact in float32 up to 2^24
    return (signs @ signs.T).double().add_(signs.shape[1]).div_(2)
