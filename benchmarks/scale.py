"""A search of many trials on a thousand simulated workers: what a trial, a start, a look and waiting for others cost.

Workers are events (`benchmarks/_simulation/world.py`): nothing is computed, and their clock is no real one.
Manager, pool and journal are real, the journal on the disk. Idle time is that of workers with batches of an
exponentially distributed length, in the paper's search that waits for the end of a cycle, and in one that never does.
"""

import argparse
import math
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks._simulation.disk import Disk
from benchmarks._simulation.world import Clock, Troubles, World
from benchmarks.manager import answer, fixed
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters
from zoo.experiments.run import Run
from zoo.figures import Point, Series, series_svg
from zoo.figures.axes import WIDE
from zoo.files import write_text
from zoo.population import Journal, Manager, ProxySetting, Record, Strategy, Trial
from zoo.population import pool as pools
from zoo.population.executor import Executor
from zoo.population.pool import Pool
from zoo.population.trial import Job, Outcome
from zoo.purposes import SCALE
from zoo.spaces import ECONAS_SEARCH

GOALS = {"ms_per_trial": 2.0, "resume_s": 30.0, "status_s": 2.0, "memory_mb": 1000.0}
LOOKS = 3
CYCLES = 8


class Timed(World):
    """A world that notes for how long its workers have worked."""

    busy = 0.0

    def send(self, worker: Any, jobs: Any, attempt: int) -> None:
        """As a world does."""
        before = {event.number for event in self._events}
        super().send(worker, jobs, attempt)
        self.busy += sum(event.at - self._clock.now for event in self._events if event.number not in before)


def world(workers: int, clock: Clock, folder: Path, kind: type[World] = World) -> World:
    """A node with room for all."""
    draw = np.random.default_rng((workers, SCALE))
    return kind({"node": workers}, scored, clock, Troubles([], 0.0, draw), Disk(folder))


def scored(jobs: Any) -> list[Outcome]:
    """Accuracies of trials' numbers, for searches that must rank."""
    return [(_ranked(record, job), None) for (record, _), job in zip(answer(jobs), jobs, strict=True)]


def _ranked(record: Record, job: Job) -> Record:
    value = float(np.random.default_rng((job.trial.index, SCALE)).random())
    return replace(record, metrics={**record.metrics, "accuracy": value})


def searched(folder: Path, strategy: Strategy, executor: Executor, looks: int, trials: int) -> dict[str, float]:
    """Run a search; seconds of it, and of the slowest look at its status while it went on."""
    journal = Journal.create(folder, {"strategy": {"name": "scale", "version": 1}})
    manager, slowest, looking, told = Manager(strategy, journal), 0.0, 0.0, 0

    def look(trial: Trial, record: Record) -> None:
        nonlocal slowest, looking, told
        told += 1
        if looks and told % (trials // (looks + 1) + 1) == 0:
            began = time.perf_counter()
            _ = Run(folder).status
            slowest = max(slowest, time.perf_counter() - began)
            looking += time.perf_counter() - began

    began, busy = time.perf_counter(), time.process_time()
    manager.run(executor, listen=look)
    took, busy = time.perf_counter() - began - looking, time.process_time() - busy
    journal.close()
    return {"trials": len(manager.trials), "seconds": took, "busy": busy, "status_s": slowest}


def many(workers: int, trials: int) -> dict[str, Any]:
    """A row for so many trials: what each costs, and a start and a look afterwards."""
    with tempfile.TemporaryDirectory() as temporary, mock.patch.object(pools, "time", clock := Clock()):
        base = Path(temporary)
        (base / "disk").mkdir()
        pool = Pool(world(workers, clock, base / "disk"), workers, report=lambda _: None)
        found = searched(base / "run", fixed(trials), pool, LOOKS, trials)
        strategy, began = fixed(trials), time.perf_counter()
        journal = Journal.open(base / "run")
        Manager(strategy, journal)
        resume = time.perf_counter() - began
        journal.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    row: dict[str, Any] = {
        "what": "fixed trials", "workers": workers, "trials": trials,
        "ms_per_trial": round(1000 * found["seconds"] / trials, 3),
        "processor_ms_per_trial": round(1000 * found["busy"] / trials, 3), "resume_s": round(resume, 2),
        "status_s": round(found["status_s"], 2), "memory_mb": round(memory),
    }  # fmt: skip
    return row | {"reached": all(row[name] <= goal for name, goal in GOALS.items())}


def idle(workers: int, asynchronous: bool) -> dict[str, Any]:
    """A row for how long workers of a search wait for one another, in simulated time."""
    setting = ProxySetting.parse("c2r0s0e3")
    numbers = Parameters(
        start=workers, parents=(workers // 2, workers // 4, workers // 4), promotions=(workers // 2, workers // 4),
        stages=(1, 2, 3), cycles=CYCLES, setting=setting, final=setting, asynchronous=asynchronous,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary, mock.patch.object(pools, "time", clock := Clock()):
        base = Path(temporary)
        (base / "disk").mkdir()
        crew = world(workers, clock, base / "disk", Timed)
        assert isinstance(crew, Timed)
        strategy = HierarchicalSearch(ECONAS_SEARCH, numbers, seed=0)
        found = searched(base / "run", strategy, Pool(crew, workers, report=lambda _: None), 0, 0)
    return {
        "what": "asynchronous search" if asynchronous else "generational search",
        "workers": workers, "trials": int(found["trials"]), "simulated_s": round(clock.now),
        "idle_share": round(1 - crew.busy / (workers * clock.now), 3),
    }  # fmt: skip


def picture(rows: list[dict[str, Any]]) -> str:
    """Idle shares against workers, a line a search."""
    return series_svg(
        [
            Series(
                label=name,
                points=[
                    Point(label="", x=math.log2(row["workers"]), y=row["idle_share"], note=f"{row['workers']} workers")
                    for row in rows
                    if row["what"] == name
                ],
                line="straight",
            )
            for name in dict.fromkeys(row["what"] for row in rows)
        ],
        xlabel="workers as a power of two: 3 is 8, 8 is 256",
        ylabel="time that workers wait for one another",
        description="Share of the workers' time that is idle, by their number, of both searches.",
        size=(WIDE, 360.0),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=1000, help="simulated")
    parser.add_argument("--trials", type=int, default=100_000, help="of the longest run; there is one of a tenth too")
    parser.add_argument(
        "--idle-workers", type=int, nargs="+", default=[8, 16, 32, 64, 128, 256],
        help="of the searches whose idle time is measured",
    )  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the picture of idle time here, as SVG")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if min(args.workers, args.trials // 10) < 1 or min(args.idle_workers) < 4:
        raise ValueError("expected at least one worker, ten trials, and four workers that idle")
    if args.plot is not None and not args.plot.absolute().parent.is_dir():
        raise ValueError(f"the folder of {args.plot} does not exist")
    rows = [many(args.workers, trials) for trials in (args.trials // 10, args.trials)]
    idling = [idle(workers, asynchronous) for workers in args.idle_workers for asynchronous in (False, True)]
    if args.plot is not None:
        write_text(args.plot, picture(idling) + "\n")
    rows += idling
    return {"name": "scale", "goals": ", ".join(f"{name} {goal:g}" for name, goal in GOALS.items()), "rows": rows}
