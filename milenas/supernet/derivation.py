"""Derivation: from architecture weights to the cells they stand for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from milenas.supernet.topology import Pair, Topology, most_probable
from zoo.spaces.genotype import INPUTS, Cell, Edge

if TYPE_CHECKING:
    from torch import Tensor

NONE = "none"


class NoNodeLeftError(ValueError):
    """Every intermediate node has lost its inputs: there is no cell."""


def derive_cell(
    topology: Topology, operations: Sequence[str], alpha: "Tensor", beta: "Tensor | None", keep: int
) -> Cell:
    """The cell that α and β stand for.

    Fixed topology: every node keeps its ``keep`` strongest edges by their best operation other than ``none``
    (Liu et al. 2019). Otherwise every node's most probable pair or code is kept (Huang 2020). A kept edge
    carries its strongest operation other than ``none``; of equals the first. A node without inputs is dropped
    with its outgoing edges, repeatedly; all nodes left are concatenated.

    Args:
        topology: of the cell.
        operations: names, the columns of α.
        alpha: (edges, operations), logits.
        beta: logits of the choices; None for the fixed topology.
        keep: edges kept per node by the fixed topology; a node with fewer predecessors keeps them all.

    Raises:
        NoNodeLeftError: if nothing is left.
    """
    real = [i for i, name in enumerate(operations) if name != NONE]
    strength, best = alpha.detach().cpu().softmax(1)[:, real].max(1)
    operation = {edge: operations[real[int(best[i])]] for i, edge in enumerate(topology.edges)}
    if beta is None:
        force = {edge: float(strength[i]) for i, edge in enumerate(topology.edges)}
        kept = [edge for node in range(INPUTS, INPUTS + topology.nodes) for edge in _strongest(force, node, keep)]
    else:
        kept = list(most_probable(topology, beta))
    return build_cell({edge: operation[edge] for edge in kept})


def _strongest(force: Mapping[Pair, float], node: int, keep: int) -> list[Pair]:
    into = sorted((edge for edge in force if edge[1] == node), key=lambda edge: (-force[edge], edge[0]))
    return sorted(into[:keep])


def build_cell(kept: Mapping[Pair, str]) -> Cell:
    """The cell of these edges, its nodes numbered again from 2 once those without inputs are gone.

    Raises:
        NoNodeLeftError: if nothing is left.
    """
    alive = set(range(INPUTS))
    for node in sorted({target for _, target in kept}):  # sources come first, so one pass drops all that depend
        if any(source in alive for source, target in kept if target == node):
            alive.add(node)
    number = {node: i for i, node in enumerate(sorted(alive))}
    if len(number) == INPUTS:
        raise NoNodeLeftError("no node of the cell has an input left; the search has not found a valid topology")
    nodes = tuple(
        tuple(
            Edge(op, number[source])
            for (source, target), op in sorted(kept.items())
            if target == node and source in alive
        )
        for node in sorted(alive)[INPUTS:]
    )
    return Cell(nodes, tuple(range(INPUTS, INPUTS + len(nodes))))


def depth(cell: Cell) -> int:
    """Operations on the longest path from an input to the output."""
    longest = dict.fromkeys(range(INPUTS), 0)
    for node, edges in enumerate(cell.nodes, start=INPUTS):
        longest[node] = 1 + max(longest[edge.source] for edge in edges)
    return max(longest[node] for node in cell.concat)
