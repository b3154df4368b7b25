"""Pieces: the blocks that an operation's module is made of, ReLU, convolutions and a normalisation each."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from torch import nn

from zoo.networks.engine.stages import DEPTHWISE_LIMIT
from zoo.networks.operations import FactorizedReduce
from zoo.networks.taps import Window

Size = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What a block does in one network: ReLU or not, convolutions in order (side by side: ``halves``), a norm."""

    active: bool
    convs: Sequence[nn.Conv2d]
    norm: nn.BatchNorm2d
    halves: bool
    windows: Sequence[Window]

    @property
    def shape(self) -> Hashable:
        """Equal for pieces that can be one block: depthwise kernels and dilations make no difference."""
        convs = tuple(
            ("depthwise", window.size, window.out, conv.in_channels)
            if is_product(conv, window)
            else (window, conv.in_channels, conv.out_channels, conv.groups)
            for conv, window in zip(self.convs, self.windows, strict=True)
        )
        return self.active, self.halves, convs

    @property
    def out(self) -> Size:
        """Size of the maps it makes."""
        return self.windows[-1].out


def pieces(module: nn.Module, size: Size) -> list[Piece]:
    """The blocks of an operation on maps of ``size``, in order.

    Raises:
        ValueError: for a module that is not made of ReLU, convolution and normalisation.
    """
    if isinstance(module, FactorizedReduce):
        convs = [conv for conv in (module.conv_1, module.conv_2) if conv.out_channels]
        return [Piece(True, convs, module.norm, True, [Window.of(conv, size) for conv in convs])]
    made: list[Piece] = []
    active, found, windows = False, list[nn.Conv2d](), list[Window]()
    for part in module.children():
        if isinstance(part, nn.ReLU):
            active = True
        elif isinstance(part, nn.Conv2d):
            found.append(part)
            windows.append(Window.of(part, size))
            size = windows[-1].out
        elif isinstance(part, nn.BatchNorm2d):
            made.append(Piece(active, found, part, False, windows))
            active, found, windows = False, [], []
        else:
            raise ValueError(f"expected ReLU, convolutions and batch normalisation, got {type(part).__name__}")
    if found or not made:
        raise ValueError(f"expected convolutions that end in a batch normalisation, got {type(module).__name__}")
    return made


def is_product(conv: nn.Conv2d, window: Window) -> bool:
    """Whether a convolution is depthwise, and on maps so small that it is a product of pixels by pixels."""
    depthwise = conv.groups == conv.in_channels == conv.out_channels and conv.kernel_size != (1, 1)
    return depthwise and window.pixels <= DEPTHWISE_LIMIT
