"""Accuracy of the network a search on images ends with: two searches or more, by method, signal and surrogate.

All arms have the same images, the same cheap setting, the same budget in epochs and the same retraining of the best;
every search is the command `thriftnas econas search`, which may be killed and run again. The winner is chosen by
validation accuracy, the test images are read once per search. An arm is a method, a
method and the signal it goes by, `hierarchical:train_loss`, or these and the surrogate: `hierarchical:accuracy:none` is
the paper's search. Before it begins it says which difference so many seeds would find.
"""

import argparse
import json
import math
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from zoo.cli import main
from zoo.population import Journal

OPTIONS = (
    "--train 2000 --val 1000 --channels 16 --cells 5 --resolution 16 --batch 96 --setting c2r2s0e6 --stages 3 "
    "--start 8 --parents 4,2,2 --promotions 4,2 --generations 100 --budget 700 --reference c0r0s0e10 --finalists 3 "
    "--group 4 --audit off"
)
"""The sizes of the searches: four minutes of one core each."""

SPREAD = 1.9
"""Standard deviation of the paired difference of two searches' test accuracy, in points, as six seeds gave it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--data", required=True, help="as in thriftnas econas search, e.g. imagefolder:DIR")
    parser.add_argument("--seeds", type=int, default=12, help="searches per arm (default 12)")
    parser.add_argument(
        "--arms", default="hierarchical,random", help="METHOD[:SIGNAL[:SURROGATE]], with commas; the first is compared"
    )
    parser.add_argument("--spread", type=float, default=SPREAD, help="expected spread of the paired differences")
    parser.add_argument("--options", default=OPTIONS, help="sizes of a search, as on its command line")
    parser.add_argument("--runs", type=Path, default=Path("runs/image_search"), help="folder of the searches")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """One row per search, then per arm, then the paired differences.

    Raises:
        ValueError: for fewer than two seeds, or a search that fails.
    """
    if args.seeds < 2:
        raise ValueError(f"a paired difference needs at least 2 seeds, got {args.seeds}")
    arms = args.arms.split(",")
    least = detectable(args.seeds, args.spread)
    print(f"{args.seeds} seeds find a difference of {least:.2f} points with a chance of 80 %", file=sys.stderr)
    # Seed by seed: a benchmark that is stopped early has pairs.
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in arms}
    for seed in range(args.seeds):
        for arm in arms:
            found[arm].append(searched(args, arm, seed))
    first, *others = arms
    rows = [{"arm": arm, **one} for arm in arms for one in found[arm]]
    rows += [summary(arm, found[arm]) for arm in arms]
    rows += [difference(measure, first, other, found) for other in others for measure in ("validation", "test")]
    options = {"data": args.data.partition(":")[0], "options": args.options, "detectable": round(least, 2)}
    return {"name": "image_search", "rows": rows, **options}


def detectable(seeds: int, spread: float) -> float:
    """Which mean difference a paired t-test at 5 % finds in 80 % of cases, for differences of this spread."""
    found, missed = (float(stats.t.ppf(chance, seeds - 1)) for chance in (0.975, 0.8))
    return (found + missed) * spread / math.sqrt(seeds)


def searched(args: argparse.Namespace, arm: str, seed: int) -> dict[str, Any]:
    """One search, or what it left where it is done: accuracies of its winner, and what was paid."""
    method, signal, surrogate = (*arm.split(":"), "", "")[:3]
    out = args.runs / f"{arm.replace(':', '-')}-{seed}"
    command = ["econas", "search", "--data", args.data, "--method", method, "--seed", str(seed), "--out", str(out)]
    command += [*(["--signal", signal] if signal else []), *(["--surrogate", surrogate] if surrogate else [])]
    print(f"{arm}, seed {seed}", file=sys.stderr)
    with redirect_stdout(StringIO()):
        code = main([*command, *shlex.split(args.options), "--json"])
    if code:
        raise ValueError(f"the search in {out} failed with exit code {code}")
    best = json.loads((out / "best.json").read_text())
    journal = Journal.open(out, readonly=True)
    frame = journal.frame()
    journal.close()
    return {
        "seed": seed,
        "validation": best["accuracy"],
        "test": best["test_accuracy"],
        "params": best["params"],
        "macs": best["macs"],
        "networks": int(frame["key"].nunique()),
        "search_epochs": float(frame.loc[frame["role"] != "retrain", "epochs_paid"].sum()),
        "seconds": round(float(frame["seconds"].sum()), 1),
    }


def summary(arm: str, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds."""
    mean = {name: float(np.mean([one[name] for one in runs])) for name in runs[0] if name != "seed"}
    return {"arm": arm, "mean_of": len(runs)} | {
        name: round(value, 4 if value < 1 else 1) for name, value in mean.items()
    }


def difference(measure: str, first: str, other: str, found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Mean paired difference in percentage points, with Student's 95 % interval over seeds."""
    gaps = 100 * np.array([a[measure] - b[measure] for a, b in zip(found[first], found[other], strict=True)])
    mean, error = float(gaps.mean()), float(stats.sem(gaps))
    low, high = stats.t.interval(0.95, len(gaps) - 1, mean, error) if error else (mean, mean)
    return {
        "difference": f"{first} - {other}, {measure}",
        "points": round(mean, 2),
        "low": round(float(low), 2),
        "high": round(float(high), 2),
        "each": ", ".join(f"{gap:+.2f}" for gap in gaps),
    }
