"""A table of latencies: what every block takes on a device, and how far sums of blocks are right."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.files import write_json, write_text
from zoo.latency.cell_blocks import CellBlocks
from zoo.latency.chain_blocks import ChainBlocks
from zoo.latency.stopwatch import Stopwatch, milliseconds
from zoo.networks.network import build_any
from zoo.purposes import PROFILED_NETWORKS
from zoo.reliability.correlation import spearman
from zoo.spaces.cell_space import CELL_SPACES
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import sized_skeleton
from zoo.spaces.genotype import Genotype
from zoo.spaces.skeleton import Skeleton

ROUNDS = 15
"""Turns in which every block is timed."""
CALIBRATING = 8
"""Whole networks that set the scale of the table: blocks in a row find other caches than blocks alone."""
UNIT = "milliseconds per batch"
WITHIN = 0.1
"""The error that is counted as small."""
Said = Callable[[str], None]
Blocks = ChainBlocks | CellBlocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How well the table predicts whole networks that took no part in making it.

    Attributes:
        networks: how many.
        error: median relative error.
        within: share of them whose error is at most :data:`WITHIN`.
        rank: Spearman's correlation of predictions with what was measured; None of fewer than three networks, or of
            predictions that are all equal.
        noise: median relative difference of the same network timed twice: no table can be better.
    """

    networks: int
    error: float
    within: float
    rank: float | None
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyTable:
    """What was measured.

    Attributes:
        blocks: of the networks.
        stopwatch: how they were timed.
        milliseconds: by where networks have a block.
        scale: by which blocks timed alone were multiplied.
        check: on whole networks; None where none were timed.
    """

    blocks: Blocks
    stopwatch: Stopwatch
    milliseconds: Mapping[Any, float]
    scale: float
    check: Check | None

    def of(self, genotype: Any) -> float:
        """Milliseconds a batch of one network."""
        return self.blocks.of(self.milliseconds, genotype)

    @property
    def facts(self) -> dict[str, Any]:
        """What the numbers are of, JSON-ready."""
        return {
            "unit": UNIT,
            "space": self.blocks.space.name,
            **dataclasses.asdict(self.stopwatch),
            "skeleton": dataclasses.asdict(self.blocks.skeleton),
            "torch": torch.__version__,
            "scale": self.scale,
            "check": None if self.check is None else dataclasses.asdict(self.check),
        }

    def write(self, path: Path) -> None:
        """Write the CSV that ``--latency`` reads, and beside it what it is of, as JSON with ``.json`` at its end.

        Raises:
            OSError: if they cannot be written.
        """
        write_text(path, self.blocks.csv(self.milliseconds))
        write_json(path.with_name(path.name + ".json"), self.facts)


def blocks_of_space(space: str, **sizes: int | None) -> Blocks:
    """The blocks of a space of cells or of chains, whose networks have other sizes than usual where they are given.

    Raises:
        ValueError: for an unknown space, cells of a chain, or sizes that networks cannot have.
    """
    given = {name: size for name, size in sizes.items() if size is not None}
    if space in CELL_SPACES:
        return CellBlocks(space, dataclasses.replace(Skeleton(), **given))  # type: ignore[arg-type]
    if space not in CHAINS:
        raise ValueError(f"unknown space {space[:100]!r}, expected one of {', '.join([*CELL_SPACES, *CHAINS])}")
    if "cells" in given:
        raise ValueError(f"networks of {space} are chains, which have no cells: leave out --cells")
    return ChainBlocks(space, sized_skeleton(space, **given))


def measure_table(
    blocks: Blocks, stopwatch: Stopwatch, networks: int, seed: int, say: Said = lambda text: None
) -> LatencyTable:
    """Time every block of a space, set the scale by a few whole networks, and check it on others.

    Args:
        blocks: of the networks.
        stopwatch: how to time.
        networks: to check on; 0: none.
        seed: of the networks.
        say: hears what is timed.

    Raises:
        ValueError: for fewer than 0 networks.
    """
    if networks < 0:
        raise ValueError(f"networks must be 0 or more, got {networks}")
    parts = blocks.parts()
    say(f"timing {len(parts)} different blocks")
    timed = np.median(milliseconds([stopwatch.call(part.module, part.shape) for part in parts], ROUNDS), axis=0)
    alone = blocks.alone(parts, timed.tolist())
    draws = np.random.default_rng((seed, PROFILED_NETWORKS))
    drawn = [blocks.space.sample(draws) for _ in range(CALIBRATING + networks)]
    table = LatencyTable(blocks=blocks, stopwatch=stopwatch, milliseconds=alone, scale=1.0, check=None)
    say(f"timing {len(drawn)} whole networks: {CALIBRATING} to set the scale, {networks} to check")
    first, second = _timed_twice(drawn, blocks.skeleton, stopwatch)
    predicted, measured = np.array([table.of(one) for one in drawn]), (first + second) / 2
    scale = float(np.median(measured[:CALIBRATING] / predicted[:CALIBRATING]))
    check = None
    if networks:
        check = _checked(scale * predicted[CALIBRATING:], first[CALIBRATING:], second[CALIBRATING:])
    scaled = {place: scale * value for place, value in alone.items()}
    return dataclasses.replace(table, milliseconds=scaled, scale=scale, check=check)


def _timed_twice(
    drawn: Sequence[Genotype], skeleton: Skeleton, stopwatch: Stopwatch
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Milliseconds of whole networks, each timed once and, after all of them, once more."""
    shape = (skeleton.in_channels, skeleton.resolution, skeleton.resolution)
    generator = torch.Generator().manual_seed(0)
    calls = [stopwatch.call(build_any(one, skeleton, generator), shape) for one in drawn]
    first, second = (np.median(milliseconds(calls, ROUNDS), axis=0) for _ in range(2))
    return first, second


def _checked(predicted: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]) -> Check:
    measured = (first + second) / 2
    errors = np.abs(predicted - measured) / measured
    rank = spearman(predicted, measured) if len(predicted) > 2 else math.nan  # which equal predictions give, too
    return Check(
        networks=len(predicted),
        error=float(np.median(errors)),
        within=float(np.mean(errors <= WITHIN)),
        rank=rank if math.isfinite(rank) else None,
        noise=float(np.median(np.abs(first - second) / measured)),
    )
