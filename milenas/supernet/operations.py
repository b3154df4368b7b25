"""The operations of a search cell: convolutions and pools whose norms have no parameters, but may scale."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.networks.depthwise import depthwise
from zoo.networks.operations import FactorizedReduce, build_operation
from zoo.spaces.operations import Operation

MOMENTUM, EPSILON = 0.1, 1e-5


class Norm(nn.Module):
    """Batch normalisation without parameters that scales its output by a scalar as it goes.

    The scalar is an operation's weight on its edge: so no scaled copy of the map is made or kept for the backward
    pass. Running statistics follow the batches only while ``track`` is set.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels, self.track = channels, True
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:  # (B, C, H, W), () -> (B, C, H, W)
        # Copied: on CPUs torch 2.15 reads beyond a stride-0 weight in the backward pass of channels-last maps.
        weight = None if scale is None else scale.expand(self.channels).contiguous()
        held = self.track or not self.training
        return functional.batch_norm(
            x,
            self.mean if held else None,
            self.variance if held else None,
            weight=weight,
            training=self.training,
            momentum=MOMENTUM,
            eps=EPSILON,
        )


def _framed(built: nn.Module) -> bool:
    """Whether a module is a sequence from a ReLU to a normalisation, as those of an added operation need not be."""
    parts = list(built) if isinstance(built, nn.Sequential) else []
    return len(parts) > 2 and isinstance(parts[0], nn.ReLU) and isinstance(parts[-1], nn.BatchNorm2d)


class Branch(nn.Module):
    """An operation with weights, from rectified maps: its first ReLU is taken out, its last norm scales.

    Attributes:
        dilated: whether it may be given phases of maps, and gives phases back.
        even: whether it reads pixels of even rows and columns alone, and may be given nothing else.
    """

    def __init__(self, operation: Operation, channels: int, stride: int) -> None:
        super().__init__()
        built = build_operation(operation, channels, stride)
        if isinstance(built, FactorizedReduce):  # rectifies itself, which changes nothing
            built.norm = nn.Identity()  # type: ignore[assignment]
            self.body: nn.Module = built
        else:
            if not _framed(built):
                raise ValueError(
                    f"expected a sequence from ReLU to batch normalisation, the operation {operation.name!r} is none"
                )
            self.body = nn.Sequential(*list(built.children())[1:-1])
        self.norm = Norm(channels)
        self.dilated = operation.kind == "dil_conv" and stride == 1
        self.even = operation.kind == "dil_conv" and stride == 2
        without_parameters(self.body)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:  # (B, C, H, W), () -> (B, C, H/stride, W/stride)
        out: Tensor = self.norm(self.body(x), scale)
        return out

    def phased(self, x: Tensor, scale: Tensor) -> Tensor:
        """As :meth:`forward`, of a dilated convolution as one without dilation.

        (4B, C, H/2, W/2) phases of ``dilated`` ones to phases, (B, C, H/2, W/2) even pixels of ``even`` ones to maps.
        """
        assert isinstance(self.body, nn.Sequential)
        first, *others = self.body
        assert isinstance(first, nn.Conv2d)
        x = depthwise(x, first.weight)
        for layer in others:
            x = layer(x)
        out: Tensor = self.norm(x, scale)
        return out


class Pool(nn.Module):
    """A pooling and its norm; depends on its input alone, so that all edges from a node share it."""

    def __init__(self, operation: Operation, channels: int, stride: int) -> None:
        super().__init__()
        self.body, self.norm = build_operation(operation, channels, stride), Norm(channels)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H/stride, W/stride)
        out: Tensor = self.norm(self.body(x))
        return out


def without_parameters(module: nn.Module) -> None:
    """Replace every batch normalisation below ``module`` by one without scale and shift (Liu et al. 2019)."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, Norm(child.num_features))
        else:
            without_parameters(child)
