"""A published table as an evaluator: trials to records without training, charged as if they had been trained."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.population.columns import parse_columns
from zoo.population.costs import TableCosts
from zoo.population.csv_file import numbers_in, read_csv
from zoo.population.trial import TRAINING, Job, Outcome, Record
from zoo.purposes import TABLE_SEED
from zoo.spaces.chain_space import NAS_BENCH_201, NAS_BENCH_MACRO, NATS_BENCH_SIZE, ChainSpace
from zoo.spaces.genotype import ChainGenotype, Genotype

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Layout:
    """What a benchmark's table looks like.

    Attributes:
        title: what it is known as.
        space: of its architectures.
        architecture: column that names them.
        accuracy: for every number of epochs the column with that training's accuracy in percent.
        costs: by name a column, and the unit it counts in.
        cheap: likewise accuracies of shorter trainings, read where they are listed.
    """

    title: str
    space: ChainSpace
    architecture: str
    accuracy: Mapping[int, str]
    costs: Mapping[str, tuple[str, float]]
    cheap: Mapping[int, str] = field(default_factory=dict)

    def listed(self, frame: "pd.DataFrame") -> dict[int, tuple[str, ...]]:
        """The columns of accuracies by epochs, as :func:`~zoo.population.columns.parse_columns` has them."""
        cheap = {epochs: name for epochs, name in self.cheap.items() if name in frame}
        return {epochs: (name,) for epochs, name in {**cheap, **self.accuracy}.items()}

    def knows(self, frame: "pd.DataFrame") -> bool:
        """Whether a table's column of architectures is this one's; a column that several share is told by a name."""
        if self.architecture not in frame or not len(frame):
            return False
        try:
            self.space.read(frame[self.architecture].fillna("").iloc[0])
        except ValueError:
            return False
        return True


LAYOUTS = (
    # 12 epochs: validation; 200 epochs: test, the only accuracy published for the full training.
    Layout(
        "NAS-Bench-201",
        NAS_BENCH_201,
        "arch_str",
        {12: "cifar10_ep12_valid_acc", 200: "cifar10_ep200_test_acc"},
        {"macs": ("flops_M", 1e6), "params": ("params_M", 1e6)},
    ),
    # one training of 50 epochs, three seeds; test accuracy is all there is
    Layout(
        "NAS-Bench-Macro",
        NAS_BENCH_MACRO,
        "arch",
        {50: "mean_acc"},
        {"macs": ("flops", 1.0), "params": ("params", 1.0)},
    ),
    # 90 epochs: test accuracy
    Layout(
        "NATS-Bench's sizes",
        NATS_BENCH_SIZE,
        "arch_str",
        {90: "cifar10_ep90_test_acc"},
        {"macs": ("flops_M", 1e6), "params": ("params_M", 1e6)},
        {12: "cifar10_ep12_valid_acc"},
    ),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Accuracies (shares) by architecture and epochs, and the costs it lists: those of macs and params it has.

    Attributes:
        space: of its architectures.
        accuracies: by choices and epochs; the mean where there are several seeds.
        costs: of its architectures.
        fingerprint: SHA-256 of the file it was read from, and of the columns where they were named; empty for a table
            made in memory.
        repeats: by choices and epochs the accuracies of several seeds, where there are some.
        seed: with the trial's number it says which of the repeats a training gets.
    """

    space: ChainSpace
    accuracies: Mapping[tuple[int, ...], Mapping[int, float]]
    costs: TableCosts = field(default_factory=lambda: TableCosts({}))
    fingerprint: str = ""
    repeats: Mapping[tuple[int, ...], Mapping[int, tuple[float, ...]]] = field(default_factory=dict)
    seed: int = 0

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
            accuracy = self._drawn(job, max(row))
            return Record(index=trial.index, ok=True, metrics={"accuracy": accuracy}, epochs_paid=max(row))
        epochs = trial.setting.e
        if epochs not in row or trial.stop != epochs:
            raise ValueError(
                f"the table knows trainings of {', '.join(map(str, row))} epochs, got {trial.stop} of {epochs}"
            )
        accuracy = self._drawn(job, epochs)
        return Record(index=trial.index, ok=True, metrics={"accuracy": accuracy}, epochs_paid=epochs - trial.start)

    def _drawn(self, job: Job, epochs: int) -> float:
        """The accuracy of a training: of one of the seeds, where the table has several."""
        choices = job.trial.genotype.choices  # type: ignore[union-attr]  # its row was found
        values = self.repeats.get(choices, {}).get(epochs)
        if values is None:
            return self.accuracies[choices][epochs]
        rng = np.random.default_rng((self.seed, job.root, epochs, TABLE_SEED))
        return values[int(rng.integers(len(values)))]

    def _row(self, genotype: Genotype) -> Mapping[int, float]:
        if isinstance(genotype, ChainGenotype) and genotype.space == self.space.name:
            row = self.accuracies.get(genotype.choices)
            if row is not None:
                return row
        raise ValueError(f"the table of {self.space.name} has no row for {genotype.to_json()}")


def read_table(path: Path, columns: str | None = None) -> Table:
    """Read a CSV (may be compressed) of NAS-Bench-201, NAS-Bench-Macro or NATS-Bench's sizes; it says itself which.

    Args:
        path: of the file.
        columns: with the accuracies, as :func:`~zoo.population.columns.parse_columns` reads them; None: those on
            CIFAR-10, the mean of NAS-Bench-Macro's.

    Raises:
        ValueError: if a column is missing, an architecture or accuracy cannot be read, accuracies are shares instead
            of percents, or rows are missing or contradict each other.
        OSError: if the file cannot be read.
    """

    wanted = None if columns is None else parse_columns(columns)
    frame = read_csv(path, {layout.architecture: str for layout in LAYOUTS})
    layout = _layout(frame, path)
    accuracy = layout.listed(frame) if wanted is None else wanted
    listed = [name for names in accuracy.values() for name in names]
    missing = [column for column in listed if column not in frame]
    if missing:
        raise ValueError(f"{path} lacks the column {missing[0]}{'; --columns names others' if wanted is None else ''}")
    values = numbers_in(frame[listed])
    wrong = ~values.ge(0).all(axis=1) | ~values.le(100).all(axis=1)
    if wrong.any():
        raise ValueError(
            f"{path}: line {int(np.argmax(wrong.to_numpy())) + 2} has an accuracy that is no number from 0 to 100"
        )
    if (shares := values.max() <= 1).any():
        raise ValueError(f"{path}: expected percents, but no accuracy in the column {shares.idxmax()} is above 1")
    names = frame[layout.architecture].fillna("")
    chains = [layout.space.read(name) for name in names]
    rows = _rows(names, chains, values / 100, path)
    if len(rows) != layout.space.size:
        raise ValueError(
            f"{path} has {len(rows)} architectures, expected all {layout.space.size} of {layout.space.name}"
        )
    edges = np.cumsum([0, *(len(names) for names in accuracy.values())])
    parts = {epochs: slice(a, b) for epochs, a, b in zip(accuracy, edges, edges[1:], strict=False)}
    several = {epochs: part for epochs, part in parts.items() if part.stop - part.start > 1}
    fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
    return Table(
        space=layout.space,
        accuracies={
            name: {epochs: math.fsum(row[part]) / len(row[part]) for epochs, part in parts.items()}
            for name, row in rows.items()
        },
        costs=_costs(frame, chains, layout, path),
        fingerprint=fingerprint
        if columns is None
        else hashlib.sha256(f"{fingerprint} {accuracy}".encode()).hexdigest(),
        repeats={name: {epochs: row[part] for epochs, part in several.items()} for name, row in rows.items()}
        if several
        else {},
    )


def _layout(frame: "pd.DataFrame", path: Path) -> Layout:
    """Whose table it is.

    Raises:
        ValueError: if it has no column of architectures, or one that nobody can read.
    """
    near = [layout for layout in LAYOUTS if layout.architecture in frame]
    if not near:
        names = " or ".join(dict.fromkeys(layout.architecture for layout in LAYOUTS))
        titles = ", ".join(layout.title for layout in LAYOUTS)
        raise ValueError(f"{path} has no column {names}: it is no table of {titles}")
    return next((layout for layout in near if layout.knows(frame)), near[0])


def _rows(
    names: "pd.Series[str]", chains: Sequence[tuple[int, ...]], values: "pd.DataFrame", path: Path
) -> dict[tuple[int, ...], tuple[float, ...]]:
    """Accuracies by choices.

    Raises:
        ValueError: for two rows of one architecture that differ.
    """
    rows: dict[tuple[int, ...], tuple[float, ...]] = {}
    for line, (name, choices, row) in enumerate(zip(names, chains, values.to_numpy().tolist(), strict=True), start=2):
        if rows.setdefault(choices, tuple(row)) != tuple(row):
            raise ValueError(f"{path}: line {line} contradicts an earlier one about {name}")
    return rows


def _costs(frame: "pd.DataFrame", chains: Sequence[tuple[int, ...]], layout: Layout, path: Path) -> TableCosts:
    """What the table lists of MACs and parameters.

    Raises:
        ValueError: for a value that is no number from 0 up.
    """

    place = tuple(np.array(chains).T)
    listed = {}
    for name, (column, unit) in layout.costs.items():
        if column in frame:
            values = numbers_in(frame[[column]])[column]
            if not (fine := values.ge(0) & values.lt(np.inf)).all():
                line = int(np.argmin(fine.to_numpy())) + 2
                raise ValueError(f"{path}: line {line} has a {column} that is no number from 0 up")
            listed[name] = np.zeros(layout.space.options)
            listed[name][place] = values.to_numpy(dtype=np.float64) * unit
    return TableCosts(listed)
