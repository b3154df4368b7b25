"""How far from the best of a published table searches end, by method and budget in epochs.

Regret is the best full-training accuracy of the table minus that of the network a search finally chooses, in
percentage points. A method may use the accuracy of what it paid for and nothing else. The only full-training
accuracy the tables publish is a test accuracy, so here, and nowhere else, choices are made by one.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._optuna_peers import Training, installed, optimise, prefix
from econas.strategy.baselines import RandomBaseline, RegularizedEvolution, evolution_sizes, trainings
from econas.strategy.halving import Rung, SuccessiveHalving
from econas.strategy.hierarchical import HierarchicalSearch
from econas.table_experiment import TableExperiment, table_parameters
from zoo.population import Journal, Manager, ProxySetting, SerialExecutor, Strategy
from zoo.population.table import Table, read_table
from zoo.reliability.interval import resample
from zoo.spaces.genotype import ChainGenotype

BATCH = {"econas": 16}  # children of a cycle; the asynchronous methods run as published, one after another


@dataclass(frozen=True, slots=True)
class Found:
    """How a search ended: percentage points below the best, epochs paid, trials."""

    regret: float
    epochs: float
    trials: int


def setting(epochs: int) -> ProxySetting:
    """A training of the table: nothing is reduced but the epochs."""
    return ProxySetting(0, 0, 0, epochs)


# ---------------------------------------------------------------- the methods


def econas(table: Table, budget: float, seed: int) -> Strategy:
    """The hierarchical search."""
    return HierarchicalSearch(table.space, table_parameters(table, budget=budget), seed)


def random(table: Table, budget: float, seed: int) -> Strategy:
    """Random networks, trained fully, no function twice."""
    return RandomBaseline(table.space, setting(table.epochs[-1]), budget, seed)


def regularized_evolution(table: Table, budget: float, seed: int) -> Strategy:
    """Ageing evolution on full trainings, as published."""
    full = setting(table.epochs[-1])
    population, sample = evolution_sizes(trainings(full, budget), TableExperiment.random_part)
    return RegularizedEvolution(table.space, full, budget, seed, population=population, sample=sample)


def asha(table: Table, budget: float, seed: int) -> Strategy:
    """Successive halving over the table's trainings; each rung costs the same, which sets eta."""
    cheap, full = table.epochs[0], table.epochs[-1]
    rungs = [Rung(setting(epochs), epochs) for epochs in (cheap, full)]
    return SuccessiveHalving(table.space, rungs, budget, seed, eta=full / cheap)


def single_fidelity_evolution(table: Table, budget: float, seed: int) -> Strategy:
    """Ageing evolution on cheap trainings, the best retrained."""
    experiment = TableExperiment(
        method="evolution", space=table.space.name, parameters=table_parameters(table, budget=budget), seed=seed
    )
    return experiment.strategy()


STRATEGIES: dict[str, Callable[[Table, float, int], Strategy]] = {
    "econas": econas,
    "random": random,
    "regularized_evolution": regularized_evolution,
    "asha": asha,
    "single_fidelity_evolution": single_fidelity_evolution,
}
PEERS = {"optuna_tpe": "tpe", "optuna_nsga2": "nsga2"}
NEED_CHEAP = {"asha", "single_fidelity_evolution"}

# ---------------------------------------------------------------- one search


def found(table: Table, trained: Sequence[Training], trials: int) -> Found:
    """How a search ends for a user who knows its trainings and no more."""
    full = table.epochs[-1]
    choice = max(trained, key=lambda one: (one[1] == full, one[2]))[3]  # the first of equals
    return Found(100 * (table.best(full) - table.accuracies[choice][full]), trained[-1][0], trials)


def strategy_runs(name: str, table: Table, budgets: Sequence[float], seed: int) -> list[Found]:
    """One run of a strategy for every budget, through the manager, the journal in memory."""
    runs = []
    for budget in budgets:
        strategy = STRATEGIES[name](table, budget, seed)
        manager = Manager(strategy, Journal.memory({}), batch=BATCH.get(name, 1))
        manager.run(SerialExecutor(table))
        paid, trained = 0.0, list[Training]()
        for trial, record in zip(manager.trials, manager.records, strict=True):
            if not record.ok:
                raise RuntimeError(f"trial {record.index} failed: {record.reason}")
            paid += record.epochs_paid
            assert isinstance(trial.genotype, ChainGenotype)
            trained.append((paid, trial.stop, record.metrics["accuracy"], trial.genotype.choices))
        runs.append(found(table, trained, len(trained)))
    return runs


def peer_runs(name: str, table: Table, budgets: Sequence[float], seed: int) -> list[Found]:
    """One study, read at every budget."""
    trained = optimise(PEERS[name], table, max(budgets), seed)
    parts = [prefix(trained, budget) for budget in budgets]
    return [found(table, part, sum(one[1] == table.epochs[0] for one in part)) for part in parts]


# ---------------------------------------------------------------- the benchmark


def row(method: str, budget: float, runs: Sequence[Found]) -> dict[str, Any]:
    """Mean regret with its 95 % percentile bootstrap interval over seeds."""
    regrets = np.array([run.regret for run in runs])
    means = resample(len(runs), np.random.default_rng(0)) @ regrets / len(runs)
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "method": method,
        "budget": budget,
        "regret_mean": round(float(regrets.mean()), 4),
        "regret_low": round(float(low), 4),
        "regret_high": round(float(high), 4),
        "seeds": len(runs),
        "epochs_paid": round(float(np.mean([run.epochs for run in runs])), 1),
        "trials": round(float(np.mean([run.trials for run in runs])), 1),
    }


def rows(method: str, table: Table, budgets: Sequence[float], seeds: int) -> list[dict[str, Any]]:
    """The lines of one method."""
    one = partial(peer_runs if method in PEERS else strategy_runs, method, table, budgets)
    by_seed = [one(seed) for seed in range(seeds)]
    print(f"{method}: {seeds} seeds", file=sys.stderr)
    return [row(method, budget, [runs[i] for runs in by_seed]) for i, budget in enumerate(budgets)]


def numbers(text: str) -> list[int]:
    """Positive whole numbers separated by commas."""
    values = [int(part) for part in text.split(",")]
    if min(values) < 1:
        raise ValueError
    return sorted(set(values))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    every = [*STRATEGIES, *PEERS]
    parser.add_argument("--table", type=Path, required=True, help="CSV of NAS-Bench-201 or NAS-Bench-Macro")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--budgets", type=numbers, default=[1500, 3000], help="in epochs, separated by commas")
    parser.add_argument("--methods", nargs="+", choices=every, metavar="METHOD", help=f"of {', '.join(every)}")
    parser.add_argument("--peer-seeds", type=int, default=50, help="at most so many for Optuna, which is slow")
    parser.add_argument("--peer-budget", type=int, default=12_000, help="largest budget for Optuna")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All rows, and notes on what was left out.

    Raises:
        ValueError: for a table that cannot be read, a method it has no trainings for, or too small a budget.
    """
    if min(args.seeds, args.peer_seeds) < 1:
        raise ValueError(f"expected at least 1 seed, got {min(args.seeds, args.peer_seeds)}")
    table = read_table(args.table)
    cheap_too = len(table.epochs) > 1
    methods = args.methods or [name for name in (*STRATEGIES, *PEERS) if cheap_too or name not in NEED_CHEAP]
    for name in methods:
        if name in NEED_CHEAP and not cheap_too:
            raise ValueError(f"{name} needs a cheaper training than the table's only one of {table.epochs[0]} epochs")
    lines, notes = [], []
    for name in methods:
        budgets, seeds = args.budgets, args.seeds
        if name in PEERS:
            budgets, seeds = [b for b in budgets if b <= args.peer_budget], min(seeds, args.peer_seeds)
            if not installed():
                notes.append(f"{name} left out: optuna is not installed")
                continue
        if budgets and budgets[0] < table.epochs[0]:
            raise ValueError(f"a budget of {budgets[0]} epochs pays no training of {table.epochs[0]}")
        lines += rows(name, table, budgets, seeds) if budgets else []
    return {
        "name": "search_quality",
        "table": args.table.name,
        "trainings": ", ".join(f"{epochs} epochs" for epochs in table.epochs),
        "best": round(100 * table.best(table.epochs[-1]), 3),
        "regret": "percentage points of full-training test accuracy, the only one published; means over seeds, "
        "95 % percentile bootstrap",
        "charged": "every training pays all its epochs: a promotion, retraining or trial that is not pruned pays "
        "the full schedule on top of the cheap one",
        "notes": "; ".join(notes),
        "rows": lines,
    }
