"""The shape of a supernet: everything that decides which weights it has, except the skeleton around its cells."""

from collections.abc import Mapping
from dataclasses import dataclass

from milenas.supernet.derivation import NONE
from milenas.supernet.topology import KINDS as TOPOLOGIES
from milenas.supernet.topology import Kind, Topology
from zoo.spaces.genotype import INPUTS, Cell, CellGenotype, Edge, Genotype, Scalar, SpaceGenotype
from zoo.spaces.operations import known, names

SPACE = "darts-supernet"
OUTPUT = 1

KINDS = ("normal", "reduction")
"""The kinds of cells, in the order of a genotype."""

DARTS_OPERATIONS = (
    NONE, "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3",
    "dil_conv_5x5",
)  # fmt: skip
"""The operations of DARTS (Liu et al. 2019); learned topologies go without ``none`` (Huang 2020)."""

NODES: Mapping[str, int] = {"fixed": 7, "inputs": 7, "outputs": 7, "stretchable": 9}
"""Nodes of a cell in the papers, by topology."""

FINAL_CELLS = 20
"""Cells of the evaluation network of fixed edges (Liu et al. 2019); learned topologies keep the supernet's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupernetConfig:
    """The cells of a supernet.

    Attributes:
        topology: how edges are chosen: fixed, inputs, outputs or stretchable.
        nodes: nodes of a cell as papers count them, with the two inputs and the output: 7 in DARTS, 9 for
            stretchable cells.
        operations: of every edge.
        keep: edges that derivation keeps per node of the fixed topology.

    Raises:
        ValueError: for operations that are unknown, repeated or too few, ``none`` with a learned topology, too few
            nodes, or more kept edges than a node can have.
    """

    topology: Kind = "fixed"
    nodes: int = 7
    operations: tuple[str, ...] = DARTS_OPERATIONS
    keep: int = 2

    def __post_init__(self) -> None:
        if self.nodes <= INPUTS + OUTPUT:
            raise ValueError(
                f"nodes counts {INPUTS} inputs and the output, expected at least {INPUTS + OUTPUT + 1}, "
                f"got {self.nodes}"
            )
        cell = self.cell  # complains about kinds and counts
        for name in self.operations:
            if not known(name):
                raise ValueError(f"unknown operation {name!r}, expected some of {', '.join(names())}")
        if len(set(self.operations)) < len(self.operations):
            raise ValueError(f"every operation counts once, got {', '.join(self.operations)}")
        if NONE in self.operations and self.topology != "fixed":
            raise ValueError(
                f"the {self.topology} topology decides itself which edges exist; expected operations without 'none'"
            )
        if not set(self.operations) - {NONE}:
            raise ValueError("expected at least one operation other than 'none'")
        if not 1 <= self.keep <= INPUTS + cell.nodes - 1:
            raise ValueError(
                f"a node of this cell has 1 to {INPUTS + cell.nodes - 1} edges to keep, got {self.keep} kept edges"
            )

    @property
    def cell(self) -> Topology:
        """The topology of its cells, without the output node."""
        return Topology(self.topology, self.nodes - INPUTS - OUTPUT)

    def full_cells(self) -> CellGenotype:
        """Cells with as many concatenated nodes as the supernet's, from which a skeleton reads channel counts."""
        nodes = self.cell.nodes
        cell = Cell(((Edge("skip_connect", 0),),) * nodes, tuple(range(INPUTS, INPUTS + nodes)))
        return CellGenotype(cell, cell)

    def genotype(self) -> SpaceGenotype:
        """The supernet as a genotype, for trials; :func:`read_config` reads it back."""
        options: dict[str, Scalar] = {
            "keep": self.keep,
            "nodes": self.nodes,
            "operations": " ".join(self.operations),
            "topology": self.topology,
        }
        return SpaceGenotype(SPACE, tuple(sorted(options.items())))


def read_config(genotype: Genotype) -> SupernetConfig:
    """The shape that :meth:`SupernetConfig.genotype` wrote.

    Raises:
        ValueError: if it is no supernet of this package.
    """
    if not isinstance(genotype, SpaceGenotype) or genotype.space != SPACE:
        raise ValueError(f"expected a supernet of the space {SPACE!r}, got {type(genotype).__name__}")
    options = dict(genotype.options)
    if set(options) != {"keep", "nodes", "operations", "topology"}:
        raise ValueError(f"a {SPACE} has keep, nodes, operations and topology, got {', '.join(options)}")
    topology, nodes, keep = options["topology"], options["nodes"], options["keep"]
    if not isinstance(nodes, int) or not isinstance(keep, int):
        raise ValueError(f"keep and nodes must be whole numbers, got {keep!r} and {nodes!r}")
    return SupernetConfig(
        topology=topology,  # type: ignore[arg-type]  # checked by the shape
        nodes=nodes,
        operations=tuple(str(options["operations"]).split()),
        keep=keep,
    )


def paper_config(
    topology: str, *, nodes: int | None = None, operations: tuple[str, ...] | None = None, keep: int = 2
) -> SupernetConfig:
    """The cells of the papers, with what is given in other numbers.

    Args:
        topology: fixed, inputs, outputs or stretchable.
        nodes: of a cell, with inputs and output.
        operations: of every edge.
        keep: edges that derivation keeps per node of the fixed topology.

    Raises:
        ValueError: for a value out of range.
    """
    if topology not in TOPOLOGIES:
        raise ValueError(f"topology must be one of {', '.join(TOPOLOGIES)}, got {topology!r}")
    if operations is None:
        operations = DARTS_OPERATIONS if topology == "fixed" else learned(DARTS_OPERATIONS)
    nodes = NODES[topology] if nodes is None else nodes
    return SupernetConfig(topology=topology, nodes=nodes, operations=operations, keep=keep)


def learned(operations: tuple[str, ...]) -> tuple[str, ...]:
    """``operations`` as learned topologies want them: without ``none``."""
    return tuple(name for name in operations if name != NONE)
