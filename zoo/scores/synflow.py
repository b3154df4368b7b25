"""SynFlow: how much flows through a network, whatever the images."""

import copy
import math
from collections.abc import Sequence

import torch
from torch import nn

from zoo.networks.network import Network
from zoo.scores.gradients import gradients, weights_of
from zoo.scores.score import Batch


def synflow(network: Network, batches: Sequence[Batch] = ()) -> float:
    """Synaptic flow: log Σ |w · ∂R/∂w| over all weights of convolutions and linear layers; images are not looked at.

    R is the sum of the outputs for an input of ones, of the network with the absolute values of its parameters (Tanaka
    et al. 2020, R_SF in §6); a network's score is the sum over its weights (Abdelfattah et al. 2021, §3.2). As in the
    code of Abdelfattah et al., normalisation layers pass on what they get, and numbers are float64. The network is
    left as it was.

    Deviation: the logarithm is taken. The sum grows by a factor per layer, to 10^80 for the networks of EcoNAS; ranks
    are those of the sum. −∞ where nothing flows.

    Deviation: ReLU6 and h-swish pass on what is positive, as ReLU does, or the flow would end at their bounds: without
    normalisation it exceeds them. The gates of squeeze-excitation keep theirs; their weights add next to nothing.
    """
    linear = linearised(network)
    shape, weights = network.skeleton, weights_of(linear)
    ones = torch.ones(1, shape.in_channels, shape.resolution, shape.resolution).to(weights[0])
    slopes = gradients(linear(ones).sum(), weights)
    flow = math.fsum((weight.detach() * slope).abs().sum() for weight, slope in zip(weights, slopes, strict=True))
    return math.log(flow) if flow > 0 else -math.inf


def linearised(network: nn.Module) -> nn.Module:
    """A float64 copy with absolute parameters, without normalisation, and with ReLUs for bounded activations."""
    linear = copy.deepcopy(network).double().eval()
    for parent in list(linear.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
            elif isinstance(child, nn.ReLU6 | nn.Hardswish):
                setattr(parent, name, nn.ReLU())
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.abs_()
    return linear
