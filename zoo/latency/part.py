"""A part of networks that is timed by itself."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from torch import nn

Shape = tuple[int, int, int]
"""(C, H, W)."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A piece of a network.

    Attributes:
        kind: equal for pieces that take equally long.
        module: computes it.
        shape: (C, H, W) of its input.
        places: where networks have it, as their space says it.
    """

    kind: Hashable
    module: nn.Module
    shape: Shape
    places: list[Any]
