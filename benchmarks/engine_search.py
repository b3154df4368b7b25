"""A whole search on images by the plain engine, the fast engine, and the fast engine with co-trained groups.

The same `thriftnas econas search` each time, in folders that are thrown away: same images, same cheap setting, same
budget in epochs, same retraining of the best. Rounding differs between engines, so the searches part ways and may end
with different networks; what is compared is how long as many network-epochs take. Wall-clock seconds of the command.
"""

import argparse
import json
import shlex
import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from zoo.cli import main
from zoo.population import Journal

OPTIONS = (
    "--train 1000 --val 500 --channels 16 --cells 5 --resolution 16 --batch 96 --setting c2r2s0e4 --stages 2 "
    "--start 8 --parents 4,4 --promotions 4 --generations 100 --budget 80 --reference c0r0s0e2 --finalists 1 "
    "--audit off"
)
"""The sizes of a search: 8 channels and 8 pixels, where the fast engine is used; the winner at 16 and 16."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--data", required=True, help="as in thriftnas econas search, e.g. imagefolder:DIR")
    parser.add_argument("--group", type=int, default=4, help="networks trained together in the last search")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--options", default=OPTIONS, help="sizes of a search, as on its command line")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """One row per way to train.

    Raises:
        ValueError: for a search that fails.
    """
    rows: list[dict[str, Any]] = []
    for engine, group in (("plain", 1), ("auto", 1), ("auto", args.group)):
        print(f"engine {engine}, group {group}", file=sys.stderr)
        rows.append({"engine": engine, "group": group, **searched(args, engine, group)})
        rows[-1]["times_faster"] = round(rows[0]["seconds"] / rows[-1]["seconds"], 2)
        rows[-1]["training_times_faster"] = round(rows[0]["training_seconds"] / rows[-1]["training_seconds"], 2)
    return {"name": "engine_search", "rows": rows, "data": args.data.partition(":")[0], "options": args.options}


def searched(args: argparse.Namespace, engine: str, group: int) -> dict[str, Any]:
    """A search from scratch: its seconds, what was trained, and its winner's accuracies."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        command = ["econas", "search", "--data", args.data, "--seed", str(args.seed), "--out", str(out)]
        command += [*shlex.split(args.options), "--engine", engine, "--group", str(group), "--json"]
        began = time.perf_counter()
        with redirect_stdout(StringIO()):
            code = main(command)
        seconds = time.perf_counter() - began
        if code:
            raise ValueError(f"the search with --engine {engine} --group {group} failed with exit code {code}")
        best = json.loads((out / "best.json").read_text())
        journal = Journal.open(out, readonly=True)
        frame = journal.frame()
        journal.close()
    cheap = frame[frame["role"] != "retrain"]
    return {
        "seconds": round(seconds, 1),
        "training_seconds": round(float(cheap["seconds"].sum()), 2),  # at the cheap setting
        "trials": len(frame),
        "networks": int(frame["key"].nunique()),
        "search_epochs": float(cheap["epochs_paid"].sum()),
        "validation": best["accuracy"],
        "test": best["test_accuracy"],
    }
