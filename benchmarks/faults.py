"""A campaign of real faults: commands that are killed, stopped, out of disk, with damaged files, until their runs end.

Nothing may be lost, measured twice or different: at its end every run has the digest of an undisturbed one. Kills, full
disks and damaged journals on searches of a table; kills, full disks, damaged weights and NaNs on small trainings. Where
weights were damaged their chain is trained again and pays for it, so that what was measured is compared. Lost workers
and nodes of Ray.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._faults.lives import Life, Run
from benchmarks._faults.process import prepare
from benchmarks._faults.tables import write_table
from zoo.purposes import FAULTS

ON_TABLES = ("kill", "kill", "terminate", "Ctrl-C", "stop", "full disk", "damaged journal")
ON_TRAININGS = ("kill", "kill", "terminate", "full disk", "damaged weights")
TABLE_RUN, TRAINING_RUN = 1000, 40  # trials of a run, about
CLOSER = 0.6
"""Times the even spacing lie faults apart: a run should meet its share before it ends."""
GOAL_SECONDS = 2400.0


def table_search(table: Path, trials: int, seed: int) -> list[str]:
    """A search of a table with about so many trials."""
    return [
        *("econas", "search", "--table", str(table), "--surrogate", "none", "--budget", str(50 * trials)),
        *("--seed", str(seed), "--method", ("hierarchical", "evolution", "random")[seed % 3], "--finalists", "2"),
    ]


def training_search(trials: int, seed: int) -> list[str]:
    """A search with trainings of a fraction of a second."""
    return [
        *("econas", "search", "--data", "digits", "--resolution", "8", "--channels", "4", "--cells", "3"),
        *("--train", "60", "--val", "60", "--batch", "20", "--setting", "c1r0s0e3", "--stages", "3", "--start", "6"),
        *("--parents", "4,2,2", "--promotions", "2,1", "--surrogate", "none", "--signal", "accuracy", "--audit", "off"),
        *("--budget", str(trials + 4), "--reference", "c0r0s0e2", "--finalists", "1", "--final-batch", "20"),
        *("--seed", str(seed)),
    ]


def campaign(runs: Sequence[list[str]], faults: int, kinds: Sequence[str], spacing: float, seed: int) -> list[Life]:
    """Take runs through their shares of the faults; what one has not met, the next ones do."""
    lives: list[Life] = []
    for number, arguments in enumerate(runs):
        left = faults - sum(sum(life.faults.values()) for life in lives)
        share = -(-left // (len(runs) - number))
        with tempfile.TemporaryDirectory() as folder:
            draw = np.random.default_rng((seed, number, len(kinds), FAULTS))
            lives.append(Run(arguments, Path(folder), kinds, spacing, draw).go(share))
    return lives


def on_ray(faults: int, trials: int, seed: int) -> Life:
    """A run on three nodes, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "benchmarks._faults.cluster", folder, *map(str, (seed, faults, trials))]
        done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        return Life(problems=[f"exit code {done.returncode}: {done.stderr[-300:]}"])
    found = json.loads(done.stdout.splitlines()[-1])
    return Life(Counter(found["faults"]), found["trials"], found["problems"], found["noticed"])


def row(what: str, lives: Sequence[Life], seconds: float) -> dict[str, Any]:
    """One line of the result."""
    met: Counter[str] = sum((life.faults for life in lives), Counter())
    return {
        "what": what,
        "runs": len(lives),
        "trials": sum(life.trials for life in lives),
        "faults": met.total(),
        "found lost": sum(life.noticed for life in lives),
        "met NaNs": sum(life.diverged for life in lives),
        "kinds": ", ".join(f"{name} {number}" for name, number in met.most_common()),
        "problems": sum(len(life.problems) for life in lives),
        "seconds": round(seconds, 1),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="of everything that goes wrong")
    parser.add_argument("--table-faults", type=int, default=900)
    parser.add_argument("--table-trials", type=int, default=10_000, help="in all")
    parser.add_argument("--training-faults", type=int, default=40)
    parser.add_argument("--training-trials", type=int, default=200, help="in all")
    parser.add_argument("--ray-faults", type=int, default=100, help="on three nodes of Ray; 0: none of it")
    parser.add_argument("--ray-trials", type=int, default=4000, help="a tenth of a second each")


def run(args: argparse.Namespace) -> dict[str, Any]:
    prepare()
    began, rows, lives = time.perf_counter(), [], []
    numbers = (
        args.table_faults,
        args.table_trials,
        args.training_faults,
        args.training_trials,
        args.ray_faults,
        args.ray_trials,
    )
    if min(*numbers, args.seed) < 0:
        raise ValueError("numbers of faults and trials, and the seed, must not be negative")

    def measured(what: str, found: list[Life], since: float) -> None:
        rows.append(row(what, found, time.perf_counter() - since))
        lives.extend(found)

    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "table.csv")
        write_table(table, args.seed)
        if args.table_faults:
            runs = [table_search(table, min(TABLE_RUN, args.table_trials), args.seed + i)
                    for i in range(max(1, args.table_trials // TABLE_RUN))]  # fmt: skip
            spacing, since = CLOSER * args.table_trials / args.table_faults, time.perf_counter()
            measured("tables", campaign(runs, args.table_faults, ON_TABLES, spacing, args.seed), since)
    if args.training_faults:
        runs = [training_search(min(TRAINING_RUN, args.training_trials), args.seed + i)
                for i in range(max(1, args.training_trials // TRAINING_RUN))]  # fmt: skip
        spacing, since = CLOSER * args.training_trials / args.training_faults, time.perf_counter()
        measured("trainings", campaign(runs, args.training_faults, ON_TRAININGS, spacing, args.seed), since)
    if args.ray_faults:
        since = time.perf_counter()
        measured("three nodes of Ray", [on_ray(args.ray_faults, args.ray_trials, args.seed)], since)
    problems = [{"problem": problem} for life in lives for problem in life.problems]
    return {
        "name": "faults",
        "rows": rows,
        "problems": problems,
        "seconds": round(time.perf_counter() - began, 1),
        "goal": f"no problem, under {GOAL_SECONDS:g} s",
        "failed": bool(problems),
    }
