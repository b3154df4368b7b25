"""How far from the best of a table searches end, by method and budget in epochs.

Regret is the best full-training accuracy of the table minus that of the network a search finally chooses, in
percentage points. A method may use the accuracy of what it paid for and nothing else. The only full-training
accuracy the published tables have is a test accuracy, so here, and nowhere else, choices are made by one. A table may
also be planted: planted:useless:0 is one whose cheap ranking has nothing to do with the full one, with seed 0.
"""

import argparse
import gzip
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
from scipy import stats

from benchmarks import _search_methods, _sequential_peers
from benchmarks._optuna_peers import Training, installed, optimise, prefix
from benchmarks._planted import planted
from benchmarks._search_methods import ABLATIONS, BATCH, NEED_CHEAP, STRATEGIES
from zoo.population import Journal, Manager, SerialExecutor
from zoo.population.table import Table, read_table
from zoo.reliability.interval import resample
from zoo.spaces.genotype import ChainGenotype

PEERS = {"optuna_tpe": "tpe", "optuna_nsga2": "nsga2"}
SLOW = (*PEERS, "bananas", "bananas_cheap", *ABLATIONS)
SEEDS = ((3_000, 200, 50), (12_000, 60, 50), (math.inf, 20, 20))
"""Up to a budget so many seeds, and of slow methods so many."""
OURS = "econas"


@dataclass(frozen=True, slots=True)
class Found:
    """How a search ended: percentage points below the best, epochs paid, trials."""

    regret: float
    epochs: float
    trials: int


@dataclass(frozen=True, slots=True)
class Task:
    """One run: of a strategy to one budget, of Optuna to the largest, which tells all of them."""

    table: str
    columns: str | None
    method: str
    budgets: tuple[int, ...]
    seed: int


@cache
def table_of(name: str, columns: str | None) -> Table:
    """The table, read once a process."""
    if name.startswith("planted:"):
        kind, _, seed = name.removeprefix("planted:").partition(":")
        return planted(kind, int(seed or 0))
    return read_table(Path(name), columns)


# ---------------------------------------------------------------- one search


def found(table: Table, trained: Sequence[Training], trials: int) -> Found:
    """How a search ends for a user who knows its trainings and no more."""
    full = table.epochs[-1]
    choice = max(trained, key=lambda one: (one[1] == full, one[2]))[3]  # the first of equals
    return Found(100 * (table.best(full) - table.accuracies[choice][full]), trained[-1][0], trials)


def strategy_run(name: str, table: Table, budget: float, seed: int) -> Found:
    """One run of a strategy, through the manager, the journal in memory."""
    manager = Manager(STRATEGIES[name](table, budget, seed), Journal.memory({}), batch=BATCH.get(name, 1))
    manager.run(SerialExecutor(table))
    paid, trained = 0.0, list[Training]()
    for trial, record in zip(manager.trials, manager.records, strict=True):
        if not record.ok:
            raise RuntimeError(f"trial {record.index} failed: {record.reason}")
        paid += record.epochs_paid
        assert isinstance(trial.genotype, ChainGenotype)
        trained.append((paid, trial.stop, record.metrics["accuracy"], trial.genotype.choices))
    return found(table, trained, len(trained))


def ran(task: Task) -> list[Found]:
    """What a task found, budget by budget."""
    table = table_of(task.table, task.columns)
    if task.method not in PEERS:
        return [strategy_run(task.method, table, budget, task.seed) for budget in task.budgets]
    trained = optimise(PEERS[task.method], table, max(task.budgets), task.seed)
    parts = [prefix(trained, budget) for budget in task.budgets]
    return [found(table, part, sum(one[1] == table.epochs[0] for one in part)) for part in parts]


# ---------------------------------------------------------------- all of them


Runs = dict[tuple[str, int], dict[int, Found]]
"""By method and budget, by seed."""


def tasks(args: argparse.Namespace, methods: Sequence[str]) -> Iterator[Task]:
    """All runs, seed by seed, so that a benchmark that is stopped has some of every method."""
    table = str(args.table)
    for seed in range(args.seeds):
        for name in methods:
            wanted = tuple(b for b in args.budgets if seed < seeds(name, b, args))
            parts = [wanted] if name in PEERS else [(budget,) for budget in wanted]
            yield from (Task(table, args.columns, name, part, seed) for part in parts if part)


def seeds(method: str, budget: int, args: argparse.Namespace) -> int:
    """How many runs a method gets at a budget."""
    usual, slow = next((usual, slow) for most, usual, slow in SEEDS if budget <= most)
    if method in PEERS and budget > args.peer_budget:
        return 0
    return int(min(args.seeds, slow if method in SLOW else usual))


def all_runs(args: argparse.Namespace, methods: Sequence[str]) -> Runs:
    """Run what the file of results does not have yet; every result is written there as it comes."""
    known = {} if args.runs is None else read_runs(args.runs)
    code = code_hash()
    runs: Runs = {}
    todo = []
    for task in tasks(args, methods):
        keys = [key_of(task, one) for one in (code, *args.same_as)]
        if (key := next((key for key in keys if key in known), None)) is not None:
            note(runs, task, known[key])
        else:
            todo.append(task)
    with ProcessPoolExecutor(args.jobs) as pool:
        sent = {pool.submit(ran, task): task for task in todo}
        for number, future in enumerate(as_completed(sent), start=1):
            task, results = sent[future], future.result()
            note(runs, task, results)
            if args.runs is not None:
                with opened(args.runs, "at") as file:
                    file.write(
                        json.dumps({"key": key_of(task, code), "found": [asdict(one) for one in results]}) + "\n"
                    )
            if number % 100 == 0:
                print(f"{number} of {len(todo)} runs", file=sys.stderr)
    return runs


def opened(path: Path, mode: str) -> TextIO:
    """A file of results, compressed where its name says so."""
    return cast("TextIO", (gzip.open if path.suffix == ".gz" else open)(path, mode, encoding="utf-8"))


def read_runs(path: Path) -> dict[str, list[Found]]:
    """The results of a file by their keys; none where there is no such file."""
    if not path.exists():
        return {}
    with opened(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    return {row["key"]: [Found(**one) for one in row["found"]] for row in rows}


def note(runs: Runs, task: Task, results: Sequence[Found]) -> None:
    """Put what a task found where it belongs."""
    for budget, result in zip(task.budgets, results, strict=True):
        runs.setdefault((task.method, budget), {})[task.seed] = result


def key_of(task: Task, code: str) -> str:
    """What a result is kept under: another search, or another table, has none yet."""
    name = task.table if task.table.startswith("planted:") else table_of(task.table, task.columns).fingerprint[:12]
    return f"{name} {task.method} {','.join(map(str, task.budgets))} {task.seed} {code}"


def code_hash() -> str:
    """Of everything that decides what a search does."""
    root = Path(__file__).parents[1]
    sources = [*root.glob("econas/strategy/*.py"), *root.glob("zoo/surrogates/*.py"), *root.glob("zoo/spaces/*.py")]
    peers = [Path(str(module.__file__)) for module in (_search_methods, _sequential_peers)]
    digest = hashlib.sha256()
    for path in sorted([*sources, *peers]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


# ---------------------------------------------------------------- the benchmark


def row(method: str, budget: float, runs: Sequence[Found]) -> dict[str, Any]:
    """Mean regret with its 95 % percentile bootstrap interval over seeds."""
    low, high = interval(np.array([run.regret for run in runs]))
    return {
        "method": method,
        "budget": budget,
        "regret_mean": round(float(np.mean([run.regret for run in runs])), 4),
        "regret_low": low,
        "regret_high": high,
        "seeds": len(runs),
        "epochs_paid": round(float(np.mean([run.epochs for run in runs])), 1),
        "trials": round(float(np.mean([run.trials for run in runs])), 1),
    }


def interval(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean."""
    means = resample(len(values), np.random.default_rng(0)) @ values / len(values)
    low, high = np.quantile(means, (0.025, 0.975))
    return round(float(low), 4), round(float(high), 4)


def differences(runs: Runs, methods: Sequence[str], budgets: Sequence[int]) -> list[dict[str, Any]]:
    """Every method against ours on the same seeds: mean regret less ours, and whether it is better by Holm's rule.

    p is that of Wilcoxon's signed-rank test, two-sided; Holm's rule is over the budgets of one method.
    """
    rows: list[dict[str, Any]] = []
    for method in methods:
        compared = []
        for budget in budgets:
            ours, theirs = runs.get((OURS, budget), {}), runs.get((method, budget), {})
            shared = sorted(ours.keys() & theirs.keys())
            if method == OURS or len(shared) < 2:
                continue
            gaps = np.array([theirs[seed].regret - ours[seed].regret for seed in shared])
            p = float(stats.wilcoxon(gaps, method="approx").pvalue) if gaps.any() else 1.0
            low, high = interval(gaps)
            mean = round(float(gaps.mean()), 4)
            one: dict[str, Any] = {"method": method, "budget": budget, "less_ours": mean, "low": low, "high": high}
            one["seeds"] = len(gaps)
            compared.append((p, one))
        adjusted = 0.0
        for place, (p, one) in enumerate(sorted(compared, key=lambda pair: pair[0])):
            adjusted = max(adjusted, min(1.0, p * (len(compared) - place)))
            one["p_holm"], one["better_than_ours"] = round(adjusted, 4), adjusted < 0.05 and bool(one["high"] < 0)
        rows += [one for _, one in compared]
    return rows


def numbers(text: str) -> list[int]:
    """Positive whole numbers separated by commas."""
    values = [int(part) for part in text.split(",")]
    if min(values) < 1:
        raise ValueError
    return sorted(set(values))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    every = [*STRATEGIES, *PEERS]
    parser.add_argument(
        "--table",
        required=True,
        help="CSV of NAS-Bench-201, NAS-Bench-Macro or NATS-Bench's sizes, or planted:KIND:SEED",
    )
    parser.add_argument("--columns", help="of its accuracies: cheap=NAME@12,full=NAME@200")
    parser.add_argument("--seeds", type=int, default=200, help="at most; 60 above 3,000 epochs, 20 above 12,000")
    parser.add_argument("--budgets", type=numbers, default=[1500, 3000], help="in epochs, separated by commas")
    parser.add_argument("--methods", nargs="+", choices=every, metavar="METHOD", help=f"of {', '.join(every)}")
    parser.add_argument("--peer-budget", type=int, default=12_000, help="largest budget for Optuna")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--runs", type=Path, help="file of results (.jsonl, .jsonl.gz): what it has is not run again")
    parser.add_argument(
        "--same-as",
        nargs="*",
        default=[],
        metavar="CODE",
        help="codes of results that count as this one's, from which it differs in nothing that a search does",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All rows, and notes on what was left out.

    Raises:
        ValueError: for a table that cannot be read, a method it has no trainings for, or too small a budget.
    """
    if min(args.seeds, args.jobs) < 1:
        raise ValueError(f"expected at least 1 seed and 1 job, got {min(args.seeds, args.jobs)}")
    table = table_of(str(args.table), args.columns)
    cheap_too = len(table.epochs) > 1
    methods = args.methods or [name for name in (*STRATEGIES, *PEERS) if cheap_too or name not in NEED_CHEAP]
    for name in methods:
        if name in NEED_CHEAP and not cheap_too:
            raise ValueError(f"{name} needs a cheaper training than the table's only one of {table.epochs[0]} epochs")
    if args.budgets[0] < table.epochs[0]:
        raise ValueError(f"a budget of {args.budgets[0]} epochs pays no training of {table.epochs[0]}")
    left_out = [name for name in methods if name in PEERS and not installed()]
    methods = [name for name in methods if name not in left_out]
    runs = all_runs(args, methods)
    return {
        "name": "search_quality",
        "table": Path(args.table).name,
        "columns": args.columns,
        "trainings": ", ".join(f"{epochs} epochs" for epochs in table.epochs),
        "best": round(100 * table.best(table.epochs[-1]), 3),
        "regret": "percentage points of full-training accuracy, on published tables of test accuracy, the only one "
        "there is; means over seeds, 95 % percentile bootstrap",
        "charged": "every training pays all its epochs: a promotion, retraining or trial that is not pruned pays "
        "the full schedule on top of the cheap one",
        "code": code_hash(),
        "notes": "; ".join(
            [f"{name} left out: optuna is not installed" for name in left_out]
            + [f"results of code {one} count as this one's" for one in args.same_as]
        ),
        "rows": [row(*key, [by_seed[seed] for seed in sorted(by_seed)]) for key, by_seed in ordered(runs, methods)],
        "differences": differences(runs, methods, args.budgets),
    }


def ordered(runs: Runs, methods: Sequence[str]) -> list[tuple[tuple[str, int], dict[int, Found]]]:
    """By method, then budget."""
    return sorted(runs.items(), key=lambda item: (methods.index(item[0][0]), item[0][1]))
