"""Lines: the checks of a group, one after the other, each a line of JSON that is on the disk when the next begins."""

import argparse
import faulthandler
import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks._finite import finite
from benchmarks._gpu.place import Place
from zoo.training.device import prepare_process

Numbers = dict[str, Any]
"""What a check found, as JSON has it. ``wrong`` says why the check is not ok, ``note`` what was not tried."""

Check = tuple[str, Callable[[Place], Numbers]]
BEFORE_THE_KILL = 3.0  # seconds: where a group hangs is printed in time


def needs_cuda() -> Numbers:
    """What a check says that has nothing to do without a GPU."""
    return {"note": "needs CUDA"}


def judged(numbers: Numbers, reasons: Mapping[str, bool]) -> Numbers:
    """The numbers of a check with the reasons that hold against it."""
    wrong = [reason for reason, holds in reasons.items() if holds]
    return numbers | ({"wrong": "; ".join(wrong)} if wrong else {})


def within(numbers: Mapping[str, float], limit: float) -> dict[str, bool]:
    """A reason against every number that is above a limit, or no number."""
    return {f"{name} is {value:.3g}, above {limit:g}": not value <= limit for name, value in numbers.items()}


def main(checks: Sequence[Check], arguments: Sequence[str] | None = None) -> int:
    """Run the checks of a group; the exit code is 1 if one is not ok.

    An error ends its check and no other, unless it sticks to the device, which then ends them all.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=Path, required=True, help="file to append to")
    parser.add_argument("--group", type=int, default=0)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds until the group is killed")
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--data", type=Path)
    args = parser.parse_args(arguments)
    faulthandler.enable()
    faulthandler.dump_traceback_later(max(1.0, args.limit - BEFORE_THE_KILL))
    place = Place(device="cpu" if args.dry else "cuda", dry=args.dry, data=args.data)
    prepare_process(1)  # references on the CPU are small: threads would wait for one another
    if not place.dry and not torch.cuda.is_available():
        checks, place = [("device", _no_device)], replace(place, device="cpu")
    good = [_checked(name, work, place, args.lines, args.group) for name, work in checks]
    faulthandler.cancel_dump_traceback_later()
    return int(not all(good))


def _no_device(_: Place) -> Numbers:
    return {"wrong": f"torch {torch.__version__} sees no GPU, --dry needs none"}


def _checked(name: str, work: Callable[[Place], Numbers], place: Place, lines: Path, group: int) -> bool:
    """One check and its line; whether it is ok."""
    print(f"began {name}", file=sys.stderr, flush=True)  # the last words of a group that is killed
    began = time.perf_counter()
    line: dict[str, Any]
    try:
        numbers = work(place)
        place.wait()  # errors of kernels come late: they are this check's
        line = {"ok": not numbers.get("wrong"), "numbers": finite(numbers)}
    except Exception:
        line = {"ok": False, "traceback": traceback.format_exc()}
    seconds = round(time.perf_counter() - began, 2)
    _append(lines, {"group": group, "step": name, "ok": line["ok"], "seconds": seconds} | line)
    _tidy()
    return bool(line["ok"])


def _append(path: Path, line: Mapping[str, Any]) -> None:
    """A whole line at once, on the disk before anything else is tried."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, allow_nan=False, default=str) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _tidy() -> None:
    """Memory of a GPU that a check has taken is not the next one's."""
    if not torch.cuda.is_available():
        return
    gc.collect()
    try:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    except RuntimeError as error:  # the device is lost: the next check says so
        print(f"memory was not given back: {error}", file=sys.stderr, flush=True)
