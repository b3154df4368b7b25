"""Costs: what is known of networks before they are measured, many at once: MACs, parameters, latency."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from zoo.population.csv_file import numbers_in, read_csv
from zoo.population.trial import Evaluator, Job, Outcome
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.genotype import ChainGenotype

Choices = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class Costs(Protocol):
    """Costs of chains by name; anything that can be sent to a worker."""

    @property
    def names(self) -> tuple[str, ...]:
        """What is priced: macs, params, ..."""
        ...

    def __call__(self, choices: Choices) -> Mapping[str, Values]:
        """For (n, positions) choices the (n,) values of every name."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TableCosts:
    """Costs that are listed for every chain of a small space.

    Attributes:
        values: by name an array with an axis per position and an entry per choice.
    """

    values: Mapping[str, Values]

    @property
    def names(self) -> tuple[str, ...]:
        """What is listed."""
        return tuple(self.values)

    def __call__(self, choices: Choices) -> Mapping[str, Values]:
        """Look every chain up."""
        index = tuple(choices.T)
        return {name: values[index] for name, values in self.values.items()}


@dataclass(frozen=True, slots=True, eq=False)
class ClosedFormCosts:
    """MACs per image and parameters of a family of chain networks.

    Attributes:
        costs: its tables.
    """

    costs: ChainCosts

    @property
    def names(self) -> tuple[str, ...]:
        """The two that are counted."""
        return ("macs", "params")

    def __call__(self, choices: Choices) -> Mapping[str, Values]:
        """Count every chain."""
        return {name: values.astype(np.float64) for name, values in zip(self.names, self.costs(choices), strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class SummedCosts:
    """A price that is a sum over positions, such as a latency measured block by block.

    Attributes:
        name: of the price.
        values: (positions, choices); NaN where a position lacks a choice.
        fixed: what every chain costs, stem and head.
    """

    name: str
    values: Values
    fixed: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The one price."""
        return (self.name,)

    def __call__(self, choices: Choices) -> Mapping[str, Values]:
        """Add the blocks up."""
        return {self.name: self.fixed + self.values[np.arange(len(self.values)), choices].sum(axis=1)}


@dataclass(frozen=True, slots=True, eq=False)
class JointCosts:
    """Several costs as one; no name may occur twice.

    Raises:
        ValueError: for a name that is priced twice.
    """

    parts: Sequence[Costs]

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"every price must have a name of its own, got {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """What any part costs."""
        return tuple(name for part in self.parts for name in part.names)

    def __call__(self, choices: Choices) -> Mapping[str, Values]:
        """Every part's costs."""
        return {name: values for part in self.parts for name, values in part(choices).items()}


def read_latency(path: Path, options: Sequence[int], choices: Sequence[str] = (), name: str = "latency") -> SummedCosts:
    """A table of measured latencies: a CSV with columns layer, choice and ``name``, a row for every choice there is.

    Choices are numbers, or names where they have any.
    A row whose layer and choice are empty holds what is outside the layers. Units are the file's own.

    Args:
        path: of the table.
        options: how many choices every layer of the space has.
        choices: their names, in the order of their numbers.
        name: of the column, and of the price.

    Raises:
        ValueError: for a file of another form, or values that are missing, doubled, negative or no numbers.
        OSError: if the file cannot be read.
    """

    frame = read_csv(path)
    lacking = [column for column in ("layer", "choice", name) if column not in frame]
    if lacking:
        raise ValueError(f"{path} lacks the column {lacking[0]}, expected layer, choice and {name}")
    named = {text: number for number, text in enumerate(choices)}
    frame["choice"] = [named.get(str(value).strip(), value) for value in frame["choice"]]
    numbers = numbers_in(frame[["layer", "choice", name]]).to_numpy(dtype=np.float64)
    outside = frame[["layer", "choice"]].isna().all(axis=1).to_numpy()
    values = np.full((len(options), max(options)), np.nan)
    for line, (layer, choice, value) in enumerate(numbers, start=2):
        if not 0 <= value < np.inf:
            raise ValueError(f"{path}: line {line} has no {name} of 0 or more")
        if outside[line - 2]:
            continue
        if layer not in range(len(options)) or choice not in range(options[int(layer)]):
            raise ValueError(f"{path}: line {line} names layer {layer:g}, choice {choice:g}, which the space lacks")
        if not np.isnan(values[int(layer), int(choice)]):
            raise ValueError(f"{path}: line {line} repeats layer {layer:g}, choice {choice:g}")
        values[int(layer), int(choice)] = value
    for layer, count in enumerate(options):
        missing = np.flatnonzero(np.isnan(values[layer, :count]))
        if len(missing):
            raise ValueError(f"{path} has no row for layer {layer}, choice {missing[0]}")
    return SummedCosts(name, values, float(numbers[outside, 2].sum()))


@dataclass(frozen=True, slots=True)
class CostedEvaluator:
    """Another evaluator whose records hold the costs, too, so that a journal says everything a front needs."""

    evaluator: Evaluator
    costs: Costs

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """The evaluator's outcomes, each good one with its network's costs; a metric it measured itself stays."""
        chains = {job.trial.index: job.trial.genotype for job in jobs}
        outcomes = []
        for record, weights in self.evaluator(jobs):
            genotype = chains[record.index]
            if record.ok and isinstance(genotype, ChainGenotype):
                record = dataclasses.replace(record, metrics=with_costs(self.costs, genotype, record.metrics))
            outcomes.append((record, weights))
        return outcomes


def costs_of(costs: Costs, genotype: ChainGenotype) -> dict[str, float]:
    """Every price of one chain."""
    found = costs(np.array([genotype.choices], dtype=np.int64))
    return {name: float(values[0]) for name, values in found.items()}


def with_costs(costs: Costs, genotype: ChainGenotype, metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics of a chain and every price that they lack; what they have is neither counted again nor changed."""
    parts = costs.parts if isinstance(costs, JointCosts) else (costs,)
    lacking = [part for part in parts if not set(part.names) <= set(metrics)]
    return {name: value for part in lacking for name, value in costs_of(part, genotype).items()} | dict(metrics)
