"""`thriftnas demo`: the main job on the embedded digits, in some minutes."""

import os
from pathlib import Path

import typer
from rich.console import Console

from zoo.commands import options as opt
from zoo.commands.study import study

WORKERS = min(2, os.cpu_count() or 1)
MODELS, REFERENCE, SETTINGS = 64, "c0r0s0e12", "c0r0s0e3 c1r0s0e{3,4} c2r0s0e4"


@opt.spread
def demo(
    ctx: typer.Context,
    cluster: opt.Cluster = opt.Cluster(workers=WORKERS),
    engine: opt.Engine = opt.Engine(group=16),
    seed: opt.Seed = 0,
    running: opt.Running = opt.Running(out=Path("runs/demo")),
) -> None:
    """Study proxies on handwritten digits: 64 random networks, 4 reduced settings, one report.

    The same as `thriftnas zoo study` with small sizes; see its --help for your own images.
    """
    Console(stderr=running.as_json).print(
        f"Which cheap training ranks networks as a full one does? {MODELS} random networks on digits, each trained "
        "three times at the reference and once at 4 reduced settings; and five scores that need no training.",
        style="dim", soft_wrap=True,
    )  # fmt: skip
    sizes = {"train": 400, "validation": 900, "resolution": 8, "channels": 8, "cells": 5, "batch": 24, "target": 0.5}
    zoo = {"data": "digits", "space": "econas-search", "models": MODELS, "reference": REFERENCE, "repeats": 3}
    study(
        ctx=ctx,
        setting=SETTINGS,
        seed=seed,
        **zoo,
        **sizes,
        **vars(cluster),
        **vars(engine),
        **vars(running),
    )
