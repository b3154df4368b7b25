"""The blocks of a chain space as modules of their own, each with the shape of what it receives."""

from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import nn

from zoo.networks.cell_network import initialise
from zoo.networks.chain_network import make_head, make_stem
from zoo.networks.inverted import InvertedBottleneck, Skip, projection
from zoo.spaces.chain import Chain, Choice, LayerPlan
from zoo.spaces.chain_cost import scaled_chain
from zoo.spaces.skeleton import Skeleton

Shape = tuple[int, int, int]
OUTSIDE = (None, None)
"""The place of what is outside the layers."""
Place = tuple[int, int] | tuple[None, None]
"""A layer and a choice, or :data:`OUTSIDE`."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A piece of a network.

    Attributes:
        kind: equal for pieces that take equally long.
        module: computes it.
        shape: (C, H, W) of its input.
        places: where networks have it.
    """

    kind: Hashable
    module: nn.Module
    shape: Shape
    places: list[Place]


class _End(nn.Module):
    """The head of a chain network with pooling and classifier."""

    def __init__(self, chain: Chain, classes: int) -> None:
        super().__init__()
        self.head = make_head(chain, chain.layers[-1].width)
        self.classifier = nn.Linear(chain.head, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, C, H, W) -> (N, classes)
        logits: torch.Tensor = self.classifier(self.head(x).mean(dim=(2, 3)))
        return logits


def chain_parts(space: str, skeleton: Skeleton) -> list[Part]:
    """Every different piece of the networks of a chain space, once.

    A block is as it is where the layer before it is no skip.

    Raises:
        ValueError: for a space that is not of chain networks.
    """
    chain = scaled_chain(space, skeleton)
    found: dict[Hashable, Part] = {}

    def add(kind: Hashable, module: nn.Module, shape: Shape, place: Place) -> None:
        if kind not in found:
            initialise(module, torch.Generator().manual_seed(0))
            found[kind] = Part(kind, module, shape, [])
        found[kind].places.append(place)

    side = skeleton.resolution
    add("stem", make_stem(chain, skeleton.in_channels), (skeleton.in_channels, side, side), OUTSIDE)
    side = -(-side // chain.stem_stride)
    for layer, plan in enumerate(chain.layers):
        for choice, what in enumerate(chain.choices):
            kind = (what, plan.inputs, plan.width, plan.stride, side)
            add(kind, _module(chain, what, plan), (plan.inputs, side, side), (layer, choice))
        side = -(-side // plan.stride)
    add("end", _End(chain, skeleton.classes), (chain.layers[-1].width, side, side), OUTSIDE)
    return list(found.values())


def _module(chain: Chain, what: Choice, plan: LayerPlan) -> nn.Module:
    if what is not None:
        return InvertedBottleneck(what, plan, plan.inputs, chain.activation)
    return projection(plan) if chain.projecting and not plan.keeps_shape else Skip(plan.stride)
