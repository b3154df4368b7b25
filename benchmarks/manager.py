"""What a trial costs beside its evaluation: manager, journal on disk and executor, with nothing to evaluate."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.population import (
    Executor,
    FixedList,
    Job,
    Journal,
    Manager,
    Outcome,
    ProxySetting,
    Record,
    SerialExecutor,
    Strategy,
    Trial,
    WeightStore,
)
from zoo.reliability.study import Study
from zoo.spaces import ECONAS_ZOO

SERIAL_GOAL, RAY_GOAL = 0.5, 2.0  # ms per trial
MANY = 10_000


def answer(jobs: Sequence[Job]) -> list[Outcome]:
    """An evaluator that returns at once, with as many metrics as a training has."""
    names = ("accuracy", "balanced_accuracy", "loss", "train_loss", "macs", "params", "images")
    metrics = {name: (i + 1) / 7 for i, name in enumerate(names)}
    return [(Record(index=job.trial.index, ok=True, metrics=metrics, epochs_paid=1), None) for job in jobs]


def make_answer(payload: object) -> Callable[[Sequence[Job]], list[Outcome]]:
    """The factory that an executor sends to its workers."""
    return answer


def fixed(count: int) -> Strategy:
    """Trials drawn beforehand, so that drawing them is not measured."""
    rng, setting = np.random.default_rng(0), ProxySetting.parse("c0r0s0e1")
    genotypes = [ECONAS_ZOO.sample(rng) for _ in range(min(count, 500))]
    return FixedList(
        [
            Trial(index=i, genotype=genotypes[i % len(genotypes)], setting=setting, start=0, stop=1, role="zoo")
            for i in range(count)
        ]
    )


def study(count: int) -> Strategy:
    """A study of about as many trials, the drawing of its networks included."""
    settings = [ProxySetting(c, 0, 0, 1) for c in (1, 2, 3, 4)]
    return Study(ECONAS_ZOO, settings, ProxySetting(0, 0, 0, 1), repeats=1, growth=[max(1, count // 5)])


def milliseconds(strategy: Strategy, executor: Executor, batch: int) -> float:
    """Wall-clock milliseconds per trial of one run, its journal on disk."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.create(Path(folder, "run"), {"strategy": "benchmark"})
        manager = Manager(strategy, journal, WeightStore(Path(folder, "run", "checkpoints")), batch)
        began = time.perf_counter()
        manager.run(executor)
        took = time.perf_counter() - began
        journal.close()
    return 1000 * took / len(manager.trials)


def row(name: str, workers: int, args: argparse.Namespace, goal: float, samples: list[float]) -> dict[str, Any]:
    """One line of the result: medians, and the slowest repeat."""
    median = statistics.median(samples)
    return {
        "what": name,
        "workers": workers,
        "batch": args.batch,
        "repeats": len(samples),
        "ms_per_trial": round(median, 4),
        "slowest": round(max(samples), 4),
        "goal": goal,
        "reached": median <= goal,
    }


def ray_samples(workers: int, args: argparse.Namespace) -> list[float]:
    """The runs on Ray workers on this machine, after each of them has answered once."""
    from zoo.population.ray_executor import RayExecutor  # takes seconds to import

    executor = RayExecutor(make_answer, None, workers=workers)
    try:
        milliseconds(fixed(20 * workers), executor, args.batch)
        return [milliseconds(fixed(args.trials), executor, args.batch) for _ in range(args.repeats)]
    finally:
        executor.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=int, default=1000, help="per run")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=1, help="trials per batch")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="Ray workers, one row each")
    parser.add_argument("--skip-ray", action="store_true")


def run(args: argparse.Namespace) -> dict[str, Any]:
    serial = [milliseconds(fixed(args.trials), SerialExecutor(answer), args.batch) for _ in range(args.repeats)]
    rows = [row("serial", 1, args, SERIAL_GOAL, serial)]
    studies = [milliseconds(study(args.trials), SerialExecutor(answer), args.batch) for _ in range(args.repeats)]
    rows.append(row("serial, study", 1, args, SERIAL_GOAL, studies))
    many = milliseconds(fixed(MANY), SerialExecutor(answer), args.batch)
    rows.append(row(f"serial, {MANY} trials", 1, args, SERIAL_GOAL, [many]))
    if not args.skip_ray:
        rows += [row("ray", workers, args, RAY_GOAL, ray_samples(workers, args)) for workers in args.workers]
    return {"name": "manager", "trials": args.trials, "seconds_for_10000": round(many * MANY / 1000, 2), "rows": rows}
