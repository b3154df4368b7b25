"""Records of schema 1: they hold the derived genotype as metrics, as there were no notes."""

import re
from collections.abc import Mapping, Sequence

from milenas.supernet.config import KINDS
from milenas.supernet.derivation import build_cell
from zoo.spaces.genotype import CellGenotype

_EDGE = re.compile(r"(normal|reduction)_([0-9]+)_from_([0-9]+)")


def read_edges(metrics: Mapping[str, float], operations: Sequence[str]) -> CellGenotype | None:
    """The derived genotype; None where none could be derived.

    The metric ``normal_3_from_0`` is the number of the operation of that edge.
    """
    if not metrics.get("derived"):
        return None
    kept: dict[str, dict[tuple[int, int], str]] = {kind: {} for kind in KINDS}
    for name, value in metrics.items():
        if match := _EDGE.fullmatch(name):
            kept[match[1]][int(match[3]), int(match[2])] = operations[int(value)]
    return CellGenotype(*(build_cell(kept[kind]) for kind in KINDS))


def is_edge(name: str) -> bool:
    """Whether a metric is an edge of the derived genotype."""
    return _EDGE.fullmatch(name) is not None
