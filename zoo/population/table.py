"""A published table as an evaluator: trials to records without training, charged as if they had been trained."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.population.costs import TableCosts
from zoo.population.csv_file import read_csv
from zoo.population.trial import TRAINING, Job, Outcome, Record
from zoo.spaces.chain_space import NAS_BENCH_201, NAS_BENCH_MACRO, ChainSpace
from zoo.spaces.genotype import ChainGenotype, Genotype

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Layout:
    """What a benchmark's table looks like.

    Attributes:
        space: of its architectures.
        architecture: column that names them.
        accuracy: for every number of epochs the column with that training's accuracy in percent.
        costs: by name a column, and the unit it counts in.
    """

    space: ChainSpace
    architecture: str
    accuracy: Mapping[int, str]
    costs: Mapping[str, tuple[str, float]]


LAYOUTS = (
    # 12 epochs: validation; 200 epochs: test, the only accuracy published for the full training.
    Layout(
        NAS_BENCH_201,
        "arch_str",
        {12: "cifar10_ep12_valid_acc", 200: "cifar10_ep200_test_acc"},
        {"macs": ("flops_M", 1e6), "params": ("params_M", 1e6)},
    ),
    # one training of 50 epochs, three seeds; test accuracy is all there is
    Layout(NAS_BENCH_MACRO, "arch", {50: "mean_acc"}, {"macs": ("flops", 1.0), "params": ("params", 1.0)}),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Accuracies (shares) by architecture and epochs, and the costs it lists: those of macs and params it has.

    Its fingerprint is the SHA-256 of the file it was read from; empty for a table made in memory.
    """

    space: ChainSpace
    accuracies: Mapping[tuple[int, ...], Mapping[int, float]]
    costs: TableCosts = field(default_factory=lambda: TableCosts({}))
    fingerprint: str = ""

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Look every job up; the epochs of its schedule decide the column, and its stage is what it pays.

        A trial without a setting, of a search that trains nothing itself, gets the longest training.

        Raises:
            ValueError: for an architecture, a number of epochs or a score, which the table does not have.
        """
        return [(self._record(job), None) for job in jobs]

    @property
    def epochs(self) -> tuple[int, ...]:
        """The schedules the table knows, ascending."""
        return tuple(sorted(next(iter(self.accuracies.values()))))

    def best(self, epochs: int) -> float:
        """The highest accuracy after a schedule."""
        return max(row[epochs] for row in self.accuracies.values())

    def _record(self, job: Job) -> Record:
        trial = job.trial
        if trial.measure != TRAINING:
            raise ValueError(f"the table knows trainings, got trial {trial.index}, the score {trial.measure!r}")
        row = self._row(trial.genotype)
        if trial.setting is None:
            return Record(index=trial.index, ok=True, metrics={"accuracy": row[max(row)]}, epochs_paid=max(row))
        epochs = trial.setting.e
        if epochs not in row or trial.stop != epochs:
            raise ValueError(
                f"the table knows trainings of {', '.join(map(str, row))} epochs, got {trial.stop} of {epochs}"
            )
        return Record(index=trial.index, ok=True, metrics={"accuracy": row[epochs]}, epochs_paid=epochs - trial.start)

    def _row(self, genotype: Genotype) -> Mapping[int, float]:
        if isinstance(genotype, ChainGenotype) and genotype.space == self.space.name:
            row = self.accuracies.get(genotype.choices)
            if row is not None:
                return row
        raise ValueError(f"the table of {self.space.name} has no row for {genotype.to_json()}")


def read_table(path: Path) -> Table:
    """Read a CSV (may be compressed) of NAS-Bench-201 or NAS-Bench-Macro; its columns say which.

    Raises:
        ValueError: if a column is missing, an architecture or accuracy cannot be read, or rows are missing.
        OSError: if the file cannot be read.
    """
    import pandas as pd  # here: half a second that searches without a table need not pay

    frame = read_csv(path, {layout.architecture: str for layout in LAYOUTS})
    layout = next((one for one in LAYOUTS if one.architecture in frame), None)
    if layout is None:
        names = " or ".join(one.architecture for one in LAYOUTS)
        raise ValueError(f"{path} has no column {names}: it is no table of NAS-Bench-201 or NAS-Bench-Macro")
    missing = [column for column in layout.accuracy.values() if column not in frame]
    if missing:
        raise ValueError(f"{path} lacks the column {missing[0]}")
    values = frame[list(layout.accuracy.values())].apply(pd.to_numeric, errors="coerce")
    wrong = ~values.ge(0).all(axis=1) | ~values.le(100).all(axis=1)
    if wrong.any():
        raise ValueError(f"{path}: line {int(wrong.idxmax()) + 2} has an accuracy that is no number from 0 to 100")
    rows = {
        layout.space.read(name): dict(zip(layout.accuracy, accuracies, strict=True))
        for name, accuracies in zip(
            frame[layout.architecture].fillna(""), (values / 100).to_numpy().tolist(), strict=True
        )
    }
    if len(rows) != layout.space.size:
        raise ValueError(
            f"{path} has {len(rows)} architectures, expected all {layout.space.size} of {layout.space.name}"
        )
    return Table(layout.space, rows, _costs(frame, layout, path), hashlib.sha256(path.read_bytes()).hexdigest())


def _costs(frame: "pd.DataFrame", layout: Layout, path: Path) -> TableCosts:
    """What the table lists of MACs and parameters.

    Raises:
        ValueError: for a value that is no number from 0 up.
    """
    import pandas as pd

    place = tuple(np.array([layout.space.read(name) for name in frame[layout.architecture].fillna("")]).T)
    listed = {}
    for name, (column, unit) in layout.costs.items():
        if column in frame:
            values = pd.to_numeric(frame[column], errors="coerce")
            if not values.ge(0).all():
                line = int(np.argmin(values.ge(0).to_numpy())) + 2
                raise ValueError(f"{path}: line {line} has a {column} that is no number from 0 up")
            listed[name] = np.zeros(layout.space.options)
            listed[name][place] = values.to_numpy(dtype=np.float64) * unit
    return TableCosts(listed)
