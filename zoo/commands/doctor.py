"""`thriftnas doctor`: what this machine has: versions, devices, Ray, data, disk."""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zoo.commands import options as opt

Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        help="Also time placements on this machine, one to two minutes: which workers, threads and group to use, and "
        "what asking for too many workers costs.",
    ),
]


def doctor(calibrate: Calibrate = False, as_json: opt.Json = False) -> None:
    """Say what is installed and at hand, and what to do about what is not."""
    from zoo.data.decoded import default_cache
    from zoo.data.sources import default_root
    from zoo.experiments.machine import about, cluster_at_hand, device_at_hand
    from zoo.experiments.shown import show_machine

    facts = about()
    state: dict[str, Any] = {
        **{name: facts[name] for name in ("versions", "hardware")},
        "device": device_at_hand(),
        "ray": cluster_at_hand(),
        "data": {"downloads": str(default_root()), "decoded": str(default_cache())},
        "disk": {"free_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1), "folder": str(Path.cwd())},
    }
    console = Console(stderr=as_json)
    if calibrate:
        from zoo.experiments import Bar
        from zoo.experiments.calibration import calibrated
        from zoo.experiments.placements import show_placements

        with Bar(console, loading="placements") as bar:
            state |= calibrated(bar.loading)
    if as_json:
        print(json.dumps(state))
        return
    show_machine(state, console)
    if calibrate:
        show_placements(state, console)
