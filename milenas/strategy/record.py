"""What a record of a search says: its notes hold the derived genotype, so that no checkpoint is needed to read it."""

from collections.abc import Mapping, Sequence

from milenas.strategy.schema_1 import is_edge, read_edges
from zoo.population.json_value import JSON
from zoo.population.trial import Record
from zoo.spaces.genotype import CellGenotype, genotype_from_dict, require_cells

GENOTYPE = "genotype"
"""Note of a derived genotype."""


def genotype_notes(genotype: CellGenotype) -> dict[str, JSON]:
    """A derived genotype as notes."""
    return {GENOTYPE: genotype.to_dict()}


def derived_genotype(record: Record, operations: Sequence[str]) -> CellGenotype | None:
    """The genotype of a record; None where none could be derived.

    Args:
        record: of the last part of an epoch.
        operations: of the supernet; records of schema 1 say their numbers.
    """
    noted = record.notes.get(GENOTYPE)
    if isinstance(noted, dict):
        return require_cells(genotype_from_dict(noted))
    return read_edges(record.metrics, operations)


def shown_metrics(record: Record) -> Mapping[str, float]:
    """What a record measured; those of schema 1 have the genotype's edges among it."""
    return {name: value for name, value in record.metrics.items() if not is_edge(name)}
