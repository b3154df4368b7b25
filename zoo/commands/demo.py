"""`thriftnas demo`: the main job on the embedded digits, in a few minutes."""

import os
from pathlib import Path

import typer
from rich.console import Console

from zoo.commands import options as opt
from zoo.commands.study import study

WORKERS = min(2, os.cpu_count() or 1)


@opt.spread
def demo(
    ctx: typer.Context,
    cluster: opt.Cluster = opt.Cluster(workers=WORKERS),
    engine: opt.Engine = opt.Engine(),
    seed: opt.Seed = 0,
    running: opt.Running = opt.Running(out=Path("runs/demo")),
) -> None:
    """Study proxies on handwritten digits: 22 random networks, 4 reduced settings, one report.

    The same as `thriftnas zoo study` with small sizes; see its --help for your own images.
    """
    Console(stderr=running.as_json).print(
        "Which cheap setting ranks networks as a full training does? 22 random networks on digits, "
        "each trained twice at the reference and once at 4 reduced settings.",
        style="dim",
    )
    sizes = {"train": 400, "validation": 900, "channels": 8, "cells": 5, "batch": 24, "models": 22, "repeats": 2}
    study(
        ctx=ctx,
        data="digits",
        setting="c{0,4}r{0,2}s0e4",
        reference="c0r0s0e6",
        target=0.3,
        seed=seed,
        **sizes,
        **vars(cluster),
        **vars(engine),
        **vars(running),
    )
