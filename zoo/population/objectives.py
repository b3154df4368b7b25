"""Added objectives: an installed package offers a metric by name, for ``--maximize``, ``--minimize`` and ``--limit``.

The entry point is one of the group ``thriftnas.objectives``. Its name is that of the metric, and its object is a
function of a genotype and of the metrics that are known of the network; it gives a finite number. A search calls it
before a network is measured, with the costs (MACs, parameters, a latency), so that a limit on it costs no evaluation.
A run that was measured without it calls it later, with everything that was measured.
"""

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from zoo.plugins import Plugin, names, plugin
from zoo.population.costs import Choices, Costs, Values
from zoo.population.front import Metrics
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import ChainGenotype, Genotype

ADDED_OBJECTIVES = "thriftnas.objectives"


@dataclass(frozen=True, slots=True)
class AddedMetric:
    """A metric that an installed package computes.

    Attributes:
        plugin: its function.
    """

    plugin: Plugin

    def __call__(self, genotype: Genotype, metrics: Metrics) -> float:
        """The metric of one network.

        Args:
            genotype: of the network.
            metrics: what is known of it.

        Raises:
            ValueError: if the function fails or gives no finite number.
        """
        value = self.plugin.call(genotype, metrics)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{self.plugin.title} must give a finite number, got {value!r}")
        return number


@lru_cache(maxsize=64)
def added_metric(name: str) -> AddedMetric | None:
    """The metric of this name; None if no installed package adds it.

    Raises:
        ValueError: if it cannot be loaded, or two packages add it.
    """
    found = plugin(ADDED_OBJECTIVES, name, "objective")
    return None if found is None else AddedMetric(found)


@dataclass(frozen=True, slots=True, eq=False)
class AddedCosts:
    """Costs of chains, with metrics that installed packages add; a worker loads these by their names.

    Attributes:
        costs: the others, which the added ones may read.
        space: name of the chains' space.
        added: names of the metrics.
    """

    costs: Costs
    space: str
    added: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What is priced: the others first."""
        return (*self.costs.names, *self.added)

    def __call__(self, choices: Choices) -> Mapping[str, Values]:
        """Compute the added metrics chain by chain."""
        known = self.costs(choices)
        genotypes = [ChainGenotype(self.space, tuple(row)) for row in choices.tolist()]
        rows = [{name: float(values[i]) for name, values in known.items()} for i in range(len(genotypes))]
        found = dict(known)
        for name in self.added:
            metric = _required(name)
            values = [metric(genotype, row) for genotype, row in zip(genotypes, rows, strict=True)]
            found[name] = np.array(values, dtype=np.float64)
        return found


def with_added(costs: Costs, space: str, metrics: Iterable[str], measured: Collection[str] = ()) -> Costs:
    """The costs with those added metrics that a search wants; the costs themselves where it wants none.

    Args:
        costs: known beforehand without any package.
        space: name of the chains' space.
        metrics: of the search's objectives and limits.
        measured: names of what an evaluation measures.

    Raises:
        ValueError: for an added metric with the name of a cost or of what is measured, or one that cannot be loaded.
    """
    taken, offered = {*costs.names, *measured}, set(names(ADDED_OBJECTIVES))
    added = tuple(name for name in dict.fromkeys(metrics) if name in offered)
    for name in added:
        if name in taken:
            title = _required(name).plugin.title
            raise ValueError(f"{title} has the name of a metric that is here already, expected another name")
    return AddedCosts(costs, space, added) if added else costs


def complete(trials: Sequence[Trial], records: Sequence[Record], metrics: Iterable[str]) -> tuple[Record, ...]:
    """The records with added metrics that they lack; what no package adds stays missing.

    Args:
        trials: what was asked.
        records: theirs, in the same order.
        metrics: names of what is wanted.

    Raises:
        ValueError: as :func:`added_metric` and :class:`AddedMetric`.
    """
    found = list(records)
    for name in metrics:
        lacking = [i for i, record in enumerate(found) if name not in record.metrics]
        metric = added_metric(name) if lacking else None
        if metric is None:
            continue
        for i in lacking:
            value = metric(trials[i].genotype, found[i].metrics)
            found[i] = dataclasses.replace(found[i], metrics={**found[i].metrics, name: value})
    return tuple(found)


def _required(name: str) -> AddedMetric:
    metric = added_metric(name)
    if metric is None:
        raise ValueError(f"no package that is installed here adds the objective {name!r}")
    return metric
