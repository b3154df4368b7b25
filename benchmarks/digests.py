"""Whether runs of every kind are the same as with the code of an earlier commit: their digests, side by side.

Every kind is trained at a tiny size with the earlier code and with that of this checkout, on this machine and one
thread; then it is begun with the earlier code and continued with this checkout's, which must give the digest of the
undisturbed run. Where digests differ, the table names the fields that do and the versions of the strategy, if these say
so. The exit code is 1 where a digest differs and nothing says so. Commands are those of the earlier code.
"""

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._journals import named_difference
from benchmarks._trees import ROOT, Commands, Failed, commands_of, commit_copy, folder_copy

EARLIER = "d839494"
"""The commit before a run became a noun."""

TABLE = ROOT.parent / "shared" / "data" / "nas_bench_macro_cifar10.csv.gz"
SHOWN = 16  # hexadecimal digits of a digest in a row

DIGITS = "--data digits --device cpu --train 60 --val 40 --batch 20"
CELLS = f"{DIGITS} --channels 4 --cells 3"
BUILD = f"zoo build --setting c0r0s0e1 {CELLS}"
ECONAS = (
    f"econas search {CELLS} --setting c1r0s0e2 --stages 2 --start 4 --parents 2,1 --promotions 1 --final c0r0s0e2 "
    "--finalists 2 --final-batch 20"
)
DARTS = (
    f"darts search {DIGITS} --resolution 8 --channels 2 --layers 3 --nodes 5 --epochs 2 "
    "--operations skip_connect,avg_pool_3x3,conv_1x1 --final-layers 3 --final-channels 4 --arch-lr 0.02"
)
FRONT = "scarlet search --population 6 --generations 3 --group 4"
INHERITED = f"{FRONT} --supernet {{supernet}} --data digits --device cpu --train 60 --val 40"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of run.

    Attributes:
        name: of the run, and of its folder.
        steps: commands without their --out, one after the other in the same folder. ``{photos}`` and ``{table}`` in
            them are a folder of images and a published table, any other name the finished run of that kind.
        stop: time after which the only step of a run is stopped, to be continued by other code; where it is stopped
            depends on the machine, how it ends must not. Of several steps the last is that of the other code.
        needs: kind that has to be there first.
        today: options that today's command needs to be the same run, where its defaults have changed.
    """

    name: str
    steps: tuple[str, ...]
    stop: str = "0.1s"
    needs: str = ""
    today: str = ""


KINDS = (
    Kind(
        "study",
        tuple(
            f"zoo study --models {models} --settings 'c4r0s0e1 c4r4s1e1' --reference c0r0s0e1 {CELLS}"
            for models in (1, 2)
        ),
        today="--scores none",
    ),
    Kind("build", tuple(f"{BUILD} --models {models}" for models in (1, 3))),
    Kind("build-group", tuple(f"{BUILD} --models {models} --group 2" for models in (3, 5))),
    Kind("train-cell", (f"zoo train PC_DARTS {CELLS} --epochs 3 --auxiliary --path-dropout 0.2",)),
    Kind("train-chain", (f"zoo train SCARLET_A {DIGITS} --channels 4 --epochs 2",)),
    Kind(
        "train-streamed",
        (
            "zoo train PC_DARTS --stream --loaders 0 --data imagefolder:{photos} --resolution 8 --train 40 --val 16 "
            "--batch 20 --channels 2 --cells 3 --epochs 3 --device cpu",
        ),
    ),
    Kind(
        "econas",
        (f"{ECONAS} --cycles 3 --audit escalate --audits 1 --audit-share 0.8 --audit-limit 0.99",),
        stop="2s",
    ),
    Kind("econas-async", (f"{ECONAS} --cycles 2 --async",), stop=""),
    Kind("econas-random", (f"{ECONAS} --method random --budget 40",)),
    Kind("econas-evolution", (f"{ECONAS} --method evolution --budget 40",)),
    Kind("supernet", (f"scarlet train --space nas-bench-macro {DIGITS} --channels 4 --epochs 3",)),
    Kind("front-inherited", (INHERITED,), needs="supernet"),
    Kind("front-recalibrated", (f"{INHERITED} --recalibration 32",), needs="supernet"),
    Kind("front-table", (f"{FRONT} --table {{table}} --limit 'macs<=60e6'",), stop="0.01s"),
    Kind("darts-fixed", (DARTS,)),
    Kind("darts-stretchable", (f"{DARTS} --topology stretchable --update darts1 --every 2",)),
    Kind("darts-gumbel", (f"{DARTS} --sampler gumbel --update single",)),
    Kind("darts-retrain", (f"{DARTS} --update milenas2 --retrain 2 --retrain-epochs 1 --keep 1",)),
)

# ---------------------------------------------------------------- one run


@dataclass(frozen=True, slots=True)
class Side:
    """Some code, the folder of its runs, what all runs read, and the digests it has already found."""

    code: Commands
    folder: Path
    places: Mapping[str, Path]
    digests: dict[str, str] = field(default_factory=dict)

    def words(self, step: str, out: Path, more: str = "") -> list[str]:
        """A command with its paths, and more options."""
        places = {**self.places, **{name: self.folder / name for name in self.digests}}
        return [*(word.format(**places) for word in shlex.split(step)), *shlex.split(more), "--out", str(out)]


def digest(code: Commands, out: Path) -> str:
    """The digest of a run folder, as this code takes it."""
    found: str = json.loads(code.call(["run", "digest", str(out), "--json"]))["digest"]
    return found


def undisturbed(kind: Kind, side: Side, more: str = "") -> str:
    """The digest of a run that one code has made alone, with more options; made once."""
    if kind.name not in side.digests:
        if kind.needs:
            undisturbed(next(one for one in KINDS if one.name == kind.needs), side)
        out = side.folder / kind.name
        for step in kind.steps:
            side.code.call(side.words(step, out, more))
        side.digests[kind.name] = digest(side.code, out)
    return side.digests[kind.name]


def continued(kind: Kind, before: Side, after: Side, folder: Path) -> tuple[str, str]:
    """The digest of a run that one code began and the other ended, and how far it was between them."""
    out = folder / kind.name
    *begun, last = [before.words(step, out) for step in kind.steps]  # what it reads, too, is of the earlier code
    for words in begun or [[*last, *(["--time", kind.stop] if kind.stop else [])]]:
        before.code.call(words)
    done = json.loads(before.code.call(["run", "status", str(out), "--json"]))["done"]
    after.code.call([*last, *shlex.split(kind.today)])
    return digest(after.code, out), f"after {done} trial{'s' * (done != 1)}"


# ---------------------------------------------------------------- the comparison


def compared(kind: Kind, before: Side, after: Side, folder: Path) -> Iterator[dict[str, Any]]:
    """Two rows: this run made anew, and begun by the earlier code and continued."""
    try:
        old = undisturbed(kind, before)
    except Failed as failure:
        yield row(kind.name, "anew", f"failed: {failure}", "")
        return
    try:
        new = undisturbed(kind, after, kind.today)
    except Failed as failure:
        new = f"failed: {failure}"
    bumped = named_difference(before.folder / kind.name, after.folder / kind.name)
    yield row(kind.name, "anew", old, new, bumped)
    try:
        new, how = continued(kind, before, after, folder)
        named = named_difference(before.folder / kind.name, folder / kind.name)
    except Failed as failure:
        # A version that gives other numbers refuses the runs of the one before; their own code can end them.
        new, how, named = f"failed: {failure}", "continued", bumped if "strategy.version" in str(failure) else ""
    yield row(kind.name, how, old, new, named)


def row(kind: str, how: str, before: str, after: str, named: str = "") -> dict[str, Any]:
    """One comparison, with the name of a difference; a run that failed equals nothing."""
    equal = before == after and not before.startswith("failed")
    shown = [text if text.startswith("failed") else text[:SHOWN] for text in (before, after)]
    difference = "" if equal else named
    return {
        "kind": kind, "continued": how, "before": shown[0], "after": shown[1], "equal": equal, "difference": difference,
    }  # fmt: skip


def pictures(folder: Path) -> Path:
    """An image folder of two classes, 40 files of noise each, one brighter than the other."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("dark", "bright")):
        (folder / name).mkdir(parents=True)
        for index in range(40):
            pixels = rng.integers(0, 128, (8, 8, 3), dtype=np.uint8) + np.uint8(number * 100)
            Image.fromarray(pixels).save(folder / name / f"{index:02}.png")
    return folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = [kind.name for kind in KINDS]
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument("--commit", default=EARLIER, help="of this repository: the earlier code")
    earlier.add_argument("--tree", type=Path, help="a checkout with the earlier code instead")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="KIND", help=", ".join(names))


def run(args: argparse.Namespace) -> dict[str, Any]:
    """All rows.

    Raises:
        ValueError: for a commit or tree whose code cannot be run.
    """
    began = time.monotonic()
    kinds = [kind for kind in KINDS if kind.name in args.only]
    absent = [] if TABLE.exists() else [kind.name for kind in kinds if any("{table}" in step for step in kind.steps)]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name).resolve()
        places = {"photos": pictures(folder / "photos"), "table": TABLE}
        if args.tree is None:
            commit_copy(args.commit, folder / "trees" / "before")
        else:
            folder_copy(args.tree, folder / "trees" / "before")
        folder_copy(ROOT, folder / "trees" / "after")
        before, after = (
            Side(stack.enter_context(commands_of(folder / "trees" / side, folder / side)), folder / side, places)
            for side in ("before", "after")
        )
        for kind in kinds:
            if kind.name in absent:
                continue
            print(kind.name, file=sys.stderr)
            rows += compared(kind, before, after, folder / "continued")
    return {
        "name": "digests",
        "earlier": str(args.tree or args.commit),
        "left_out": f"{', '.join(absent)}: {TABLE} is not there" if absent else "nothing",
        "seconds": round(time.monotonic() - began, 1),
        "rows": rows,
        "failed": not all(row["equal"] or row["difference"] for row in rows),
    }
