"""Scores that are counted on the architecture alone: MACs, parameters, depth. No network is built, no torch."""

import math

from zoo.spaces.chain import chain_of
from zoo.spaces.chain_cost import network_cost
from zoo.spaces.chain_space import require_chain
from zoo.spaces.genotype import INPUTS, Cell, CellGenotype, ChainGenotype, Genotype, require_cells
from zoo.spaces.operations import OPERATIONS
from zoo.spaces.skeleton import Skeleton


def macs(genotype: Genotype, skeleton: Skeleton) -> float:
    """Multiply-accumulates of one image.

    Raises:
        ValueError: for a supernet.
    """
    return network_cost(genotype, skeleton).macs


def params(genotype: Genotype, skeleton: Skeleton) -> float:
    """Parameters.

    Raises:
        ValueError: for a supernet.
    """
    return network_cost(genotype, skeleton).params


def depth(genotype: Genotype, skeleton: Skeleton) -> float:
    """Operations with weights on the longest path from stem to classifier; of a chain, its layers with weights.

    What surrounds the operations of cells (stem, the two 1×1 convolutions at a cell's inputs, classifier) does not
    count, and neither do a chain's stem and head. A skip has weights where it has a stride in a cell, and where it
    changes the shape in a projecting chain. 0 where no path reaches the classifier.

    Raises:
        ValueError: for a supernet, or a chain space that is none of networks.
    """
    if isinstance(genotype, ChainGenotype):
        return _chain_depth(genotype)
    return _cells_depth(require_cells(genotype), skeleton)


def _chain_depth(genotype: ChainGenotype) -> int:
    chain = chain_of(require_chain(genotype).space)
    return sum(
        chain.choices[choice] is not None or (chain.projecting and not plan.keeps_shape)
        for choice, plan in zip(genotype.choices, chain.layers, strict=True)
    )


def _cells_depth(genotype: CellGenotype, skeleton: Skeleton) -> float:
    before = previous = 0.0
    for plan in skeleton.plan(genotype):
        cell = genotype.reduction if plan.reduction else genotype.normal
        before, previous = previous, _cell_depth(cell, before, previous, plan.reduction)
    return max(0.0, previous)


def _cell_depth(cell: Cell, before: float, previous: float, reduction: bool) -> float:
    """The depth of a cell's output, from those of its inputs; −∞ for what nothing reaches."""
    depths = [before, previous]
    for edges in cell.nodes:
        depths.append(
            max(
                -math.inf
                if edge.op == "none"
                else depths[edge.source] + _has_weights(edge.op, strided=reduction and edge.source < INPUTS)
                for edge in edges
            )
        )
    return max(depths[node] for node in cell.concat)


def _has_weights(op: str, *, strided: bool) -> bool:
    return OPERATIONS[op].parametric or (strided and op == "skip_connect")
