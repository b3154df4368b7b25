"""Whether the demo's answer is useful whatever the seed and the processor: its study, once per seed.

An answer is useful if it recommends a setting that is at least four times cheaper than the reference, in counted
multiply-accumulates, with a promised ρ of at least 0.5. The study that the demo was before runs once beside, for what
both cost in processor seconds.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from zoo.experiments import Run

CHEAPER, PROMISED = 4.0, 0.5
NATIVE, PORTABLE = "native", "default"
"""The processor's own instructions, and torch's kernels for any processor."""
PAID = "processor_seconds.json"
BEFORE = [
    *("zoo", "study", "--data", "digits", "--space", "econas-zoo", "--setting", "c2r0s0e{3,4,6} c4r0s0e{4,6} c0r2s0e6"),
    *(
        "--reference",
        "c0r0s0e6",
        "--repeats",
        "3",
        "--target",
        "0.5",
        "--models",
        "32",
        "--train",
        "400",
        "--val",
        "900",
    ),
    *("--resolution", "8", "--channels", "8", "--cells", "5", "--batch", "24", "--group", "4"),
]
"""The study that the demo was until it became of use on every seed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--seeds", type=int, default=12, help="demos with the processor's own instructions")
    parser.add_argument("--default-seeds", type=int, default=4, help="demos under ATEN_CPU_CAPABILITY=default")
    parser.add_argument("--options", default="", help="further options of the demo, in one argument")
    parser.add_argument("--runs", type=Path, default=Path("runs/demo-answers"), help="folder of the studies")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """One row per demo, and one for the study it was before; what is finished is not run again.

    Raises:
        ValueError: for no seed at all, or a demo that fails.
    """
    if min(args.seeds, args.default_seeds) < 0 or args.seeds + args.default_seeds == 0:
        raise ValueError(f"expected at least one seed, got {args.seeds} and {args.default_seeds}")
    wanted = [(NATIVE, seed) for seed in range(args.seeds)]
    wanted += [(PORTABLE, seed) for seed in range(args.default_seeds)]
    before = study("before", BEFORE, NATIVE, 0, args)
    rows = [study("demo", ["demo"], capability, seed, args) for capability, seed in wanted]
    useful = sum(row["useful"] for row in rows)
    return {
        "name": "demo",
        "rows": [before, *rows],
        "useful": f"{useful} of {len(rows)}",
        "failed": useful < len(rows),
    }


def study(what: str, words: list[str], capability: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """One study, begun or continued, what it answers and what it cost.

    Raises:
        ValueError: if it fails.
    """
    folder = args.runs / f"{what}-{capability}-{seed}"
    command = [sys.executable, "-m", "zoo.cli", *words, "--seed", str(seed), "--out", str(folder), "--json"]
    environment = dict(os.environ)
    environment.pop("ATEN_CPU_CAPABILITY", None)
    if capability != NATIVE:
        environment["ATEN_CPU_CAPABILITY"] = capability
    if not (folder / "recommendation.json").exists():
        print(f"{what}, {capability}, seed {seed}", file=sys.stderr)
        began, whole = children_seconds(), not folder.exists()
        done = subprocess.run(
            [*command, *args.options.split()], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ValueError(f"{what} of seed {seed} failed: {done.stderr.strip().splitlines()[-1:]}")
        if whole:  # nobody knows what a study that was killed had cost
            (folder / PAID).write_text(json.dumps(round(children_seconds() - began, 1)))
    answer: dict[str, Any] = json.loads((folder / "recommendation.json").read_text(encoding="utf-8"))
    paid = json.loads((folder / PAID).read_text()) if (folder / PAID).exists() else None
    return {
        "what": what,
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
        "worker_seconds": round(float(Run(folder).records["seconds"].sum()), 1),
        "processor_seconds": paid,
    }


def children_seconds() -> float:
    """Processor seconds of all subprocesses that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
