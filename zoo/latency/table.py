"""A table of latencies: what every choice of every layer takes on a device, and how far its sums are right."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.files import write_json, write_text
from zoo.latency.blocks import OUTSIDE, Place, chain_parts
from zoo.latency.stopwatch import Stopwatch, milliseconds
from zoo.networks.chain_network import build_chain
from zoo.purposes import PROFILED_NETWORKS
from zoo.reliability.correlation import spearman
from zoo.spaces.chain_space import CHAIN_SPACES, choice_names
from zoo.spaces.genotype import ChainGenotype
from zoo.spaces.skeleton import Skeleton

ROUNDS = 15
"""Turns in which every block is timed."""
CALIBRATING = 8
"""Whole networks that set the scale of the table: blocks in a row find other caches than blocks alone."""
UNIT = "milliseconds per batch"
WITHIN = 0.1
"""The error that is counted as small."""
Said = Callable[[str], None]


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
        space: of the networks.
        skeleton: around them.
        stopwatch: how they were timed.
        milliseconds: by place.
        scale: by which blocks timed alone were multiplied.
        check: on whole networks; None where none were timed.
    """

    space: str
    skeleton: Skeleton
    stopwatch: Stopwatch
    milliseconds: Mapping[Place, float]
    scale: float
    check: Check | None

    def of(self, genotype: ChainGenotype) -> float:
        """Milliseconds a batch of one network."""
        inside = sum(self.milliseconds[place] for place in enumerate(genotype.choices))
        return self.milliseconds[OUTSIDE] + inside

    @property
    def facts(self) -> dict[str, Any]:
        """What the numbers are of, JSON-ready."""
        return {
            "unit": UNIT,
            "space": self.space,
            **dataclasses.asdict(self.stopwatch),
            "skeleton": dataclasses.asdict(self.skeleton),
            "torch": torch.__version__,
            "scale": self.scale,
            "check": None if self.check is None else dataclasses.asdict(self.check),
        }

    def write(self, path: Path) -> None:
        """Write the CSV that ``--latency`` reads, and beside it what it is of, as JSON with ``.json`` at its end.

        Columns: layer from 0; choice by its name; latency in milliseconds per batch. The row without a layer holds what
        is outside the layers: stem, head and classifier.

        Raises:
            OSError: if they cannot be written.
        """
        names, lines = choice_names(CHAIN_SPACES[self.space]), ["layer,choice,latency"]
        for (layer, choice), value in self.milliseconds.items():
            lines.append(f",,{value!r}" if layer is None or choice is None else f"{layer},{names[choice]},{value!r}")
        write_text(path, "\n".join(lines) + "\n")
        write_json(path.with_name(path.name + ".json"), self.facts)


def measure_table(
    space: str, skeleton: Skeleton, stopwatch: Stopwatch, networks: int, seed: int, say: Said = lambda text: None
) -> LatencyTable:
    """Time every block of a chain space, set the scale by a few whole networks, and check it on others.

    Args:
        space: of the networks.
        skeleton: around them.
        stopwatch: how to time.
        networks: to check on; 0: none.
        seed: of the networks.
        say: hears what is timed.

    Raises:
        ValueError: for a space that is not of chain networks, or fewer than 0 networks.
    """
    if networks < 0:
        raise ValueError(f"networks must be 0 or more, got {networks}")
    parts = chain_parts(space, skeleton)
    say(f"timing {len(parts)} different blocks")
    timed = np.median(milliseconds([stopwatch.call(part.module, part.shape) for part in parts], ROUNDS), axis=0)
    alone: dict[Place, float] = {OUTSIDE: 0.0}
    for part, value in zip(parts, timed.tolist(), strict=True):
        for place in part.places:
            alone[place] = value + (alone[OUTSIDE] if place == OUTSIDE else 0.0)
    draws = np.random.default_rng((seed, PROFILED_NETWORKS))
    chains = [CHAIN_SPACES[space].sample(draws) for _ in range(CALIBRATING + networks)]
    table = LatencyTable(space=space, skeleton=skeleton, stopwatch=stopwatch, milliseconds=alone, scale=1.0, check=None)
    say(f"timing {len(chains)} whole networks: {CALIBRATING} to set the scale, {networks} to check")
    first, second = _timed_twice(chains, skeleton, stopwatch)
    predicted, measured = np.array([table.of(chain) for chain in chains]), (first + second) / 2
    scale = float(np.median(measured[:CALIBRATING] / predicted[:CALIBRATING]))
    check = None
    if networks:
        check = _checked(scale * predicted[CALIBRATING:], first[CALIBRATING:], second[CALIBRATING:])
    scaled = {place: scale * value for place, value in alone.items()}
    return dataclasses.replace(table, milliseconds=scaled, scale=scale, check=check)


def _timed_twice(
    chains: list[ChainGenotype], skeleton: Skeleton, stopwatch: Stopwatch
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Milliseconds of whole networks, each timed once and, after all of them, once more."""
    shape = (skeleton.in_channels, skeleton.resolution, skeleton.resolution)
    generator = torch.Generator().manual_seed(0)
    calls = [stopwatch.call(build_chain(chain, skeleton, generator), shape) for chain in chains]
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
