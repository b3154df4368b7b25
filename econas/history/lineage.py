"""Lineage: who mutated into whom, from a random network to a given one, and what every mutation changed. No torch."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from econas.history.trajectory import Network
from zoo.spaces.chain_space import CHAIN_SPACES, chosen_names
from zoo.spaces.genotype import INPUTS, Cell, CellGenotype, ChainGenotype, Edge, Genotype


@dataclass(frozen=True, slots=True)
class Change:
    """One thing a mutation changed: where, and what was and is there."""

    place: str
    before: str
    after: str

    def to_dict(self) -> dict[str, str]:
        """The change as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A network of a lineage, and how it differs from its parent; a random network has no changes."""

    network: Network
    changes: tuple[Change, ...]


def lineage(networks: Mapping[int, Network], number: int) -> list[Ancestor]:
    """The ancestors of a network from the random one on, itself last."""
    chain = [networks[number]]
    while (parent := chain[-1].parent) is not None:
        chain.append(networks[parent])
    chain.reverse()
    return [
        Ancestor(child, () if not i else tuple(changes(chain[i - 1].genotype, child.genotype)))
        for i, child in enumerate(chain)
    ]


def changes(parent: Genotype, child: Genotype) -> Iterator[Change]:
    """How a child differs from its parent: edges of cells, or choices of a chain."""
    if isinstance(parent, CellGenotype) and isinstance(child, CellGenotype):
        yield from _cell_changes("normal cell", parent.normal, child.normal)
        yield from _cell_changes("reduction cell", parent.reduction, child.reduction)
    elif isinstance(parent, ChainGenotype) and isinstance(child, ChainGenotype):
        names = chosen_names(parent), chosen_names(child)
        for place, (old, new) in enumerate(zip_longest(*names, fillvalue="nothing"), start=1):
            if old != new:
                yield Change(f"position {place}", old, new)


def describe(genotype: Genotype) -> str:
    """An architecture in a line, for tables."""
    if isinstance(genotype, ChainGenotype):
        space = CHAIN_SPACES.get(genotype.space)
        return space.write(genotype.choices) if space else "-".join(map(str, genotype.choices))
    return genotype.key


def source_name(source: int) -> str:
    """What an edge reads, as the drawings name it."""
    return f"c(k−{INPUTS - source})" if source < INPUTS else f"node {source}"


def _cell_changes(name: str, parent: Cell, child: Cell) -> Iterator[Change]:
    for node, (old, new) in enumerate(zip_longest(parent.nodes, child.nodes, fillvalue=()), start=INPUTS):
        for before, after in zip_longest(old, new):
            if before != after:
                yield Change(f"{name}, node {node}", _edge(before), _edge(after))


def _edge(edge: Edge | None) -> str:
    return "nothing" if edge is None else f"{edge.op} of {source_name(edge.source)}"


def to_dict(ancestor: Ancestor) -> dict[str, Any]:
    """A network of a lineage as JSON-ready data; accuracies by setting and epoch, failures left out."""
    network = ancestor.network
    return {
        "trial": network.number,
        "parent": network.parent,
        "genotype": network.genotype.to_dict(),
        "accuracies": [
            {
                "trial": one.trial.index,
                "setting": str(one.trial.setting),
                "epochs": one.trial.stop,
                "accuracy": one.accuracy,
            }
            for one in network.trainings
            if one.state == "ok"
        ],
        "changes": [change.to_dict() for change in ancestor.changes],
    }
