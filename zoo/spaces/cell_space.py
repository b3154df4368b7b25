"""Cell search spaces: which cells exist, how to draw, change and cross them, and which compute the same function."""

from dataclasses import dataclass
from math import comb, prod
from typing import TYPE_CHECKING, Literal, TypeAlias

from zoo.spaces.features import Features, cell_features
from zoo.spaces.genotype import INPUTS, Cell, CellGenotype, Edge, canonical_graph, graph_key
from zoo.spaces.operations import OPERATIONS

if TYPE_CHECKING:
    import numpy as np

Draw: TypeAlias = "np.random.Generator"


@dataclass(frozen=True, slots=True)
class CellSpace:
    """A space of cell genotypes: a fixed number of nodes, each the sum of a fixed number of edges.

    Attributes:
        name: what the command line calls it.
        operations: names of the operations an edge may carry.
        nodes: intermediate nodes of a cell.
        edges: edges of a node.
        concat: "all" intermediate nodes form the output, or the "loose" ends only.
        distinct: whether a node's edges must come from different sources.
    """

    name: str
    operations: tuple[str, ...]
    nodes: int
    concat: Literal["all", "loose"]
    edges: int = 2
    distinct: bool = False

    def sample(self, rng: Draw) -> CellGenotype:
        """Draw a genotype: every input and every operation independently (Appendix C, Zhou 2020)."""
        return CellGenotype(self._sample_cell(rng), self._sample_cell(rng))

    def mutate(self, genotype: CellGenotype, rng: Draw) -> CellGenotype:
        """A neighbour of ``genotype``: with probability 1/2 one input rewired, else one operation swapped.

        The result builds another graph than ``genotype``, which is left as it is. A draw that changes nothing is
        repeated as a whole: the first node of a cell with distinct sources has nothing to rewire to.

        Raises:
            ValueError: if the genotype is not of this space.
        """
        self._require(genotype)
        before = genotype.key
        while True:
            cells = [genotype.normal, genotype.reduction]
            which = int(rng.integers(2))
            cells[which] = self._mutate_cell(cells[which], rng)
            child = CellGenotype(*cells)
            if child.key != before:
                return child

    def cross(self, first: CellGenotype, second: CellGenotype, rng: Draw) -> CellGenotype:
        """Uniform crossover: every node comes, with its edges, from one parent or the other.

        Raises:
            ValueError: if a parent is not of this space.
        """
        self._require(first)
        self._require(second)
        cells = []
        for a, b in ((first.normal, second.normal), (first.reduction, second.reduction)):
            picks = rng.integers(2, size=self.nodes)
            cells.append(self._close(tuple((a, b)[p].nodes[i] for i, p in enumerate(picks))))
        return CellGenotype(*cells)

    def contains(self, genotype: CellGenotype) -> bool:
        """Whether this space can sample ``genotype``."""
        return isinstance(genotype, CellGenotype) and all(
            self._contains_cell(cell) for cell in (genotype.normal, genotype.reduction)
        )

    @property
    def size(self) -> int:
        """How many genotypes the space has, a node's edges unordered and isomorphic ones counted apart."""
        return prod(self._node_choices(i) for i in range(self.nodes)) ** 2

    def function_key(self, genotype: CellGenotype) -> str:
        """Equal only if two genotypes compute the same family of functions; coarser than ``genotype.key``.

        ``none`` edges vanish, a node that only skips is its source, pools and skips of zero are zero, nodes
        that apply the same parameter-free operations to the same sources are one, and a repeated or zero term
        of the concatenation adds nothing the next 1×1 convolution could not do without it.
        """
        return graph_key(_simplified(genotype.normal, reduction=False), _simplified(genotype.reduction, reduction=True))

    def features(self, genotype: CellGenotype) -> Features:
        """What a model that predicts its quality sees of a genotype.

        Raises:
            ValueError: if the genotype is not of this space.
        """
        self._require(genotype)
        normal, reduction = genotype.normal, genotype.reduction
        return {**cell_features(normal, "normal", INPUTS), **cell_features(reduction, "reduction", INPUTS)}

    def _require(self, genotype: CellGenotype) -> None:
        if not self.contains(genotype):
            raise ValueError(f"the genotype is not of the space {self.name!r}")

    def _node_choices(self, index: int) -> int:
        sources = INPUTS + index
        if self.distinct:
            return comb(sources, self.edges) * int(len(self.operations) ** self.edges)
        return comb(sources * len(self.operations) + self.edges - 1, self.edges)

    def _sample_cell(self, rng: Draw) -> Cell:
        nodes = []
        for i in range(self.nodes):
            sources = rng.choice(INPUTS + i, size=self.edges, replace=not self.distinct)
            ops = rng.integers(len(self.operations), size=self.edges)
            nodes.append(tuple(Edge(self.operations[o], int(s)) for o, s in zip(ops, sources, strict=True)))
        return self._close(tuple(nodes))

    def _mutate_cell(self, cell: Cell, rng: Draw) -> Cell:
        node, slot = int(rng.integers(self.nodes)), int(rng.integers(self.edges))
        edge = cell.nodes[node][slot]
        if rng.integers(2):
            taken = {e.source for e in cell.nodes[node]} if self.distinct else {edge.source}
            free = [s for s in range(INPUTS + node) if s not in taken]
            if not free:
                return cell
            edge = Edge(edge.op, int(rng.choice(free)))
        else:
            others = [op for op in self.operations if op != edge.op]
            if not others:
                return cell
            edge = Edge(others[int(rng.integers(len(others)))], edge.source)
        edges = tuple(edge if i == slot else old for i, old in enumerate(cell.nodes[node]))
        return self._close(tuple(edges if i == node else old for i, old in enumerate(cell.nodes)))

    def _close(self, nodes: tuple[tuple[Edge, ...], ...]) -> Cell:
        everything = Cell(nodes, tuple(range(INPUTS, INPUTS + len(nodes))))
        return everything if self.concat == "all" else Cell(nodes, everything.loose_ends)

    def _contains_cell(self, cell: Cell) -> bool:
        return (
            len(cell.nodes) == self.nodes
            and all(len(edges) == self.edges for edges in cell.nodes)
            and all(edge.op in self.operations for _, edge in cell.edges())
            and not (self.distinct and any(len({e.source for e in edges}) < len(edges) for edges in cell.nodes))
            and self._close(cell.nodes) == cell
        )


def _simplified(cell: Cell, *, reduction: bool) -> tuple[object, ...]:
    """The cell's graph after the rewrites that :meth:`CellSpace.function_key` names."""
    alias: dict[int, int] = {0: 0, 1: 1}
    nodes: dict[int, tuple[Edge, ...]] = {}
    merged: dict[tuple[Edge, ...], int] = {}
    for node, edges in enumerate(cell.nodes, start=INPUTS):
        kept = tuple(sorted(Edge(e.op, alias[e.source]) for e in edges if not _zero(e, alias, nodes)))
        if len(kept) == 1 and kept[0].op == "skip_connect" and not _strided(kept[0], reduction):
            alias[node] = kept[0].source
            continue
        free = not any(OPERATIONS[e.op].parametric or (_strided(e, reduction) and e.op == "skip_connect") for e in kept)
        if free and kept in merged:
            alias[node] = merged[kept]
            continue
        if free:
            merged[kept] = node
        alias[node], nodes[node] = node, kept
    outputs = {alias[node] for node in cell.concat}
    outputs = {node for node in outputs if nodes.get(node, True)} or outputs
    return (*canonical_graph(nodes, frozenset(outputs)), tuple(sorted(outputs & {0, 1})))


def _zero(edge: Edge, alias: dict[int, int], nodes: dict[int, tuple[Edge, ...]]) -> bool:
    """Whether an edge adds nothing: ``none``, or a parameter-free operation on a node that is itself zero."""
    return edge.op == "none" or (not OPERATIONS[edge.op].parametric and nodes.get(alias[edge.source]) == ())


def _strided(edge: Edge, reduction: bool) -> bool:
    return reduction and edge.source < INPUTS


ECONAS_ZOO = CellSpace(
    "econas-zoo",
    (
        "avg_pool_3x3",
        "max_pool_3x3",
        "max_pool_5x5",
        "max_pool_7x7",
        "skip_connect",
        "conv_1x1",
        "conv_3x3",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
        "dil_conv_3x3",
        "conv_1x3_3x1",
        "conv_1x7_7x1",
    ),
    nodes=5,
    concat="all",
)
"""The space of EcoNAS's model zoo (Appendix C, Zhou 2020)."""

_DARTS_OPERATIONS = (
    "none",
    "avg_pool_3x3",
    "max_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)

ECONAS_SEARCH = CellSpace("econas-search", _DARTS_OPERATIONS, nodes=4, concat="loose")
"""The space EcoNAS searches (Appendix E.1, Zhou 2020): the nodes nobody reads are concatenated."""

DARTS = CellSpace("darts", _DARTS_OPERATIONS[1:], nodes=4, concat="all", distinct=True)
"""The cells DARTS derives (Liu et al. 2019): two different sources a node, all nodes concatenated."""

CELL_SPACES: dict[str, CellSpace] = {space.name: space for space in (ECONAS_ZOO, ECONAS_SEARCH, DARTS)}


def cell_space(name: str) -> CellSpace:
    """The space called ``name``.

    Raises:
        ValueError: naming the spaces that exist.
    """
    if name not in CELL_SPACES:
        raise ValueError(f"unknown search space {name!r}, expected one of {', '.join(CELL_SPACES)}")
    return CELL_SPACES[name]
