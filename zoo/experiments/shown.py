"""What people are shown of a machine: a table for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from zoo.experiments.resources import usable_cores


def show_machine(state: Mapping[str, Any], console: Console) -> None:
    """Print what `thriftnas doctor` has found: versions, processor, device, Ray, folders, disk."""
    table, hardware = Table("what", "found", title="thriftnas doctor"), state["hardware"]
    table.add_row("versions", ", ".join(f"{name} {number}" for name, number in state["versions"].items()))
    table.add_row("processor", f"{hardware['processor']}, {hardware['cores']} cores, {usable_cores()} usable")
    table.add_row("device", f"{state['device']['best']} ({state['device']['detail']})")
    table.add_row("Ray", state["ray"])
    table.add_row("downloaded data", state["data"]["downloads"])
    table.add_row("decoded data", state["data"]["decoded"])
    table.add_row("disk", f"{state['disk']['free_gb']} GB free in {state['disk']['folder']}")
    console.print(table)
