"""`thriftnas doctor`: what this machine has: versions, devices, Ray, data, disk."""

import json
from typing import Annotated

import typer
from rich.console import Console

from zoo.commands import options as opt

Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        help="Also time placements, one to two minutes: workers, threads and group to use, what too many workers cost.",
    ),
]


def doctor(calibrate: Calibrate = False, as_json: opt.Json = False) -> None:
    """Say what is installed and at hand, and what to do about what is not."""
    from zoo.experiments.machine import at_hand
    from zoo.experiments.shown import show_machine

    state = at_hand()
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
