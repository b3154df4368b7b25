"""Everything that runs on a GPU, checked and timed in one go, the most valuable first; ``--dry`` tries it on a CPU.

Every group of checks is a process of its own with a limit of its own: an error that sticks to CUDA, a crash or a hang
costs that group only. Dry, where nothing sticks, one process runs them all. Each check appends one JSON line to a file
as it ends, so that nothing measured is lost by a kill. No torch is imported here.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.files import write_json

ROOT = Path(__file__).parents[1]
POLL, LAST_WORDS = 0.1, 2000  # seconds between looks at a group; characters kept of what a dead group said
STARTING = 15.0  # seconds a process may take to import torch and to find the device
DRY_LIMIT = 150.0  # seconds of a group on a CPU, on average
CELL = 110  # characters of a check's numbers in the table

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """A group of checks.

    Attributes:
        number: by which it is asked for.
        module: what ``python -m`` runs.
        seconds: it is expected to take on a GPU.
        what: it checks or times.
    """

    number: int
    module: str
    seconds: float
    what: str


GROUPS = tuple(
    Group(number, f"benchmarks._gpu.{name}", seconds, what)
    for number, name, seconds, what in (
        (0, "ceilings", 20.0, "versions, ceilings of the device, imports"),
        (1, "correctness", 45.0, "programs in float64 against modules on the CPU"),
        (2, "losses", 25.0, "captured against eager at full size, float32 and bfloat16"),
        (3, "speed", 90.0, "seconds of a network-epoch, memory, what else it costs"),
        (4, "replay", 25.0, "the kernels of a replay and the gaps between them"),
        (5, "differentiable", 52.0, "differentiable search: gradients, ms a step, waits"),
        (6, "supernet", 50.0, "SCARLET: steps, sub-networks, recalibration"),
        (7, "search", 50.0, "EcoNAS's trainings by the evaluator, resumed, and with little memory"),
        (8, "kernels", 40.0, "single kernels: normalisation, depthwise, split-K, Triton"),
    )
)
ORDER = (0, 1, 3, 4, 2, 5, 6, 7, 8)
"""The most valuable first."""


class Numbers(dict[str, Any]):
    """What a check found: one short line in a table, everything in JSON."""

    def __str__(self) -> str:
        for name in ("traceback", "wrong", "note"):
            if name in self:
                return str(self[name]).strip().rpartition("\n")[2][:CELL]
        scalars = {k: v for k, v in self.items() if isinstance(v, str | int | float)}
        text = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in scalars.items())
        return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--budget", type=float, default=400.0, help="seconds for all groups together")
    parser.add_argument("--dry", action="store_true", help="tiny sizes on the CPU: does everything run?")
    parser.add_argument("--data", type=Path, help="images.npz of `make gpu-bundle`, or its folder; else invented ones")
    parser.add_argument(
        "--groups", type=int, nargs="+", choices=sorted(ORDER), default=list(ORDER), metavar="N", help="in this order"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run the groups, one after the other.

    Raises:
        ValueError: for a budget that is not positive, or images that are not there.
    """
    if not args.budget > 0:
        raise ValueError(f"the budget must be a positive number of seconds, got {args.budget:g}")
    if args.data is not None and not args.data.exists():
        raise ValueError(f"{args.data} does not exist, expected images.npz of `make gpu-bundle`, or its folder")
    out: Path | None = getattr(args, "json", None)
    lines = out.absolute().with_suffix(".jsonl") if out else Path(tempfile.mkdtemp(prefix="gpu-")) / "lines.jsonl"
    lines.unlink(missing_ok=True)  # of a run before this one
    known = {group.number: group for group in GROUPS}
    runner = Runner(lines=lines, budget=args.budget, dry=args.dry, data=args.data)
    groups = [known[number] for number in dict.fromkeys(args.groups)]
    for some in [groups] if args.dry else [[group] for group in groups]:
        runner.run(*some)
        if out is not None:  # what was measured is there, whatever happens to the process
            write_json(out, runner.result())
    return runner.result()


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs groups within a budget and keeps what they found.

    Attributes:
        lines: where every check appends its line; survives this process.
        budget: seconds for all groups together.
        dry: on a CPU, at tiny sizes.
        data: images, or None.
        rows: one a check; of a group that died or was skipped one that says so.
    """

    lines: Path
    budget: float
    dry: bool = False
    data: Path | None = None
    rows: list[Row] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _read: int = 0  # bytes of the lines

    def result(self) -> dict[str, Any]:
        """The result so far, as benchmarks give it."""
        ran = [row for row in self.rows if row["ok"] is not None]
        return {
            "name": "gpu",
            "rows": list(self.rows),
            "checks": len(ran),
            "not_ok": sum(not row["ok"] for row in ran),
            "skipped_groups": len(self.rows) - len(ran),
            "seconds": round(self._spent(), 1),
            "budget": self.budget,
            "dry": self.dry,
            "images": "real" if self.data else "invented",
            "lines": str(self.lines),
            "failed": not all(row["ok"] for row in ran),
        }

    def run(self, *groups: Group) -> None:
        """Run groups in one process, or note that too little is left of the budget for them."""
        left, seconds = self.budget - self._spent(), sum(group.seconds for group in groups)
        # Half a group is worth more than none: the checks that ended are kept.
        needed = 0.0 if self.dry else seconds / 2
        if left <= needed:
            for group in groups:
                note = f"{max(0.0, left):.0f} s are left of the budget, it takes {group.seconds:.0f} s: {group.what}"
                self._add({"step": "skipped", "ok": None, "seconds": 0.0, "numbers": {"note": note}}, group, True)
            return
        limit = min(left, DRY_LIMIT * len(groups) if self.dry else STARTING + 2 * seconds)
        names = ", ".join(f"{group.number} ({group.what})" for group in groups)
        self._say(f"group {names}: at most {limit:.0f} s")
        began, seen = time.monotonic(), dict.fromkeys(groups, 0)
        with tempfile.TemporaryFile() as words:
            ending = "was interrupted"
            process = self._start(groups, limit, words)
            try:
                for code in _watched(process, began + limit):
                    self._take(seen)
                    ending = f"did not end within {limit:.0f} s" if code is None else f"ended with code {code}"
            finally:
                left_over = not _killed(process)
                self._take(seen)
                if left_over:
                    ending += ", could not be killed"
                # groups are in order: the first without a check is the one that died, or else the last of all
                silent = next((group for group in groups if not seen[group]), None)
                if ending not in ("ended with code 0", "ended with code 1") or silent:
                    row = {"step": "process", "ok": False, "seconds": round(time.monotonic() - began, 2)}
                    numbers = {"wrong": f"the group {ending}", "said": _tail(words)}
                    self._add(row | {"numbers": numbers}, silent or groups[-1], True)

    def _start(self, groups: Sequence[Group], limit: float, words: Any) -> subprocess.Popen[bytes]:
        numbers = [str(group.number) for group in groups]
        which = ["benchmarks._gpu.dry", "--groups"] if len(groups) > 1 else [groups[0].module, "--group"]
        command = [sys.executable, "-m", *which, *numbers, "--lines", str(self.lines), "--limit", f"{limit:.1f}"]
        command += ["--dry"] if self.dry else []
        command += ["--data", str(self.data.absolute())] if self.data else []
        # a session of its own: a kill reaches whatever it has started
        return subprocess.Popen(command, stdout=words, stderr=words, cwd=ROOT, start_new_session=True)

    def _take(self, seen: dict[Group, int]) -> None:
        """Note the new lines of groups, of which so many have been noted."""
        size = self.lines.stat().st_size if self.lines.exists() else 0
        if size == self._read:  # as at most looks
            return
        self._read, lines = size, read_lines(self.lines)
        for group, count in seen.items():
            found = [line for line in lines if line["group"] == group.number][count:]
            for line in found:
                numbers = line["numbers"] if "numbers" in line else {"traceback": line.get("traceback", "")}
                self._add({name: line[name] for name in ("step", "ok", "seconds")} | {"numbers": numbers}, group)
            seen[group] += len(found)

    def _add(self, row: Row, group: Group, append: bool = False) -> None:
        if append:  # what a group cannot say of itself is in its file, too
            with self.lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"group": group.number} | row) + "\n")
        self.rows.append({"group": group.number, **row, "numbers": Numbers(row["numbers"])})
        said = {True: "ok", False: "NOT OK", None: ""}[row["ok"]]
        self._say(f"  {row['step']}: {said} {row['seconds']:.1f} s  {self.rows[-1]['numbers']}")

    def _spent(self) -> float:
        return time.monotonic() - self._began

    def _say(self, text: str) -> None:
        print(f"[{self._spent():5.0f} s] {text}", file=sys.stderr, flush=True)


def read_lines(path: Path) -> list[Row]:
    """The whole lines of a file that may be growing, or may end in half a line; none where there is no file."""
    found: list[Row] = []
    with suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(json.JSONDecodeError):
                found.append(json.loads(line))
    return found


def _watched(process: subprocess.Popen[bytes], until: float) -> Iterator[int | None]:
    """None for every look at a process that runs, then its exit code where it ends in time."""
    while time.monotonic() < until:
        code = process.poll()
        yield code
        if code is not None:
            return
        time.sleep(POLL)


def _killed(process: subprocess.Popen[bytes]) -> bool:
    """End a process and all it has started; whether it is gone, which a driver may prevent."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        return False
    return True


def _tail(file: Any) -> str:
    """The end of what a process said."""
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - LAST_WORDS))
    return str(file.read().decode(errors="replace"))
