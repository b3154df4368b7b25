"""What searches cost beside their trainings: tabular trials through the manager, the journal on disk."""

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from econas.strategy.baselines import RandomBaseline, RegularizedEvolution
from econas.strategy.halving import Rung, SuccessiveHalving
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters
from zoo.population import Evaluator, Job, Journal, Manager, Outcome, ProxySetting, Record, SerialExecutor, Strategy
from zoo.population.table import LAYOUTS, Layout, Table, read_table
from zoo.spaces import ECONAS_SEARCH

GOAL = 10.0
"""Seconds for 10,000 trials on two cores."""
MANY = 10_000
SEARCH = 3_200
"""Trials of a long search of NAS-Bench-201, which has 5,460 functions; no search repeats one."""


def invented(layout: Layout) -> Table:
    """A table of random accuracies, for whoever has none: the time does not depend on them."""
    rng, space = np.random.default_rng(0), layout.space
    rows = {
        tuple(int(choice) for choice in choices): dict(
            zip(layout.accuracy, rng.random(len(layout.accuracy)).tolist(), strict=True)
        )
        for choices in np.ndindex(space.options)
    }
    return Table(space, rows)


def answer(jobs: Sequence[Job]) -> list[Outcome]:
    """An evaluator for a space without a table: an accuracy by index, no weights."""
    return [
        (Record(index=j.trial.index, ok=True, metrics={"accuracy": j.trial.index % 97 / 97}, epochs_paid=1), None)
        for j in jobs
    ]


def searches(table: Table, trials: int) -> dict[str, tuple[Callable[[], Strategy], Evaluator]]:
    """Strategies that ask for about as many trials, or for all the space has, and who answers them."""
    cheap, full = (ProxySetting(0, 0, 0, epochs) for epochs in (table.epochs[0], table.epochs[-1]))
    space, epochs = table.space, float(trials * table.epochs[-1])
    staged = Parameters(cycles=max(1, trials // 28))  # a cycle is 16 children and 12 promotions
    single = partial(Parameters, stages=(cheap.e,), parents=(16,), promotions=(), setting=cheap, final=full)
    some, every = single(cycles=max(1, min(trials, SEARCH) // 16 - 1)), single(cycles=max(1, trials // 16 - 1))
    rungs = [Rung(setting, setting.e) for setting in dict.fromkeys((cheap, full))]
    return {
        "econas, table": (lambda: HierarchicalSearch(space, some, 0), table),
        "econas, until the table has nothing new": (lambda: HierarchicalSearch(space, every, 0), table),
        "random, repeats allowed": (lambda: RandomBaseline(space, full, epochs, 0, distinct=False), table),
        "regularized evolution": (lambda: RegularizedEvolution(space, full, epochs, 0), table),
        "asha": (
            lambda: SuccessiveHalving(space, rungs, 0.8 * trials * (cheap.e + full.e / 4), 0, distinct=False),
            table,
        ),
        "econas, paper's cells and stages": (lambda: HierarchicalSearch(ECONAS_SEARCH, staged, 0), answer),
    }


def seconds(strategy: Strategy, evaluator: Evaluator, batch: int, profile: bool) -> tuple[float, float, int]:
    """Wall-clock and processor seconds and trials of one run in a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(Path(folder, "run"), {"strategy": "benchmark"})
        manager, profiler = Manager(strategy, journal, batch=batch), cProfile.Profile()
        began, busy = time.perf_counter(), time.process_time()
        if profile:
            profiler.runcall(manager.run, SerialExecutor(evaluator))
        else:
            manager.run(SerialExecutor(evaluator))
        took, busy = time.perf_counter() - began, time.process_time() - busy
        journal.close()
    if profile:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(12)
    return took, busy, len(manager.trials)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, help="CSV of a benchmark; without one, accuracies are invented")
    parser.add_argument("--trials", type=int, default=MANY, help="per search; those that repeat nothing may end before")
    parser.add_argument("--batch", type=int, default=1, help="trials per batch")
    parser.add_argument("--profile", action="store_true", help="print where the time goes (and take longer)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    table = read_table(args.table) if args.table else invented(LAYOUTS[0])
    rows = []
    for name, (make, evaluator) in searches(table, args.trials).items():
        took, busy, trials = seconds(make(), evaluator, args.batch, args.profile)
        rows.append(
            {
                "search": name,
                "batch": args.batch,
                "trials": trials,
                "seconds": round(took, 3),
                "processor_seconds": round(busy, 3),
                "ms_per_trial": round(1000 * took / trials, 4),
                f"seconds_for_{MANY}": round(took * MANY / trials, 2),
                "reached": took * MANY / trials <= GOAL,
            }
        )
    return {"name": "tabular_overhead", "goal": f"{MANY} trials in {GOAL:g} s", "rows": rows}
