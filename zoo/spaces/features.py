"""Features of a genotype for a model that predicts its quality: what is chosen where, and counts of its paths."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zoo.spaces.space import Space

if TYPE_CHECKING:
    from zoo.spaces.genotype import Cell

Features = Mapping[str, float]
"""Numbers by name; what a genotype lacks is 0."""

SKIP, NONE = "skip_connect", "none"


@runtime_checkable
class Featured(Space, Protocol):
    """A space whose genotypes have features; a space without them cannot be searched with a surrogate."""

    def features(self, genotype: Any) -> Features:
        """The features of a genotype; equal names mean the same in every genotype of the space."""
        ...


def choice_features(choices: Sequence[int]) -> dict[str, float]:
    """Of a chain: one-hot choices, and how often every choice was made."""
    found: Counter[str] = Counter(f"choice {choice}" for choice in choices)
    found.update(f"place {place}: {choice}" for place, choice in enumerate(choices))
    return {name: float(count) for name, count in found.items()}


def path_features(edges: Mapping[int, Sequence[tuple[int, str]]], inputs: int, ends: Sequence[int]) -> Counter[str]:
    """Counts of the functional paths of a graph: its operations in order, from an input to an output node.

    This is the path encoding of BANANAS (White et al. 2021) with skips left out of paths, and with counts: two
    paths that do the same count twice. A path with ``none`` in it is no path.

    Args:
        edges: by node, in topological order, its (source, operation) pairs; nodes below ``inputs`` have none.
        inputs: number of input nodes; where there are several, a path begins with its input's number.
        ends: the nodes whose paths count.
    """
    reaching: dict[int, Counter[str]] = {i: Counter({f"from {i}" if inputs > 1 else "path": 1}) for i in range(inputs)}
    for node, incoming in edges.items():
        paths: Counter[str] = Counter()
        for source, operation in incoming:
            if operation == NONE:
                continue
            for path, count in reaching.get(source, Counter()).items():
                paths[path if operation == SKIP else f"{path} > {operation}"] += count
        reaching[node] = paths
    found: Counter[str] = Counter()
    for end in ends:
        found.update(reaching.get(end, Counter()))
    return found


def cell_features(cell: "Cell", name: str, inputs: int) -> dict[str, float]:
    """Of one cell: the operations and sources of every node, how often an operation occurs, and its paths.

    Args:
        cell: the cell.
        name: by which its features begin, so that those of a network's two cells differ.
        inputs: number of the cell's input nodes.
    """
    found: Counter[str] = Counter()
    for node, edge in cell.edges():
        found.update((f"{name} {edge.op}", f"{name} {node}: {edge.op}", f"{name} {node}: from {edge.source}"))
    edges = {
        node: [(edge.source, edge.op) for edge in incoming] for node, incoming in enumerate(cell.nodes, start=inputs)
    }
    found.update({f"{name} {path}": count for path, count in path_features(edges, inputs, cell.concat).items()})
    found.update(f"{name} loose {node}" for node in cell.loose_ends)
    return {feature: float(count) for feature, count in found.items()}
