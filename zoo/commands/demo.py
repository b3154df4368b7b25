"""`thriftnas demo`: the main job on the embedded digits, in a few minutes."""

from pathlib import Path

import typer
from rich.console import Console

from zoo.commands import options as opt
from zoo.commands.study import study
from zoo.launch import usable_cores

WORKERS = min(2, usable_cores())


def demo(
    ctx: typer.Context,
    workers: opt.Workers = WORKERS,
    engine: opt.Engine = "auto",
    seed: opt.Seed = 0,
    address: opt.Address = None,
    out: opt.Out = Path("runs/demo"),
    time: opt.Time = None,
    as_json: opt.Json = False,
) -> None:
    """Study proxies on handwritten digits: 22 random networks, 4 reduced settings, one report.

    The same as `thriftnas zoo study` with small sizes; see its --help for your own images.
    """
    Console(stderr=as_json).print(
        "Which cheap setting ranks networks as a full training does? 22 random networks on digits, "
        "each trained twice at the reference and once at 4 reduced settings.",
        style="dim",
    )
    study(
        ctx,
        data="digits",
        models=22,
        settings="c{0,4}r{0,2}s0e4",
        reference="c0r0s0e6",
        repeats=2,
        target=0.3,
        channels=8,
        cells=5,
        train=400,
        validation=900,
        batch=24,
        seed=seed,
        workers=workers,
        engine=engine,
        address=address,
        out=out,
        time=time,
        as_json=as_json,
    )
