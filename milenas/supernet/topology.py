"""Topologies: which edges a cell's nodes choose from, their merged probabilities, and the penalty on invalid cells.

Nodes are numbered as in genotypes: 0 and 1 are the cell's inputs, 2 and up the intermediate nodes (Huang 2020 counts
from 1). Successors are intermediate nodes only, so both inputs have as many of them as there are intermediate nodes.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations, product
from typing import TYPE_CHECKING, Literal, get_args

from zoo.spaces.genotype import INPUTS

if TYPE_CHECKING:  # the shape of a supernet is read without torch
    import torch
    from torch import Tensor

Kind = Literal["fixed", "inputs", "outputs", "stretchable"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Pair = tuple[int, int]
"""An edge: (source, target)."""

PAIR = 2
MOST_NODES = 12
"""Intermediate nodes of a stretchable cell: its codes double with every node, 4,096 for each input here."""


@dataclass(frozen=True, slots=True)
class Chooser:
    """A node that chooses one set of edges: among its predecessors (input pairs) or among its successors.

    Attributes:
        node: who chooses.
        choices: the sets of edges, each ascending.
        scale: what a merged probability is multiplied with, so that nodes with few and with many edges are alike.
    """

    node: int
    choices: tuple[tuple[Pair, ...], ...]
    scale: float


@dataclass(frozen=True, slots=True)
class Topology:
    """How a cell with ``nodes`` intermediate nodes decides which edges it keeps.

    Attributes:
        kind: "fixed": every edge counts alike and derivation keeps the strongest (Liu et al. 2019); "inputs",
            "outputs": every node chooses a pair of edges (Eq. 3 and 7, Huang 2020); "stretchable": every node
            chooses any subset of its successors (Eq. 11).
        nodes: intermediate nodes.

    Raises:
        ValueError: for an unknown kind, too few nodes, or a stretchable cell of too many.
    """

    kind: Kind
    nodes: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"topology must be one of {', '.join(KINDS)}, got {self.kind!r}")
        least = 1 if self.kind in ("fixed", "stretchable") else PAIR
        if self.nodes < least:
            raise ValueError(
                f"the {self.kind} topology needs at least {least} intermediate node{'s' * (least > 1)}, "
                f"got {self.nodes}"
            )
        if self.kind == "stretchable" and self.nodes > MOST_NODES:
            raise ValueError(f"a stretchable cell has at most {MOST_NODES} intermediate nodes here, got {self.nodes}")

    @property
    def edges(self) -> tuple[Pair, ...]:
        """Every edge that some choice holds, by target and then by source."""
        return _edges(self)

    @property
    def choosers(self) -> tuple[Chooser, ...]:
        """The nodes that choose, ascending; none for the fixed topology."""
        return _choosers(self)

    @property
    def sizes(self) -> list[int]:
        """How many choices each chooser has: the parts β consists of."""
        return [len(chooser.choices) for chooser in self.choosers]


@lru_cache
def _choosers(topology: Topology) -> tuple[Chooser, ...]:
    last = INPUTS + topology.nodes - 1
    found = []
    for node in range(last + 1):
        if topology.kind == "inputs" and node >= INPUTS:  # Eq. 3
            edges = [(source, node) for source in range(node)]
            found.append(Chooser(node, tuple(combinations(edges, PAIR)), 1.0))
        successors = [(node, target) for target in range(max(INPUTS, node + 1), last + 1)]
        n = len(successors)
        if topology.kind == "outputs" and n >= PAIR:  # Eq. 7; C(n, 2) / C(n - 1, 1) = n / 2 in Eq. 10
            found.append(Chooser(node, tuple(combinations(successors, PAIR)), n / 2))
        if topology.kind == "stretchable" and n:  # Eq. 11, the empty code included; the scale of Eq. 13
            codes = product((False, True), repeat=n)
            sets = tuple(tuple(e for e, kept in zip(successors, code, strict=True) if kept) for code in codes)
            found.append(Chooser(node, sets, (2**n - 1) / 2 ** (n - 1)))
    return tuple(found)


@lru_cache
def _edges(topology: Topology) -> tuple[Pair, ...]:
    last = INPUTS + topology.nodes - 1
    everything = [(source, target) for target in range(INPUTS, last + 1) for source in range(target)]
    if topology.kind == "fixed":
        return tuple(everything)
    held = {edge for chooser in topology.choosers for choice in chooser.choices for edge in choice}
    return tuple(edge for edge in everything if edge in held)


@cache  # for good: a captured step reads their memory for as long as it is replayed
def _members(topology: Topology, device: "torch.device") -> "Tensor":
    """(all choices, edges): whether a choice holds an edge."""
    import torch

    place = {edge: i for i, edge in enumerate(topology.edges)}
    held = torch.zeros(sum(topology.sizes), len(place), dtype=torch.bool)
    choices = [choice for chooser in topology.choosers for choice in chooser.choices]
    for row, choice in enumerate(choices):
        held[row, [place[edge] for edge in choice]] = True
    return held.to(device)


@cache
def _scales(topology: Topology, device: "torch.device", dtype: "torch.dtype") -> "Tensor":
    """(all choices,): each chooser's scale. Made once: numbers copied to a GPU would have it waited for."""
    import torch

    scales = [chooser.scale for chooser in topology.choosers for _ in chooser.choices]
    return torch.tensor(scales, device=device, dtype=dtype)


def probabilities(topology: Topology, beta: "Tensor") -> "Tensor":
    """The probability of every choice, a softmax over each node's own (Eq. 5, 8 and 12, Huang 2020).

    Args:
        topology: not the fixed one.
        beta: (sum of ``topology.sizes``,).
    """
    import torch

    return torch.cat([part.softmax(0) for part in torch.split(beta, topology.sizes)])


def merged(topology: Topology, beta: "Tensor") -> "Tensor":
    """The weight s of every edge, (edges,): the scaled sum of the probabilities of the choices that hold it.

    Eq. 6 (input pairs), 10 (output pairs) and 13 (codes) of Huang 2020. The sums over pairs of maps are never
    built, so a cell needs the memory of one without topology weights. The paper's codes include the empty one, while
    its scale is exact without: with it, uniform β gives s = 1 − 2^-n for n successors, as printed.
    """
    scaled = probabilities(topology, beta) * _scales(topology, beta.device, beta.dtype)
    return scaled @ _members(topology, beta.device).to(beta.dtype)


def penalty(topology: Topology, beta: "Tensor") -> "Tensor":
    """How much the most probable topology leaves nodes without an input (Eq. 14, Huang 2020); a scalar.

    0 exactly where every intermediate node has a predecessor that keeps it (ties aside), positive elsewhere.

    Deviation: the sum goes over every intermediate node; the printed one ends before node N, which is the last
    intermediate node here, and would let cells pass that lose it.
    """
    import torch

    if topology.kind in ("fixed", "inputs"):  # every node has its inputs
        return beta.new_zeros(())
    held = _members(topology, beta.device)
    factors: dict[Pair, Tensor] = {}
    first = 0
    for chooser, size in zip(topology.choosers, topology.sizes, strict=True):
        own, members = beta[first : first + size], held[first : first + size]
        best = own.amax()
        for place, edge in enumerate(topology.edges):
            if edge[0] == chooser.node:
                keeping = own.masked_fill(~members[:, place], -torch.inf)  # no indices: a GPU is not asked
                factors[edge] = -torch.expm1(keeping.amax() - best)  # near 0 too, where 1 - exp rounds
        first += size
    missing = beta.new_zeros(())
    for node in range(INPUTS, INPUTS + topology.nodes):
        into = [factor for (_, target), factor in factors.items() if target == node]
        missing = missing + (torch.stack(into).prod() if into else 1)
    return missing


def most_probable(topology: Topology, beta: "Tensor") -> tuple[Pair, ...]:
    """The edges of every node's most probable choice, by target and then by source; of equals the first."""
    import torch

    picked = [
        chooser.choices[int(part.argmax())]
        for chooser, part in zip(topology.choosers, torch.split(beta.detach().cpu(), topology.sizes), strict=True)
    ]
    return tuple(sorted({edge for choice in picked for edge in choice}, key=lambda edge: (edge[1], edge[0])))
