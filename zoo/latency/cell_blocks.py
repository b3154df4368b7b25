"""The blocks of a space of cells as modules of their own, and what they add up to."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from zoo.latency.part import Part
from zoo.networks.cell_network import initialise, make_stem
from zoo.networks.operations import FactorizedReduce, build_operation, relu_conv_norm
from zoo.population.cell_latency import (
    ADD,
    CLASSIFIER,
    CONCAT,
    PREPROCESS,
    STEM,
    Block,
    CellLatency,
    blocks_of,
    space_blocks,
)
from zoo.spaces.cell_space import cell_space
from zoo.spaces.genotype import CellGenotype
from zoo.spaces.operations import OPERATIONS
from zoo.spaces.skeleton import Skeleton

CALL = "call"
"""The kind of the part that computes nothing: what a call costs by itself."""


class _Add(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, C, H, W) -> the same
        return x + x


class _Concat(nn.Module):
    """Joins so many maps."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, C, H, W) -> (N, count · C, H, W)
        return torch.cat([x] * self.count, dim=1)


class _Classifier(nn.Module):
    """Global pooling and the linear layer."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, C, H, W) -> (N, classes)
        logits: torch.Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


class CellBlocks:
    """Every different block of the networks of a space of cells on a skeleton.

    Args:
        space: name of the space.
        skeleton: around its cells.

    Raises:
        ValueError: for a space that is not of cells.
    """

    def __init__(self, space: str, skeleton: Skeleton) -> None:
        self.space, self.skeleton = cell_space(space), skeleton

    def parts(self) -> list[Part]:
        """What is to be timed: first a call that computes nothing, then blocks."""
        tiny = (1, 1, 1)
        return [Part(CALL, nn.Identity(), tiny, []), *map(self._part, space_blocks(self.space, self.skeleton))]

    def alone(self, parts: Sequence[Part], timed: Sequence[float]) -> dict[Block, float]:
        """Milliseconds of every block in a network: less the call by itself, which a network pays once, with its stem.

        A module that hands on what it gets takes no time there.
        """
        call = timed[0]
        found = {}
        for part, value in zip(parts[1:], timed[1:], strict=True):
            (block,) = part.places
            free = isinstance(part.module, nn.Identity)
            found[block] = (0.0 if free else max(0.0, value - call)) + (call if block.operation == STEM else 0.0)
        return found

    def of(self, milliseconds: Mapping[Block, float], genotype: CellGenotype) -> float:
        """Milliseconds of a network: the sum over its blocks."""
        return sum(milliseconds[block] * count for block, count in blocks_of(genotype, self.skeleton).items())

    def csv(self, milliseconds: Mapping[Block, float]) -> str:
        """The table as :func:`zoo.population.cell_latency.read_cell_latency` reads it."""
        return CellLatency(self.skeleton.cells, milliseconds).csv()

    def _part(self, block: Block) -> Part:
        module = self._module(block)
        initialise(module, torch.Generator().manual_seed(0))
        return Part(block, module, (block.inputs, block.resolution, block.resolution), [block])

    def _module(self, block: Block) -> nn.Module:
        if block.operation == STEM:
            return nn.Sequential(*filter(None, make_stem(self.skeleton)))
        if block.operation == PREPROCESS:
            if block.stride == 2:
                return FactorizedReduce(block.inputs, block.channels)
            return relu_conv_norm(block.inputs, block.channels, 1)
        if block.operation == ADD:
            return _Add()
        if block.operation == CONCAT:
            return _Concat(block.channels // block.inputs)
        if block.operation == CLASSIFIER:
            return _Classifier(block.inputs, block.channels)
        return build_operation(OPERATIONS[block.operation], block.channels, block.stride)
