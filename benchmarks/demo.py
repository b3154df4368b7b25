"""Whether the demo's answer is useful whatever the seed and the processor: its study, once per seed.

An answer is useful if it recommends a setting that is at least four times cheaper than the reference, in counted
multiply-accumulates, with a promised ρ of at least 0.5.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from zoo.experiments import Run

CHEAPER, PROMISED = 4.0, 0.5
NATIVE = "native"
"""The processor's own instructions; "default" are torch's kernels for any processor."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--seeds", type=int, default=12, help="demos with the processor's own instructions")
    parser.add_argument("--default-seeds", type=int, default=4, help="demos under ATEN_CPU_CAPABILITY=default")
    parser.add_argument("--options", default="", help="further options of the demo, in one argument")
    parser.add_argument("--runs", type=Path, default=Path("runs/demo-seeds"), help="folder of the studies")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """One row per demo; what is finished is not run again.

    Raises:
        ValueError: for no seed at all, or a demo that fails.
    """
    if min(args.seeds, args.default_seeds) < 0 or args.seeds + args.default_seeds == 0:
        raise ValueError(f"expected at least one seed, got {args.seeds} and {args.default_seeds}")
    wanted = [(NATIVE, seed) for seed in range(args.seeds)]
    wanted += [("default", seed) for seed in range(args.default_seeds)]
    rows = [demo(args, capability, seed) for capability, seed in wanted]
    useful = sum(row["useful"] for row in rows)
    return {"name": "demo", "rows": rows, "useful": f"{useful} of {len(rows)}", "failed": useful < len(rows)}


def demo(args: argparse.Namespace, capability: str, seed: int) -> dict[str, Any]:
    """One demo, begun or continued, and what it answers.

    Raises:
        ValueError: if it fails.
    """
    folder = args.runs / f"{capability}-{seed}"
    command = [sys.executable, "-m", "zoo.cli", "demo", "--seed", str(seed), "--out", str(folder), "--json"]
    environment = dict(os.environ)
    environment.pop("ATEN_CPU_CAPABILITY", None)
    if capability != NATIVE:
        environment["ATEN_CPU_CAPABILITY"] = capability
    print(f"{capability}, seed {seed}", file=sys.stderr)
    done = subprocess.run(
        [*command, *args.options.split()], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"the demo of seed {seed} failed: {done.stderr.strip().splitlines()[-1:]}")
    answer: dict[str, Any] = json.loads((folder / "recommendation.json").read_text(encoding="utf-8"))
    frame = Run(folder).records
    return {
        "processor": capability,
        "seed": seed,
        "recommended": answer["name"],
        "times_cheaper": answer["acceleration"],
        "spearman": answer["spearman"],
        "promised": answer["promised"],
        "ceiling": answer["ceiling"]["value"],
        "useful": answer["setting"] is not None
        and answer["acceleration"] >= CHEAPER
        and (answer["promised"] or 0) >= PROMISED,
        "worker_seconds": round(float(frame["seconds"].sum()), 1),
    }
