"""`thriftnas doctor`: what this machine has: versions, devices, Ray, data, disk."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from zoo.commands import options as opt
from zoo.data.decoded import default_cache
from zoo.data.sources import default_root
from zoo.launch import about


def doctor(as_json: opt.Json = False) -> None:
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
