"""The two decisive kernels of a grouped engine in Triton: right in its interpreter, and what a compiler makes of them.

Compiled for an H100 or H200 (sm_90) without one: registers of a thread, bytes spilled, shared memory, and the share of
a processor's 64 warps that registers leave room for. No Triton is a dependency: without it nothing is done.
"""

import argparse
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._gpu.group_case import TERMS

ROOT = Path(__file__).parents[1]
EXACTLY, RESULTS = 1e-5, ("out", "sums", "inner", "below", "weights")
MAPS = ((9, 8), (18, 4), (36, 2))
"""Channels and pixels a side of c4r4."""

ARCH, REGISTERS, PIECE, WARP, MOST_WARPS = 90, 65_536, 256, 32, 64
NUMBERS, INDICES = ("channels", "pixels", "images"), ("table",)
EXACT = ("scale", "shift", "sums", "gain", "slope", "bias", "products")
"""Arguments in float32; all other tensors are bfloat16."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--maps", type=int, nargs="+", choices=range(len(MAPS)), default=[0, 1, 2], help="which of c4r4"
    )
    parser.add_argument("--images", type=int, default=20, help="in the interpreter")
    parser.add_argument("--warps", type=int, nargs="+", choices=(4, 8), default=[8, 4], help="of a program")
    parser.add_argument("--no-compiler", action="store_true", help="the interpreter alone")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if importlib.util.find_spec("triton") is None:
        return {"name": "triton_kernels", "rows": [], "note": "triton is not installed: nothing was compiled"}
    shapes = [MAPS[number] for number in args.maps]
    compiled = [] if args.no_compiler else [
        report(kernel, *shape, warps) for kernel in ("forward", "backward") for shape in shapes for warps in args.warps
    ]  # fmt: skip
    rows = interpreted(shapes, args.images)
    failed = any(not row[name] <= EXACTLY for row in rows for name in RESULTS)
    return {"name": "triton_kernels", "rows": rows, "compiled": compiled, "failed": failed}


def interpreted(shapes: Sequence[tuple[int, int]], images: int) -> list[dict[str, Any]]:
    """Differences from modules, in a process whose Triton interprets.

    Raises:
        ValueError: with the last it said, if it fails.
    """
    numbers = [str(number) for shape in shapes for number in shape]
    command = [sys.executable, "-m", "benchmarks._gpu.interpreted", str(images), *numbers]
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | {"TRITON_INTERPRET": "1"}, check=False
    )
    if ended.returncode:
        raise ValueError(f"the interpreter failed: {ended.stderr.strip().rpartition(chr(10))[2]}")
    rows: list[dict[str, Any]] = json.loads(ended.stdout)
    return rows


def report(kernel: str, channels: int, side: int, warps: int) -> dict[str, Any]:
    """What the compiler makes of a kernel for maps of a shape."""
    triton: Any = importlib.import_module("triton")
    compiler: Any = importlib.import_module("triton.compiler")
    target: Any = importlib.import_module("triton.backends.compiler").GPUTarget("cuda", ARCH, WARP)
    grouped: Any = importlib.import_module("benchmarks._gpu.grouped")
    function, sizes = getattr(grouped, kernel), {"terms": TERMS, **grouped.sizes(channels, side * side)}
    signature = {name: _kind(name, sizes) for name in function.arg_names}
    began = time.perf_counter()
    source = compiler.ASTSource(function, signature, sizes)
    made = triton.compile(source, target=target, options={"num_warps": warps})
    words = _assembled(Path(triton.__file__).parent, made.asm["ptx"])
    registers = int(_number(r"Used (\d+) registers", words))
    # Registers are given to warps in pieces of 256: so many of a processor's warps run at a time.
    held = REGISTERS // (-(-registers * WARP // PIECE) * PIECE * warps) * warps
    return {
        "kernel": kernel,
        "channels": channels,
        "side": side,
        "warps": warps,
        "registers": registers,
        "spilled_bytes": int(_number(r"(\d+) bytes spill stores", words)),
        "shared_bytes": made.metadata.shared,
        "warps_that_fit": round(min(held, MOST_WARPS) / MOST_WARPS, 3),
        "seconds_to_compile": round(time.perf_counter() - began, 1),
    }


def _kind(name: str, sizes: dict[str, int]) -> str:
    if name in sizes:
        return "constexpr"
    if name in NUMBERS:
        return "i32"
    return "*i64" if name in INDICES else "*fp32" if name in EXACT else "*bf16"


def _assembled(triton: Path, ptx: str) -> str:
    """What the assembler that Triton brings says of a kernel."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "kernel.ptx")
        file.write_text(ptx, encoding="utf-8")
        command = [str(triton / "backends/nvidia/bin/ptxas"), "-v", f"-arch=sm_{ARCH}a", str(file)]
        ended = subprocess.run([*command, "-o", os.devnull], capture_output=True, text=True, check=True)
    return ended.stderr


def _number(pattern: str, words: str) -> str:
    found = re.search(pattern, words)
    if found is None:
        raise ValueError(f"the assembler does not say {pattern!r}")
    return found[1]
