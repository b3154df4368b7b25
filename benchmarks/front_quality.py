"""How much of a published table's true front searches for several objectives find, by method and evaluations.

The hypervolume of everything evaluated, as a share of the whole table's: losses are scaled to the table's range in
every objective, and the reference point is the worst corner. The tables publish one accuracy of a full training; it
is the one that searches maximise here, as if it were measured on a supernet.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._front_peers import Measure, installed, optuna_nsga2, pymoo_nsga2, random_chains
from scarlet.strategy.goal import Goal
from scarlet.strategy.nsga import WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from scarlet.strategy.surrogate_front import SurrogateFront
from zoo.population.costs import Choices, TableCosts
from zoo.population.executor import SerialExecutor
from zoo.population.front import Losses, front, hypervolume, losses_of, objectives
from zoo.population.journal import Journal
from zoo.population.manager import Manager
from zoo.population.selection import check_weights
from zoo.population.table import Table, read_table
from zoo.reliability.interval import resample
from zoo.spaces.genotype import ChainGenotype
from zoo.surrogates.option import NO_SURROGATE

WEIGHTS = {2: (0.7, 0.3), 3: (0.4, 0.4, 0.2)}
"""Of the weighted rows: with two objectives unequal ones, with three the defaults of the search."""
SPREAD_WEIGHTS, SPREAD_POPULATION = (0.0, 0.25, 0.5, 0.75, 1.0), 12
"""Weights of the accuracy, and a population smaller than the front, so that the crowding distance decides."""


@dataclass(frozen=True, slots=True)
class Field:
    """A table seen as a problem of several objectives.

    Attributes:
        table: the table.
        wanted: names of what is made large and what is made small.
        losses: of every network, by place: an axis per position and one for the objectives.
    """

    table: Table
    wanted: tuple[Any, ...]
    losses: Losses

    @property
    def everything(self) -> Losses:
        """(networks, objectives)."""
        return self.losses.reshape(-1, len(self.wanted))

    def measure(self, choices: Choices) -> Losses:
        """The losses of (n, positions) choices."""
        return np.asarray(self.losses[tuple(choices.T)])

    def ratio(self, choices: Choices) -> float:
        """The share of the true front's hypervolume that these networks have together."""
        best, worst = self.everything.min(axis=0), self.everything.max(axis=0)
        return hypervolume(self.measure(choices), best, worst) / hypervolume(self.everything, best, worst)


def see(table: Table, with_params: bool) -> Field:
    """The problem of a table: accuracy up, MACs down, and where wanted parameters up.

    Raises:
        ValueError: if the table lists no MACs or parameters.
    """
    wanted = objectives(["accuracy", "params"] if with_params else ["accuracy"], ["macs"])
    wanted = tuple(sorted(wanted, key=lambda one: ("accuracy", "macs", "params").index(one.metric)))
    lacking = {"macs", "params"} - set(table.costs.names)
    if lacking:
        raise ValueError(f"the table lists no {min(lacking)}")
    chains = np.array(list(table.accuracies), dtype=np.int64)
    priced = table.costs(chains)
    rows = [
        {"accuracy": row[max(row)], "macs": macs, "params": params}
        for row, macs, params in zip(table.accuracies.values(), priced["macs"], priced["params"], strict=True)
    ]
    losses = np.zeros((*table.space.options, len(wanted)))
    losses[tuple(chains.T)] = losses_of(rows, wanted)
    return Field(table, wanted, losses)


def floor(field: Field, draws: int = 20) -> float:
    """What is missing, in percent, of one row per function, drawn at random, of all functions there are: mean of draws.

    Nobody who pays a function once does better, but by luck.
    """
    space, rng = field.table.space, np.random.default_rng(0)
    chains = np.array(list(field.table.accuracies), dtype=np.int64)
    keys = np.array([space.function(tuple(chain)) for chain in chains.tolist()])
    found = []
    for _ in range(draws):
        order = rng.permutation(len(chains))
        found.append(1 - field.ratio(chains[order[np.unique(keys[order], return_index=True)[1]]]))
    return 100 * float(np.mean(found))


def merged(table: Table) -> Table:
    """The table with one row's worth of knowledge per function: mean accuracies, least costs.

    Rows of one function differ by the luck of their trainings and by parts that are counted but compute nothing.
    Whoever pays a function once cannot find the luckiest of its rows.
    """
    chains = np.array(list(table.accuracies), dtype=np.int64)
    _, group = np.unique([table.space.function(tuple(chain)) for chain in chains.tolist()], return_inverse=True)
    epochs = table.epochs
    accuracy = np.array([[row[e] for e in epochs] for row in table.accuracies.values()])
    means = np.stack([np.bincount(group, column) / np.bincount(group) for column in accuracy.T], axis=1)[group]
    rows = [dict(zip(epochs, row, strict=True)) for row in means.tolist()]
    costs = {}
    for name, values in table.costs(chains).items():
        least = np.full(group.max() + 1, np.inf)
        np.minimum.at(least, group, values)
        costs[name] = np.zeros(table.space.options)
        costs[name][tuple(chains.T)] = least[group]
    return Table(table.space, dict(zip(table.accuracies, rows, strict=True)), TableCosts(costs))


# ---------------------------------------------------------------- the methods


def search(field: Field, weights: Sequence[float], parameters: SearchParameters, seed: int) -> WeightedSearch:
    """Ours, with a generation more than any budget needs."""
    goal = Goal(objectives=field.wanted, weights=tuple(weights))
    kind = WeightedSearch if parameters.surrogate == NO_SURROGATE else SurrogateFront
    return kind(field.table.space, field.table.costs, goal, parameters, seed)


def finished(field: Field, strategy: WeightedSearch) -> Choices:
    """Everything a search evaluated, in the order of its journal."""
    manager = Manager(strategy, Journal.memory({}), batch=70)
    manager.run(SerialExecutor(field.table))
    genotypes = [trial.genotype for trial in manager.trials]
    return np.array([one.choices for one in genotypes if isinstance(one, ChainGenotype)], dtype=np.int64)


def ours(weights: Sequence[float], surrogate: str, field: Field, count: int, seed: int) -> Choices:
    """The first ``count`` networks of the search with its defaults; a budget only ends it."""
    parameters = SearchParameters(evaluations=count, generations=count, surrogate=surrogate)
    return finished(field, search(field, weights, parameters, seed))


def peer(
    optimise: Callable[[Sequence[int], Measure, int, int, int], Choices], field: Field, count: int, seed: int
) -> Choices:
    """The first ``count`` networks a peer pays for."""
    return optimise(field.table.space.options, field.measure, len(field.wanted), count, seed)


def methods(count: int) -> dict[str, Callable[[Field, int, int], Choices]]:
    """Every method for ``count`` objectives."""
    return {
        "scarlet": partial(ours, (1 / count,) * count, "auto"),
        "scarlet_weighted": partial(ours, WEIGHTS[count], "auto"),
        "scarlet_paper": partial(ours, (1 / count,) * count, "none"),
        "scarlet_paper_weighted": partial(ours, WEIGHTS[count], "none"),
        "pymoo_nsga2": partial(peer, pymoo_nsga2),
        "optuna_nsga2": partial(peer, optuna_nsga2),
        "random": partial(peer, random_chains),
    }


# ---------------------------------------------------------------- the rows


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean with its 95 % percentile bootstrap interval over seeds."""
    given = np.array(values)
    means = resample(len(given), np.random.default_rng(0)) @ given / len(given)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(given.mean()), float(low), float(high)


def rows(name: str, field: Field, budgets: Sequence[int], seeds: int) -> list[dict[str, Any]]:
    """A row per budget: runs are as long as the largest, and read at each."""
    find = methods(len(field.wanted))[name]
    runs = [find(field, max(budgets), seed) for seed in range(seeds)]
    print(f"{name}: {seeds} seeds", file=sys.stderr)
    lines = []
    for budget in budgets:
        mean, low, high = interval([field.ratio(run[:budget]) for run in runs])
        paid = [_functions(field, run[:budget]) for run in runs]
        lines.append(
            {
                "method": name,
                "evaluations": budget,
                "hypervolume_ratio": round(mean, 7),
                "low": round(low, 7),
                "high": round(high, 7),
                "missing_percent": round(100 * (1 - mean), 4),
                "seeds": seeds,
                "paid": round(float(np.mean([len(run[:budget]) for run in runs])), 1),
                "different_functions": round(float(np.mean(paid)), 1),
            }
        )
    return lines


def _functions(field: Field, choices: Choices) -> int:
    space = field.table.space
    return len({space.function(tuple(chain)) for chain in choices.tolist()})


def spread(field: Field, weight: float, seeds: int) -> dict[str, Any]:
    """Where a small population lies on the front, and how evenly, when accuracy has ``weight``.

    Unevenness is the sum of the squared gaps between neighbours, ends included, in one objective scaled to the true
    front's range: the mean length of the gap that a random place falls into. MACs are scaled likewise.
    """
    parameters = SearchParameters(population=SPREAD_POPULATION, generations=60)
    best = field.everything[front(field.everything)]
    found = []
    for seed in range(seeds):
        strategy = search(field, (weight, 1 - weight), parameters, seed)
        finished(field, strategy)
        held = np.array([member.losses for member in strategy.population])
        points = np.clip((held[front(held)] - best.min(axis=0)) / np.ptp(best, axis=0), 0, 1)
        gaps = [np.diff(np.sort(column), prepend=0, append=1) for column in points.T]
        found.append([*(float((gap**2).sum()) for gap in gaps), float(points[:, 1].mean())])
    line: dict[str, Any] = {"weight_of_accuracy": weight, "population": SPREAD_POPULATION, "seeds": seeds}
    for name, values in zip(("uneven_accuracy", "uneven_macs", "mean_macs"), np.array(found).T, strict=True):
        mean, low, high = interval(values.tolist())
        line |= {name: round(mean, 4), f"{name}_low": round(low, 4), f"{name}_high": round(high, 4)}
    return line


# ---------------------------------------------------------------- the benchmark


def numbers(text: str) -> list[int]:
    """Positive whole numbers separated by commas."""
    values = [int(part) for part in text.split(",")]
    if min(values) < 1:
        raise ValueError
    return sorted(set(values))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    every = list(methods(2))
    parser.add_argument("--table", type=Path, required=True, help="CSV of NAS-Bench-Macro or NAS-Bench-201")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--evaluations", type=numbers, default=[500, 1000, 2000], help="separated by commas")
    parser.add_argument("--methods", nargs="+", choices=every, default=every, metavar="METHOD", help=", ".join(every))
    parser.add_argument("--params", action="store_true", help="maximise parameters as a third objective")
    parser.add_argument("--merged", action="store_true", help="rows of one function as one: mean accuracy, least MACs")
    parser.add_argument("--spread", action="store_true", help="only show what the weights do to the front's spread")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All rows, and what the table's front is.

    Raises:
        ValueError: for a table that cannot be read or lists no costs, or no seeds.
    """
    if args.seeds < 1:
        raise ValueError(f"expected at least 1 seed, got {args.seeds}")
    table = read_table(args.table)
    field = see(merged(table) if args.merged else table, args.params and not args.spread)
    check_weights(WEIGHTS[len(field.wanted)], len(field.wanted))
    everything, notes, lines = field.everything, list[str](), list[dict[str, Any]]()
    if args.spread:
        lines = [spread(field, weight, args.seeds) for weight in SPREAD_WEIGHTS]
    for name in [] if args.spread else args.methods:
        if name == "optuna_nsga2" and not installed():
            notes.append("optuna_nsga2 left out: optuna is not installed")
        else:
            lines += rows(name, field, args.evaluations, args.seeds)
    best = front(everything)
    return {
        "name": "front_quality",
        "table": args.table.name + (", rows of one function merged" if args.merged else ""),
        "objectives": ", ".join(map(str, field.wanted)),
        "weights_of_scarlet_weighted": ", ".join(map(str, WEIGHTS[len(field.wanted)])),
        "front_networks": len(best),
        "front_points": len(np.unique(everything[best], axis=0)),
        "front_hypervolume": round(hypervolume(everything, everything.min(axis=0), everything.max(axis=0)), 5),
        "one_row_per_function_misses_percent": round(floor(field), 4),
        "interval": "95 % percentile bootstrap of the mean over seeds",
        "notes": "; ".join(notes),
        "rows": lines,
    }
