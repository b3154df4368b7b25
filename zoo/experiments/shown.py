"""What people are shown of a run's state and of a machine: tables for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zoo.experiments.resources import usable_cores
from zoo.experiments.run import Run

FAULTS_SHOWN = 5


def show_status(run: Run, state: Mapping[str, Any], console: Console) -> None:
    """Print how far a run is, its best trial and the last faults of its workers."""
    table, best = Table("what", "value"), state["best"]
    for what in ("trials", "done", "failed", "pending"):
        table.add_row(what, str(state[what]))
    table.add_row(
        "best",
        "none yet" if best is None else f"{best['accuracy']:.4f} (trial {best['index']}, {best['setting']})",
    )
    for fault in run.faults[-FAULTS_SHOWN:]:
        table.add_row("fault", escape(fault))
    console.print(f"{run.kind} in {run.folder}", markup=False, soft_wrap=True)
    console.print(table)


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
