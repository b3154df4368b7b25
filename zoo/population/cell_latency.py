"""A table of latencies for networks of cells: what every block takes, and the sum over a network's blocks."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from zoo.population.csv_file import numbers_in, read_csv
from zoo.spaces.cell_space import CellSpace
from zoo.spaces.genotype import INPUTS, Cell, CellGenotype, Edge
from zoo.spaces.skeleton import CellPlan, Skeleton

NONE, LATENCY = "none", "latency"
STEM, PREPROCESS, ADD, CONCAT, CLASSIFIER = "stem", "preprocess", "add", "concat", "classifier"
"""Blocks that are no operation of an edge."""
SIZES = ("inputs", "channels", "resolution", "stride")
COLUMNS = ("operation", *SIZES, "cells", "latency")


class Block(NamedTuple):
    """A piece of a network of cells; equal ones take equally long.

    Attributes:
        operation: of an edge by its name, or one of the others.
        inputs: channels that are read; of a concatenation those of each of its maps.
        channels: that are made.
        resolution: pixels a side of what is read.
        stride: by which the resolution shrinks.
    """

    operation: str
    inputs: int
    channels: int
    resolution: int
    stride: int

    def __str__(self) -> str:
        return (
            f"{self.operation} of {self.inputs} to {self.channels} channels, {self.resolution} pixels a side, "
            f"stride {self.stride}"
        )


def blocks_of(genotype: CellGenotype, skeleton: Skeleton) -> Counter[Block]:
    """The blocks of a network, each with how often it has it."""
    found: Counter[Block] = Counter()
    cifar = skeleton.form == "cifar"
    found[Block(STEM, skeleton.in_channels, skeleton.stem_channels, skeleton.resolution, 1 if cifar else 8)] = 1
    width, side = skeleton.stem_channels, skeleton.resolution
    for plan in skeleton.plan(genotype):
        cell = genotype.reduction if plan.reduction else genotype.normal
        found.update(_blocks_of_cell(cell, plan))
        width, side = plan.channels * len(cell.concat), _inner(plan)
    found[Block(CLASSIFIER, width, skeleton.classes, side, 1)] = 1
    return found


def _blocks_of_cell(cell: Cell, plan: CellPlan) -> Iterator[Block]:
    c, side, inner = plan.channels, plan.resolution, _inner(plan)
    halved = plan.after_reduction
    yield Block(PREPROCESS, plan.before_previous, c, 2 * side if halved else side, 2 if halved else 1)
    yield Block(PREPROCESS, plan.previous, c, side, 1)
    for edges in cell.nodes:
        kept = [edge for edge in edges if edge.op != NONE] or edges[:1]  # as networks are built
        for edge in kept:
            strided = plan.reduction and edge.source < INPUTS
            yield Block(edge.op, c, c, side if strided else inner, 2 if strided else 1)
        yield from (Block(ADD, c, c, inner, 1) for _ in kept[1:])
    if len(cell.concat) > 1:
        yield Block(CONCAT, c, c * len(cell.concat), inner, 1)


def _inner(plan: CellPlan) -> int:
    """Pixels a side of a cell's nodes."""
    return plan.resolution // 2 if plan.reduction else plan.resolution


def space_blocks(space: CellSpace, skeleton: Skeleton) -> list[Block]:
    """Every block that a network of a space may have, sorted."""
    counts = range(1, space.nodes + 1) if space.concat == "loose" else (space.nodes,)
    found: set[Block] = set()
    for name in space.operations:
        nodes = ((Edge(name, 0), Edge(name, 0)), *((Edge(name, INPUTS), Edge(name, 0)),) * (space.nodes - 1))
        for sizes in product(counts, counts):
            cells = [Cell(nodes, tuple(range(INPUTS, INPUTS + count))) for count in sizes]
            found |= set(blocks_of(CellGenotype(*cells), skeleton))
    return sorted(found)


@dataclass(frozen=True, slots=True)
class CellLatency:
    """What the blocks of the networks on one skeleton take, in milliseconds a batch.

    Attributes:
        cells: of the networks.
        milliseconds: by block.
    """

    cells: int
    milliseconds: Mapping[Block, float]

    def of(self, genotype: CellGenotype, skeleton: Skeleton) -> float:
        """Milliseconds a batch of a network. Colours make no difference: only the stem reads them.

        Raises:
            ValueError: for a network with a block that the table lacks.
        """
        known = self._for(skeleton)
        try:
            return float(sum(known[block] * count for block, count in blocks_of(genotype, skeleton).items()))
        except KeyError as error:
            raise ValueError(f"the table of latencies has no row for {error.args[0]}") from None

    def require(self, space: CellSpace, skeleton: Skeleton) -> None:
        """Find out whether the table is for the networks of a space on a skeleton.

        Raises:
            ValueError: naming what its networks are, and the command that makes the table for these.
        """
        known = self._for(skeleton)
        lacking = [block for block in space_blocks(space, skeleton) if block not in known]
        if not lacking and self.cells == skeleton.cells:
            return
        sizes = (space.name, skeleton.channels, skeleton.cells, skeleton.resolution, skeleton.classes)
        names = ("space", "channels", "cells", "resolution", "classes")
        asked = " ".join(f"--{name} {size}" for name, size in zip(names, sizes, strict=True))
        other = self.cells != skeleton.cells
        why = f"its networks have {self.cells} cells" if other else f"it has no row for {lacking[0]}"
        raise ValueError(
            f"the table of latencies is for other networks: {why}; make one by thriftnas zoo profile {asked}"
        )

    def _for(self, skeleton: Skeleton) -> Mapping[Block, float]:
        """The table, with the stem of a skeleton whatever colours it reads."""
        stems = {
            block._replace(inputs=skeleton.in_channels): value
            for block, value in self.milliseconds.items()
            if block.operation == STEM
        }
        return {**self.milliseconds, **stems}

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON-ready data, for a run's identity: where two differ, the hash says it shortest."""
        rows = [[*block, value] for block, value in sorted(self.milliseconds.items())]
        told = json.dumps([self.cells, rows])
        return {"sha256": hashlib.sha256(told.encode()).hexdigest(), "cells": self.cells, "rows": rows}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read :meth:`to_dict`'s form."""
        return cls(int(data["cells"]), {Block(*row[:-1]): float(row[-1]) for row in data["rows"]})

    def csv(self) -> str:
        """The table as :func:`read_cell_latency` reads it."""
        rows = [(*block, self.cells, repr(value)) for block, value in self.milliseconds.items()]
        return "".join(",".join(map(str, row)) + "\n" for row in (COLUMNS, *rows))


def read_cell_latency(path: Path) -> CellLatency:
    """A table of measured latencies: a CSV with a row for every block, and the columns :data:`COLUMNS`.

    Operation is a name; inputs and channels are what the block reads and makes; resolution is pixels a side of what it
    reads; stride is 1 or 2; cells is how many the networks have, the same in every row; latency is in milliseconds a
    batch.

    Raises:
        ValueError: for a file of another form, or values that are missing, doubled, negative or no numbers.
        OSError: if the file cannot be read.
    """

    frame = read_csv(path)
    if lacking := [column for column in COLUMNS if column not in frame]:
        chains = "; layer and choice are columns of a table for chains" if "layer" in frame else ""
        raise ValueError(f"{path} lacks the column {lacking[0]}, expected {', '.join(COLUMNS)}{chains}")
    names = [*SIZES, "cells"]
    sizes = numbers_in(frame[names]).to_numpy(dtype=np.float64)
    latencies = numbers_in(frame[["latency"]])["latency"].to_numpy(dtype=np.float64)
    found: dict[Block, float] = {}
    for line, (operation, numbers, latency) in enumerate(zip(frame["operation"], sizes, latencies, strict=True), 2):
        if not all(np.isfinite(size) and size >= 1 and size == int(size) for size in numbers):
            raise ValueError(f"{path}: line {line} needs whole numbers from 1 as {', '.join(names)}")
        if not 0 <= latency < np.inf:
            raise ValueError(f"{path}: line {line} has no latency of 0 or more")
        block = Block(str(operation).strip(), *(int(size) for size in numbers[:-1]))
        if block in found:
            raise ValueError(f"{path}: line {line} repeats {block}")
        found[block] = float(latency)
    cells = sorted({int(numbers[-1]) for numbers in sizes})
    if len(cells) != 1:
        raise ValueError(f"{path}: the networks of a table have one number of cells, got {cells or 'no rows'}")
    return CellLatency(cells[0], found)
