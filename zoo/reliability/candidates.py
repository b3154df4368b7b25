"""The candidates of a study, from what it measured: every setting with every signal, and scores without training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.population.proxy import ProxySetting, training_macs
from zoo.population.trial import Record
from zoo.reliability.correlation import Array
from zoo.reliability.measured import Measured
from zoo.reliability.recommendation import Candidate
from zoo.reliability.signal import ACCURACY, Signal, find_signal, metric_signal
from zoo.spaces.cost import cost

if TYPE_CHECKING:
    from zoo.reliability.findings import Design

COUNTS = {"macs": "multiply-accumulates of an image", "params": "parameters"}
"""Scores that are counted, with their words: they cost nothing."""
SCORED_IMAGES = 64
"""Images that a score without training is taken to cost a pass of, forwards and backwards; the counts cost one."""


@dataclass(frozen=True, slots=True)
class Read:
    """A candidate and the records that its values come from."""

    setting: ProxySetting | None
    signal: Signal
    candidate: Candidate
    records: Sequence[Record] = ()


def read_candidates(zoo: Measured, design: "Design", images: Mapping[int, int]) -> list[Read]:
    """Every setting with every signal, the slow ones first; then the scores and the counts."""
    full = training_macs(zoo.genotypes, design.skeleton, design.reference, images)
    speed = {setting: full / training_macs(zoo.genotypes, design.skeleton, setting, images) for setting in zoo.settings}
    found: list[Read] = []
    for setting in sorted(zoo.settings, key=lambda one: (speed[one], one)):
        records = zoo.records_at(setting)
        for signal in map(find_signal, design.signals):
            values = scored(signal, records)
            if np.isnan(values).all() and signal.name != ACCURACY:
                continue  # not recorded, as in runs of earlier versions
            name = candidate_name(setting, signal.name)
            fast = zoo.speedup(records)
            ranked = Candidate(name, values, speed[setting], signal.words, speedup=fast)
            found.append(Read(setting, signal, ranked, records))
    passes = float(images[design.reference.s] * design.reference.e)
    known = {one.name: one for one in design.scores}
    for name in zoo.scores:
        signal, records = known.get(name) or metric_signal(name, name), zoo.scored(name)
        faster = passes if name in COUNTS else max(1.0, passes / SCORED_IMAGES)
        fast = zoo.speedup(records)
        found.append(_without_training(signal, scored(signal, records), faster, records, speedup=fast))
    for name in [name for name in COUNTS if name not in zoo.scores]:
        counted = [getattr(cost(genotype, design.skeleton), name) for genotype in zoo.genotypes]
        signal = known.get(name) or metric_signal(name, COUNTS[name])
        found.append(_without_training(signal, np.array(counted, dtype=np.float64), passes, speedup=math.inf))
    return found


def _without_training(
    signal: Signal, values: Array, faster: float, records: Sequence[Record] = (), *, speedup: float
) -> Read:
    ranked = Candidate(signal.name, values, faster, signal.words, trains=False, speedup=speedup)
    return Read(None, signal, ranked, records)


def scored(signal: Signal, records: Sequence[Record]) -> Array:
    """The signal of every record, higher is better, NaN for a failure."""
    return np.array([signal.score(record) for record in records], dtype=np.float64)


def candidate_name(setting: ProxySetting | None, signal: str) -> str:
    """How a candidate is called: "c4r0s0e4 by loss", or a score's own name."""
    return signal if setting is None else f"{setting} by {signal}"
