"""An operation as another package would add it: a 3×3 convolution whose input is shuffled over two groups."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest
from torch import Tensor, nn

from zoo.spaces import OPERATIONS, Cost, Operation
from zoo.spaces.operations import ADDED_OPERATIONS


def price(channels: int, resolution: int, stride: int) -> Cost:
    return Cost(9 * channels * channels // 2 * (resolution // stride) ** 2, 9 * channels * channels // 2 + 2 * channels)


def build(channels: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(channels, channels, 3, stride, 1, groups=2, bias=False)
    return nn.Sequential(nn.ReLU(), nn.ChannelShuffle(2), convolution, nn.BatchNorm2d(channels))


class Scaled(nn.Module):
    """A module with a weight that networks cannot initialise."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.LayerNorm(3)

    def forward(self, x: Tensor) -> Tensor:
        return x


NAME = "shuffle_conv_3x3"
SHUFFLED = Operation(name=NAME, price=price, build="tests.added_operation:build", tint="#d6f5e3")
DIRECT = Operation(name="direct", price=price, build=build)
MISNAMED = Operation(name="other_name", price=price, build=build)
FREE = Operation(name="free", build=build)
UNBUILT = Operation(name="unbuilt", price=price)
COLOURLESS = Operation(name="colourless", price=price, build=build, tint="")
BOXED = Operation(name="boxed", price=price, build=lambda channels, stride: Scaled())
ELSEWHERE = Operation(name="elsewhere", price=price, build="tests.nowhere:build")
NUMBER = 3

_OBJECTS = {
    NAME: "SHUFFLED",
    "direct": "DIRECT",
    "misnamed": "MISNAMED",
    "free": "FREE",
    "unbuilt": "UNBUILT",
    "colourless": "COLOURLESS",
    "boxed": "BOXED",
    "elsewhere": "ELSEWHERE",
    "number": "NUMBER",
    "absent": "ABSENT",
}


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this module's operations be those of an installed package, until the test ends."""
    points = EntryPoints(
        EntryPoint(name, f"tests.added_operation:{held}", ADDED_OPERATIONS) for name, held in _OBJECTS.items()
    )
    monkeypatch.setattr("zoo.plugins.entry_points", lambda group: points.select(group=group))
    for name in _OBJECTS:
        monkeypatch.setitem(OPERATIONS, name, SHUFFLED)  # so that it is taken out again at the end
        del OPERATIONS[name]
