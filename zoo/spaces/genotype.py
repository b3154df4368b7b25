"""Genotypes: an architecture as frozen data, with validation, JSON and a key that is equal for equal graphs."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from reprlib import repr as short  # a hostile file must not make a hostile message
from typing import Any

from zoo.files import parsed_json
from zoo.spaces.operations import OPERATIONS, known, names

SCHEMA = 1
INPUTS = 2
"""A cell's nodes 0 and 1 are the outputs of the two cells before it; its intermediate nodes start at 2."""


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """One term of a node's sum: an operation applied to an earlier node."""

    op: str
    source: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: for every intermediate node its incoming edges, and which nodes are concatenated as the output.

    Nodes 0 and 1 are the cell's inputs, ``nodes[i]`` is node ``i + 2``, and a node's value is the sum of its
    edges. ``concat`` names intermediate nodes only, in ascending order.

    Raises:
        ValueError: naming the node and what is wrong: an unknown operation, a source that does not exist or
            comes later (a cycle), a node without inputs, an empty or invalid concatenation.
    """

    nodes: tuple[tuple[Edge, ...], ...]
    concat: tuple[int, ...]

    def __post_init__(self) -> None:
        last = INPUTS + len(self.nodes) - 1
        if not self.nodes:
            raise ValueError("a cell needs at least one intermediate node, got none")
        for node, edges in enumerate(self.nodes, start=INPUTS):
            if not edges:
                raise ValueError(f"node {node} has no inputs, expected at least one")
            for edge in edges:
                _check_edge(node, edge, last)
        if not self.concat:
            raise ValueError("concat is empty, expected at least one intermediate node")
        if list(self.concat) != sorted(set(self.concat)):
            raise ValueError(f"concat must ascend without repetition, got {list(self.concat)}")
        for node in self.concat:
            if not INPUTS <= node <= last:
                raise ValueError(f"concat names node {node}, expected intermediate nodes {INPUTS} to {last}")

    def edges(self) -> Iterator[tuple[int, Edge]]:
        """Yield (node, edge) for every edge of the cell."""
        for node, edges in enumerate(self.nodes, start=INPUTS):
            for edge in edges:
                yield node, edge

    @property
    def loose_ends(self) -> tuple[int, ...]:
        """Intermediate nodes that no other node reads, ascending; never empty."""
        used = {edge.source for _, edge in self.edges()}
        return tuple(n for n in range(INPUTS, INPUTS + len(self.nodes)) if n not in used)


def _check_edge(node: int, edge: Edge, last: int) -> None:
    if edge.op not in OPERATIONS and not known(edge.op):
        raise ValueError(f"node {node}: unknown operation {short(edge.op)}, expected one of {', '.join(names())}")
    if not 0 <= edge.source <= last:
        raise ValueError(f"node {node} reads node {edge.source}, which is missing: the cell has nodes 0 to {last}")
    if edge.source >= node:
        raise ValueError(f"node {node} reads node {edge.source}: a cycle; a node may only read earlier nodes")


@dataclass(frozen=True, slots=True)
class CellGenotype:
    """A network of stacked cells: one normal cell and one reduction cell (Zoph et al. 2018)."""

    normal: Cell
    reduction: Cell

    @property
    def key(self) -> str:
        """Equal exactly when two genotypes build the same graph.

        The order of a node's edges, the numbering of nodes that do not depend on each other, and nodes that do
        not reach the output make no difference.
        """
        return graph_key(canonical(self.normal), canonical(self.reduction))

    def to_dict(self) -> dict[str, Any]:
        """The genotype as JSON-ready data (schema 1)."""
        return {
            "schema": SCHEMA,
            "kind": "cell",
            "normal": _cell_to_dict(self.normal),
            "reduction": _cell_to_dict(self.reduction),
        }

    def to_json(self) -> str:
        """The genotype as one line of JSON; :func:`genotype_from_json` reads it back."""
        return json.dumps(self.to_dict(), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class ChainGenotype:
    """A network as one choice per position: what a position is and what a choice means, its space says.

    Attributes:
        space: name of the chain space.
        choices: numbers of the options chosen, from 0.

    Raises:
        ValueError: for no choices or a negative one.
    """

    space: str
    choices: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.choices or min(self.choices) < 0:
            raise ValueError(f"a chain needs choices of 0 or more, got {list(self.choices)}")

    @property
    def key(self) -> str:
        """Equal exactly for the same choices in the same space."""
        return graph_key(self.space, self.choices)

    def to_dict(self) -> dict[str, Any]:
        """The genotype as JSON-ready data (schema 1)."""
        return {"schema": SCHEMA, "kind": "chain", "space": self.space, "choices": list(self.choices)}

    def to_json(self) -> str:
        """The genotype as one line of JSON; :func:`genotype_from_json` reads it back."""
        return json.dumps(self.to_dict(), separators=(",", ":"))


Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class SpaceGenotype:
    """A whole space as one network, a supernet: the space's name, and what else decides the network's shape.

    Attributes:
        space: name of the space.
        options: (name, value) pairs in ascending order of names.

    Raises:
        ValueError: for options that are not sorted, not distinct, or not plain values.
    """

    space: str
    options: tuple[tuple[str, Scalar], ...] = ()

    def __post_init__(self) -> None:
        names = [name for name, _ in self.options]
        if names != sorted(set(names)):
            raise ValueError(f"options must ascend by name without repetition, got {short(names)}")
        for name, value in self.options:
            if not isinstance(value, Scalar) or value != value:
                raise ValueError(f"option {short(name)} must be text, a number or a truth value, got {short(value)}")

    @property
    def key(self) -> str:
        """Equal exactly for the same options of the same space."""
        return graph_key(self.space, self.options)

    def to_dict(self) -> dict[str, Any]:
        """The genotype as JSON-ready data (schema 1)."""
        return {"schema": SCHEMA, "kind": "space", "space": self.space, "options": dict(self.options)}

    def to_json(self) -> str:
        """The genotype as one line of JSON; :func:`genotype_from_json` reads it back."""
        return json.dumps(self.to_dict(), separators=(",", ":"))


Genotype = CellGenotype | ChainGenotype | SpaceGenotype
"""Any architecture the house knows, and the supernets that hold many."""


def require_cells(genotype: Genotype) -> CellGenotype:
    """``genotype`` where cells are needed, as for building and costing a network of cells.

    Raises:
        ValueError: for a genotype of another kind.
    """
    if not isinstance(genotype, CellGenotype):
        kind = "a chain" if isinstance(genotype, ChainGenotype) else "a supernet"
        raise ValueError(f"expected a genotype of cells, got {kind} of {genotype.space!r}")
    return genotype


def _cell_to_dict(cell: Cell) -> dict[str, Any]:
    nodes = [[[edge.op, edge.source] for edge in edges] for edges in cell.nodes]
    return {"nodes": nodes, "concat": list(cell.concat)}


def _cell_from_dict(name: str, data: Any) -> Cell:
    if not isinstance(data, Mapping) or set(data) != {"nodes", "concat"}:
        raise ValueError(f"the {name} cell must be an object with exactly 'nodes' and 'concat'")
    nodes, concat = data["nodes"], data["concat"]
    if not isinstance(nodes, list) or not all(isinstance(edges, list) for edges in nodes):
        raise ValueError(f"the {name} cell's nodes must be a list of lists of [operation, source]")
    for number, edges in enumerate(nodes, start=INPUTS):
        for edge in edges:
            if not (isinstance(edge, list) and len(edge) == 2 and isinstance(edge[0], str) and type(edge[1]) is int):
                raise ValueError(f"the {name} cell, node {number}: expected [operation, source], got {short(edge)}")
    if not isinstance(concat, list) or not all(type(node) is int for node in concat):
        raise ValueError(f"the {name} cell's concat must be a list of node numbers, got {short(concat)}")
    try:
        return Cell(tuple(tuple(Edge(op, source) for op, source in edges) for edges in nodes), tuple(concat))
    except ValueError as error:
        raise ValueError(f"the {name} cell: {error}") from None


def _chain_from_dict(data: Mapping[str, Any]) -> ChainGenotype:
    if set(data) != {"schema", "kind", "space", "choices"}:
        raise ValueError(f"a chain genotype has fields schema, kind, space, choices; got {short(list(data))}")
    space, choices = data["space"], data["choices"]
    if not isinstance(space, str) or not isinstance(choices, list) or not all(type(c) is int for c in choices):
        raise ValueError("a chain genotype needs the name of a space and a list of whole numbers")
    return ChainGenotype(space, tuple(choices))


def _space_from_dict(data: Mapping[str, Any]) -> SpaceGenotype:
    if set(data) != {"schema", "kind", "space", "options"}:
        raise ValueError(f"a supernet genotype has fields schema, kind, space, options; got {short(list(data))}")
    space, options = data["space"], data["options"]
    if not isinstance(space, str) or not isinstance(options, Mapping):
        raise ValueError("a supernet genotype needs the name of a space and an object of options")
    return SpaceGenotype(space, tuple(sorted(options.items())))


def genotype_from_dict(data: Any) -> Genotype:
    """Read a genotype from :meth:`CellGenotype.to_dict`'s form.

    Raises:
        ValueError: naming what is wrong: another schema or kind, a missing or surplus field, an invalid cell.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"a genotype must be a JSON object, got {type(data).__name__}")
    schema = data.get("schema")
    if type(schema) is not int or schema != SCHEMA:  # true and 1.0 equal 1, but are not the number 1
        raise ValueError(
            f"genotype schema {short(schema)} is not known, expected {SCHEMA}: a file such as "
            '{"schema": 1, "kind": "cell", "normal": {"nodes": [[["sep_conv_3x3", 0], ["skip_connect", 1]]], '
            '"concat": [2]}, "reduction": ...}, or cells as DARTS or NNI write them'
        )
    if data.get("kind") == "chain":
        return _chain_from_dict(data)
    if data.get("kind") == "space":
        return _space_from_dict(data)
    if data.get("kind") != "cell":
        raise ValueError(f"genotype kind {short(data.get('kind'))} is not known, expected 'cell', 'chain' or 'space'")
    if set(data) != {"schema", "kind", "normal", "reduction"}:
        raise ValueError(f"a cell genotype has fields schema, kind, normal, reduction; got {short(list(data))}")
    return CellGenotype(_cell_from_dict("normal", data["normal"]), _cell_from_dict("reduction", data["reduction"]))


def genotype_from_json(text: str) -> Genotype:
    """Read a genotype from JSON text.

    Raises:
        ValueError: if the text is not JSON, or as :func:`genotype_from_dict`.
    """
    return genotype_from_dict(parsed(text))


def parsed(text: str) -> Any:
    """What a JSON text of a genotype holds, whatever that is.

    Raises:
        ValueError: if the text is not JSON.
    """
    try:
        return parsed_json(text)
    except ValueError as error:  # ValueError: also a number with thousands of digits
        raise ValueError(f"a genotype must be JSON: {error}") from None


# ---------------------------------------------------------------- the same graph has the same key

NodeCode = tuple[tuple[tuple[int, str], ...], bool]


def canonical(cell: Cell) -> tuple[NodeCode, ...]:
    """The cell's graph in a form that does not depend on numbering, edge order or dead nodes.

    Returns one entry per live node: its sorted (source label, operation) pairs and whether it is concatenated.
    """
    nodes = dict(enumerate(cell.nodes, start=INPUTS))
    return canonical_graph(nodes, frozenset(cell.concat))


def canonical_graph(nodes: Mapping[int, tuple[Edge, ...]], outputs: frozenset[int]) -> tuple[NodeCode, ...]:
    """Canonical form of a labelled acyclic graph whose sources 0 and 1 are fixed; an exact form, not a hash.

    Nodes are numbered greedily: of all nodes whose sources are numbered, the one with the smallest code comes
    next. Ties are all tried, except between nodes that the rest of the graph cannot tell apart.
    """
    live = _reaching(nodes, outputs)
    readers: dict[int, list[tuple[int, str]]] = {node: [] for node in live}
    for node in live:
        for edge in nodes[node]:
            if edge.source in readers:
                readers[edge.source].append((node, edge.op))
    best: list[tuple[NodeCode, ...]] = []

    def extend(labels: dict[int, int], codes: tuple[NodeCode, ...]) -> None:
        if len(codes) == len(live):
            best[:] = [min(best[0], codes)] if best else [codes]
            return
        ready: dict[NodeCode, dict[tuple[tuple[int, str], ...], int]] = {}
        for node in live:
            if node in labels or any(edge.source not in labels for edge in nodes[node]):
                continue
            code = (tuple(sorted((labels[e.source], e.op) for e in nodes[node])), node in outputs)
            ready.setdefault(code, {})[tuple(sorted(readers[node]))] = node
        smallest = min(ready)
        for node in ready[smallest].values():
            extend({**labels, node: INPUTS + len(codes)}, (*codes, smallest))

    extend({0: 0, 1: 1}, ())
    return best[0]


def _reaching(nodes: Mapping[int, tuple[Edge, ...]], outputs: frozenset[int]) -> list[int]:
    live, stack = set[int](), [node for node in outputs if node in nodes]
    while stack:
        node = stack.pop()
        if node not in live:
            live.add(node)
            stack.extend(edge.source for edge in nodes[node] if edge.source in nodes)
    return sorted(live)


def graph_key(*graphs: object) -> str:
    """A short name for canonical graphs: the first 20 hexadecimal digits of their SHA-256."""
    return hashlib.sha256(repr(graphs).encode()).hexdigest()[:20]
