"""The modules of chain networks: the inverted bottleneck with its squeeze-excitation, and what a skip can be."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.cell_network import drop_path
from zoo.networks.convolution import convolution
from zoo.spaces.chain import Activation, Block, LayerPlan
from zoo.spaces.chain_cost import squeezed


def activation(name: Activation) -> nn.Module:
    """The module of an activation; in place where its gradient is told by its result: nothing reads its input."""
    match name:
        case "relu":
            return nn.ReLU(inplace=True)
        case "relu6":
            return nn.ReLU6(inplace=True)
        case "hswish":
            return nn.Hardswish()


def conv_norm(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution with "same" padding and its normalisation."""
    return convolution(inputs, outputs, kernel, stride, groups), nn.BatchNorm2d(outputs)


class SqueezeExcitation(nn.Module):
    """Scales channels by what their means say (Hu et al. 2018): biases, ReLU between, h-sigmoid, a quarter wide."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(hidden, squeezed(hidden), 1)
        self.expand = nn.Conv2d(squeezed(hidden), hidden, 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, hidden, H, W) -> the same
        means = x.mean(dim=(2, 3), keepdim=True)
        return x * functional.hardsigmoid(self.expand(torch.relu(self.reduce(means))))


class InvertedBottleneck(nn.Module):
    """1×1 to the hidden channels, depthwise, squeeze-excitation where chosen, 1×1 back; a shortcut where shapes agree.

    Args:
        block: expansion, kernel, squeeze-excitation.
        plan: of its layer; hidden channels are multiples of the plan's inputs.
        inputs: channels it receives: the plan's, or fewer behind a skip.
        inside: activation.
        squeeze: squeeze-excitation to use instead of an own one.
    """

    def __init__(
        self,
        block: Block,
        plan: LayerPlan,
        inputs: int,
        inside: Activation,
        squeeze: SqueezeExcitation | None = None,
    ) -> None:
        super().__init__()
        hidden = block.expansion * plan.inputs
        self.expand, self.norm_1 = conv_norm(inputs, hidden, 1)
        self.depthwise, self.norm_2 = conv_norm(hidden, hidden, block.kernel, plan.stride, hidden)
        self.squeeze = (squeeze or SqueezeExcitation(hidden)) if block.excited else None
        self.project, self.norm_3 = conv_norm(hidden, plan.width, 1)
        self.activation = activation(inside)
        self.shortcut = plan.keeps_shape and inputs == plan.width

    def branch(self, x: Tensor) -> Tensor:  # (B, inputs, H, W) -> (B, width, H/stride, W/stride)
        """All but the shortcut."""
        x = self.activation(self.norm_1(self.expand(x)))
        x = self.activation(self.norm_2(self.depthwise(x)))
        if self.squeeze is not None:
            x = self.squeeze(x)
        out: Tensor = self.norm_3(self.project(x))
        return out

    def forward(self, x: Tensor, drop: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """The block; ``drop`` is the probability that an image goes by the shortcut alone."""
        out = self.branch(x)
        if not self.shortcut:
            return out
        return x + (drop_path(out, drop, generator) if drop > 0 else out)


class Skip(nn.Module):
    """Nothing, or every ``stride``-th pixel."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H/stride, W/stride)
        return x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]


def projection(plan: LayerPlan) -> nn.Sequential:
    """A 1×1 convolution with normalisation: the skip of a projecting chain where the shape changes."""
    return nn.Sequential(*conv_norm(plan.inputs, plan.width, 1, plan.stride))


def stabilizer(plan: LayerPlan) -> nn.Conv2d:
    """The linear 1×1 convolution that stands for a skip in a supernet, without bias and norm (Eq. 3, Chu 2019)."""
    return convolution(plan.inputs, plan.width, 1, plan.stride)
