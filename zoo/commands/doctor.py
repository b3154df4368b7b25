"""`thriftnas doctor`: what this machine has: versions, devices, Ray, data, disk."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from zoo.commands import options as opt
from zoo.data import load
from zoo.data.decoded import default_cache
from zoo.data.sources import default_root
from zoo.launch import about
from zoo.spaces import Skeleton
from zoo.training import Recipe, TrainingSetup
from zoo.training.calibration import calibrate as calibrate_machine
from zoo.training.calibration import recommended

Calibrate = Annotated[
    bool,
    typer.Option("--calibrate", help="Also time placements on this machine, a few minutes, and recommend one."),
]


def doctor(calibrate: Calibrate = False, as_json: opt.Json = False) -> None:
    """Say what is installed and at hand, and what to do about what is not."""
    facts = about()
    state: dict[str, Any] = {
        "versions": facts["versions"],
        "hardware": facts["hardware"],
        "device": _device(),
        "ray": _ray(),
        "data": {"downloads": str(default_root()), "decoded": str(default_cache())},
        "disk": {"free_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1), "folder": str(Path.cwd())},
    }
    if calibrate:
        state["placements"], state["recommended"] = _calibrated()
    if as_json:
        print(json.dumps(state))
        return
    table = Table("what", "found", title="thriftnas doctor")
    table.add_row("versions", ", ".join(f"{name} {number}" for name, number in facts["versions"].items()))
    hardware = facts["hardware"]
    table.add_row("processor", f"{hardware['processor']}, {hardware['cores']} cores")
    table.add_row("device", f"{state['device']['best']} ({state['device']['detail']})")
    table.add_row("Ray", state["ray"])
    table.add_row("downloaded data", state["data"]["downloads"])
    table.add_row("decoded data", state["data"]["decoded"])
    table.add_row("disk", f"{state['disk']['free_gb']} GB free in {state['disk']['folder']}")
    Console().print(table)
    if calibrate:
        _say_placements(state["placements"], state["recommended"])


def _calibrated() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Placements tried on embedded images, and the one to use."""
    images = load("digits", resolution=32, train=576, validation=128, seed=0)
    setup = TrainingSetup(
        skeleton=Skeleton(in_channels=images.channels, classes=len(images.classes)),
        recipe=Recipe(batch=192),
        precision=opt.choose_precision("auto", "float32", True, gpus=0.0, address=None),
        engine="auto",
    )
    placements = calibrate_machine(setup, images, os.cpu_count() or 1)
    return [asdict(placed) for placed in placements], asdict(recommended(placements))


def _say_placements(placements: list[dict[str, Any]], best: dict[str, Any]) -> None:
    table = Table("workers", "threads", "group", "networks per hour", title="epochs of 576 images at c4r4, 20 cells")
    for placed in placements:
        table.add_row(*(f"{value:.0f}" for value in placed.values()))
    console = Console()
    console.print(table)
    console.print(
        f"use --workers {best['workers']} --threads {best['threads']} --group {best['group']}; "
        "threads and group are part of a run, workers are not"
    )


def _device() -> dict[str, str]:
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return {
            "best": "cuda",
            "detail": f"{torch.cuda.get_device_name()}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free",
        }
    if torch.backends.mps.is_available():
        return {"best": "mps", "detail": "Apple GPU"}
    return {"best": "cpu", "detail": f"no GPU found; {os.cpu_count()} cores, use --workers {os.cpu_count()}"}


def _ray() -> str:
    try:
        from zoo.population.ray_executor import find_cluster
    except ImportError:
        return "not installed: runs are serial; pip install ray for several workers"
    try:
        return f"a cluster answers at {find_cluster('auto')}: use --address auto"
    except ValueError as error:
        return f"installed; {error}"
