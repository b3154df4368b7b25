"""The blocks of a space of chains as modules of their own, and what they add up to."""

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import nn

from zoo.latency.part import Part, Shape
from zoo.networks.cell_network import initialise
from zoo.networks.chain_network import make_head, make_stem
from zoo.networks.inverted import InvertedBottleneck, Skip, projection
from zoo.spaces.chain import Chain, Choice, LayerPlan
from zoo.spaces.chain_cost import scaled_chain
from zoo.spaces.chain_space import CHAIN_SPACES, choice_names
from zoo.spaces.genotype import ChainGenotype
from zoo.spaces.skeleton import Skeleton

OUTSIDE = (None, None)
"""The place of what is outside the layers."""
Place = tuple[int, int] | tuple[None, None]
"""A layer and a choice, or :data:`OUTSIDE`."""


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


class ChainBlocks:
    """Every different block of the networks of a space of chains on a skeleton.

    Args:
        space: name of the space.
        skeleton: around its layers.

    Raises:
        ValueError: for a space that is not of chain networks.
    """

    def __init__(self, space: str, skeleton: Skeleton) -> None:
        scaled_chain(space, skeleton)
        self.space, self.skeleton = CHAIN_SPACES[space], skeleton

    def parts(self) -> list[Part]:
        """What is to be timed."""
        return chain_parts(self.space.name, self.skeleton)

    def alone(self, parts: Sequence[Part], timed: Sequence[float]) -> dict[Place, float]:
        """Milliseconds by place: of what is outside the layers the sum."""
        found: dict[Place, float] = {OUTSIDE: 0.0}
        for part, value in zip(parts, timed, strict=True):
            for place in part.places:
                found[place] = value + (found[OUTSIDE] if place == OUTSIDE else 0.0)
        return found

    def of(self, milliseconds: Mapping[Place, float], genotype: ChainGenotype) -> float:
        """Milliseconds of a network: the sum over its layers, and what is outside them."""
        return milliseconds[OUTSIDE] + sum(milliseconds[place] for place in enumerate(genotype.choices))

    def csv(self, milliseconds: Mapping[Place, float]) -> str:
        """The table as :func:`zoo.population.costs.read_latency` reads it.

        Columns: layer from 0; choice by its name; latency in milliseconds per batch. The row without a layer holds what
        is outside the layers: stem, head and classifier.
        """
        names, lines = choice_names(self.space), ["layer,choice,latency"]
        for (layer, choice), value in milliseconds.items():
            lines.append(f",,{value!r}" if layer is None or choice is None else f"{layer},{names[choice]},{value!r}")
        return "\n".join(lines) + "\n"
