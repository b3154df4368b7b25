"""Counting on the built network, as the oracle for the closed form."""

import torch
from torch import nn

from zoo.spaces.operations import Cost


def measured_cost(network: nn.Module, in_channels: int, resolution: int) -> Cost:
    """MACs of one image (torch's flop counter, halved) and trainable parameters of a built network.

    The network is put into evaluation mode for the count and left as it was; auxiliary heads are not counted.
    """
    from torch.utils.flop_counter import FlopCounterMode  # here: it imports Triton, where that is installed

    training = network.training
    network.eval()
    weight = next(network.parameters())
    image = torch.zeros(1, in_channels, resolution, resolution, device=weight.device, dtype=weight.dtype)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    network.train(training)
    parameters = sum(p.numel() for name, p in network.named_parameters() if not name.startswith("auxiliary"))
    return Cost(counter.get_total_flops() // 2, parameters)
