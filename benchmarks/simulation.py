"""Runs whose processes end at any moment, on a disk that forgets, with workers that fail: all drawn from seeds.

Every schedule is a run of the real manager, journal, weight store, pool and strategies, on simulated nodes, a simulated
clock and a disk of which it is known what is synced. Its processes end by power cuts, kills, full disks, Ctrl-C and
`--time`; after each the same command goes on with what is left. At its end the digest must be that of an undisturbed
run, nothing that was told may be lost or trained again, and every schedule must end.
"""

import argparse
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from benchmarks._simulation.schedule import ENDS, Verdict, simulate

GOAL_SECONDS = 900.0  # for 10,000 schedules on two cores
MANY = 10_000
CHUNK = 20


def verdicts(seeds: range, jobs: int) -> Iterator[Verdict]:
    """Go through schedules, in any order."""
    if jobs == 1:
        yield from map(simulate, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(simulate, seeds, chunksize=CHUNK)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first schedule; the others follow")
    parser.add_argument("--jobs", type=int, default=1, help="processes")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if min(args.schedules, args.jobs) < 1 or args.seed < 0:
        raise ValueError("expected at least one schedule and one job, and a seed that is not negative")
    began = time.perf_counter()
    found = sorted(verdicts(range(args.seed, args.seed + args.schedules), args.jobs), key=lambda one: one.seed)
    took = time.perf_counter() - began
    wrong, again = [one for one in found if one.problem], "python -m benchmarks simulation --schedules 1 --seed"
    names = sorted({one.search for one in found})
    return {
        "name": "simulation",
        "rows": [row(name, [one for one in found if one.search == name]) for name in names],
        "problems": [{"search": one.search, "problem": one.problem, "again": f"{again} {one.seed}"} for one in wrong],
        "schedules": len(found),
        "seconds": round(took, 1),
        f"seconds_for_{MANY}": round(took * MANY / len(found)),
        "goal": f"{MANY} in {GOAL_SECONDS:g} s on two cores, none with a problem",
        "failed": bool(wrong),
    }


def row(search: str, found: list[Verdict]) -> dict[str, Any]:
    """What the schedules of a search met."""
    ends = Counter(end for one in found for end in one.ends)
    return {
        "search": search,
        "schedules": len(found),
        **{end: ends[end] for end in (*ENDS, "fault of machines")},
        "troubles of workers": sum(len(one.troubles) for one in found),
        "problems": sum(bool(one.problem) for one in found),
    }
