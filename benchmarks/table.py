"""Every claim about speed in one run and one table: what, how many times faster, the goal, met or missed.

The other benchmarks one after the other, each in a fresh process, at sizes for two cores and a quarter of an hour; the
commands with their sizes stand below the table. Five pairs of every comparison at least. ``--set NAME OPTIONS`` gives
other sizes. A benchmark that fails is a row that says so.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import benchmarks

Row = dict[str, Any]

SAME = 1e-5
"""Relative difference of losses up to which two ways compute the same."""
JOB = 10_000.0
"""Milliseconds of the jobs that the manager's own time is compared with."""
KINDS = ("dtype", "batch", "pixels", "space", "sampling")
"""What tells the rows of one benchmark apart."""


@dataclass(frozen=True, slots=True)
class Part:
    """A benchmark at a size, and how its rows become the table's.

    Attributes:
        name: of the part; it begins the names of its rows.
        command: the benchmark and its options.
        read: rows of the table from the benchmark's result.
    """

    name: str
    command: str
    read: Callable[[str, Row], Iterator[Row]]


def row(
    name: str,
    goal: str,
    result: str,
    *,
    ratio: float | None = None,
    interval: Sequence[float] | None = None,
    median: float | None = None,
    other: float | None = None,
    unit: str = "s",
) -> Row:
    """A row of the table: a ratio with its interval, medians of both sides in ``unit``; None is what there is not."""
    return {
        "name": name, "ratio": ratio, "interval": None if interval is None else list(interval), "median": median,
        "median_of_the_other": other, "unit": unit, "goal": goal, "result": result,
    }  # fmt: skip


def judged(reached: bool, same: bool = True) -> str:
    """Met or missed; a fast way to other numbers is neither."""
    return ("met" if reached else "missed") if same else "wrong: not the same numbers"


def comparisons(name: str, result: Row) -> Iterator[Row]:
    """Rows of :func:`benchmarks._pairs.compared` and :func:`benchmarks._pairs.share`."""
    for one in result["rows"]:
        which = [f"{key} {one[key]}" for key in KINDS if key in one]
        yield row(
            f"{name}: {', '.join([*which, one['what']])}",
            f"≤ {one['limit']:g}" if "limit" in one else f"≥ {one['goal']:g}",
            judged(one["reached"], one.get("loss_gap", 0.0) <= SAME),
            ratio=one["ratio"],
            interval=(one["low"], one["high"]),
            median=one["median_seconds"],
            other=one["median_seconds_of_the_other"],
        )


def costs(name: str, result: Row) -> Iterator[Row]:
    """The slowest space, alone and in a population."""
    same = all(one["agree"] for one in result["rows"])
    for what, key, goal in (
        ("a genotype alone", "us_alone", "goal"),
        ("in a population", "us_in_a_population", "goal_there"),
    ):
        slowest = max(result["rows"], key=lambda one: one[key])
        yield row(
            f"{name}: {what}, slowest space ({slowest['space']})",
            f"≤ {slowest[goal]:g}",
            judged(slowest[key] <= slowest[goal], same),
            median=slowest[key],
            unit="µs",
        )


def darts_steps(name: str, result: Row) -> Iterator[Row]:
    """Steps of both orders."""
    for one in result["rows"]:
        yield row(
            f"{name}: order {one['order']}, ours against plain",
            "≥ 2",
            judged(one["times_faster"] >= 2, one["difference_float64"] <= SAME),
            ratio=one["times_faster"],
            interval=(one["low"], one["high"]),
            median=one["seconds_ours"],
            other=one["seconds_plain"],
        )


def managers(name: str, result: Row) -> Iterator[Row]:
    """Milliseconds of every way to run trials, and the slowest beside jobs of 10 s."""
    for one in result["rows"]:
        what = f"{name}: {one['what']}, {one['workers']} worker{'s' * (one['workers'] > 1)}"
        yield row(what, f"≤ {one['goal']:g}", judged(one["reached"]), median=one["ms_per_trial"], unit="ms")
    slowest = max(one["ms_per_trial"] for one in result["rows"])
    yield row(
        f"{name}: the slowest, share of 10 s jobs", "≤ 0.01", judged(slowest / JOB <= 0.01), ratio=slowest / JOB,
        median=slowest, other=JOB, unit="ms",
    )  # fmt: skip


def on_gpu(name: str, result: Row) -> Iterator[Row]:
    """The best way to train the resident networks, if there is a GPU."""
    epochs = [one for one in result["rows"] if "seconds_per_network_epoch" in one]
    if not epochs:
        yield row(f"{name}: a network-epoch", "≤ 0.2", "not measured")
        return
    best = min(epochs, key=lambda one: one["seconds_per_network_epoch"])
    seconds = best["seconds_per_network_epoch"]
    what = f"{name}: a network-epoch, {best['what']}, {best.get('dtype', 'float32')}"
    yield row(what, f"≤ {best['limit']:g}", judged(seconds <= best["limit"]), median=seconds)


PARTS = (
    Part("proxy_epoch", "proxy_epoch --train 768 --val 192 --networks 4 --rounds 5", comparisons),
    Part(
        "population",
        "population --places 2x1x1 --dtypes float32 --networks 4 --plain 4 --passes 2 --train 768 --val 192 --rounds 5",
        comparisons,
    ),
    Part("cotrain", "cotrain --group 8 --batches 384 --train 768 --val 64 --rounds 5", comparisons),
    Part("cotrain_small", "cotrain --group 8 --batches 96 --train 384 --val 64 --rounds 5", comparisons),
    Part("data", "data --images 2048 --networks 4 --rounds 5", comparisons),
    Part("cost", "cost --genotypes 200 --counted 2", costs),
    Part(
        "supernet_step",
        "supernet_step --spaces scarlet-s1-cifar --samplings uniform --batch 64 --steps 1 --rounds 5",
        comparisons,
    ),
    Part(
        "supernet_fair",
        "supernet_step --spaces scarlet-s1-cifar --samplings fair --batch 32 --rounds 5",
        comparisons,
    ),
    Part("darts_step", "darts_step --orders 1 --repeats 5", darts_steps),
    Part("manager", "manager --trials 1000 --repeats 5", managers),
    Part("gpu", "population --device cuda", on_gpu),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = [part.name for part in PARTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="parts of the table")
    parser.add_argument(
        "--set", nargs=2, action="append", default=[], metavar=("PART", "OPTIONS"),
        help="other sizes of a part, such as cotrain '--train 96 --rounds 1'; the rest as the benchmark has it",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=15.0, help="in all; what does not end in time has failed")


def run(args: argparse.Namespace) -> Row:
    """All parts, one after the other.

    Raises:
        ValueError: for sizes of a part that there is not.
    """
    sizes = dict(args.set)
    unknown = sorted(sizes.keys() - {part.name for part in PARTS})
    if unknown:
        raise ValueError(f"expected parts such as {PARTS[0].name} to be set, got {', '.join(unknown)}")
    rows: list[Row] = []
    commands: list[Row] = []
    ends, load = time.monotonic() + 60 * args.minutes, os.getloadavg()[0]
    for part in PARTS:
        if part.name not in args.only:
            continue
        benchmark, *options = shlex.split(part.command)
        options = shlex.split(sizes[part.name]) if part.name in sizes else options
        command = shlex.join([benchmark, *options])
        print(f"python -m benchmarks {command}", file=sys.stderr)
        began = time.monotonic()
        rows += filled(part, *measured(benchmark, options, ends - began))
        commands.append({"command": command, "seconds": round(time.monotonic() - began, 1)})
    return {
        "name": "table",
        "rows": rows,
        "commands": commands,
        "seconds": round(sum(one["seconds"] for one in commands), 1),
        "load_before": round(load, 2),  # of other programs: on a quiet machine nearly 0
    }


def filled(part: Part, result: Row | None, reason: str) -> list[Row]:
    """The rows of a part, or one that says why there are none."""
    if result is None:
        return [row(part.name, "-", f"failed: {reason}")]
    try:
        return list(part.read(part.name, result))
    except KeyError as error:  # the benchmark is no longer what this file takes it for
        return [row(part.name, "-", f"failed: its result has no {error}")]


def measured(benchmark: str, options: Sequence[str], seconds: float) -> tuple[Row | None, str]:
    """What a benchmark wrote in a process of its own, or None and why there is nothing."""
    if seconds <= 0:
        return None, "no time was left"
    with tempfile.TemporaryDirectory() as folder:
        written, said = Path(folder, "result.json"), Path(folder, "stderr")
        command = [sys.executable, "-m", "benchmarks", benchmark, *options, "--json", str(written)]
        with said.open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=Path(benchmarks.__path__[0]).parent, stdout=subprocess.DEVNULL, stderr=stream
            )
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
                return None, f"no result after {seconds:.0f} s"
            finally:
                end(process)
        if code:
            last = said.read_text(encoding="utf-8", errors="replace").split("\n")
            lines = [line.strip() for line in last if line.strip()]
            return None, lines[-1].removeprefix("error: ")[:200] if lines else f"exit code {code}"
        result: Row = json.loads(written.read_text(encoding="utf-8"))
        return result, ""


def end(process: "subprocess.Popen[bytes]") -> None:
    """Wait until a benchmark that was interrupted has put its workers away; after 10 s it is killed."""
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
