"""`thriftnas demo`: the main job on the embedded digits, in some minutes."""

import os
from pathlib import Path

import typer
from rich.console import Console

from zoo.commands import options as opt
from zoo.commands.study import study

WORKERS = min(2, os.cpu_count() or 1)
SETTINGS = "c2r0s0e{3,4,6} c4r0s0e{4,6} c0r2s0e6"


@opt.spread
def demo(
    ctx: typer.Context,
    cluster: opt.Cluster = opt.Cluster(workers=WORKERS),
    engine: opt.Engine = opt.Engine(group=4),
    seed: opt.Seed = 0,
    running: opt.Running = opt.Running(out=Path("runs/demo")),
) -> None:
    """Study proxies on handwritten digits: 32 random networks, 6 reduced settings, one report.

    The same as `thriftnas zoo study` with small sizes; see its --help for your own images.
    """
    Console(stderr=running.as_json).print(
        "Which cheap training ranks networks as a full one does? 32 random networks on digits, each trained three "
        "times at the reference and once at 6 reduced settings; and five scores that need no training.",
        style="dim",
    )
    sizes = {"train": 400, "validation": 900, "resolution": 8, "channels": 8, "cells": 5, "batch": 24, "models": 32}
    study(
        ctx=ctx,
        data="digits",
        setting=SETTINGS,
        reference="c0r0s0e6",
        repeats=3,
        target=0.5,
        seed=seed,
        **sizes,
        **vars(cluster),
        **vars(engine),
        **vars(running),
    )
