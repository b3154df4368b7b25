"""Placements that were timed on this machine, as a table for people."""

from typing import Any

from rich.console import Console
from rich.table import Table

ENOUGH = 0.9
"""Share of the best that a run with too many workers must keep."""


def show_placements(state: dict[str, Any], console: Console) -> None:
    """Print which workers, threads and group to use, of :func:`zoo.experiments.calibration.calibrated`."""
    best, asked = state["recommended"], state["too_many"]
    columns = ("workers", "run", "GPUs each", "threads", "group", "epochs per hour")
    table = Table(*columns, "of the best", title="networks of 20 cells at c4r4, 576 images an epoch")
    fastest = max(placed["epochs_per_hour"] for placed in state["placements"])
    for placed in (*state["placements"], asked):
        counts = [f"{placed[name]:g}" for name in ("workers", "ran", "gpus", "threads", "group")]
        rate = placed["epochs_per_hour"]
        table.add_row(*counts, f"{rate:,.0f}", f"{rate / fastest:.2f}" if fastest else "")
    console.print(table)
    gpus = f" --gpus {best['gpus']:g}" if best["gpus"] else ""
    console.print(
        f"use --workers {best['workers']}{gpus} --threads {best['threads']} --group {best['group']}; "
        "threads and group are part of a run, workers are not",
        soft_wrap=True,
    )
    console.print(
        f"asked for {asked['workers']} workers: {asked['ran']} run, with {asked['share']:.2f} of the best"
        + (
            f", less than {ENOUGH}: other work on this machine, or not enough memory?"
            if asked["share"] < ENOUGH
            else ""
        ),
        soft_wrap=True,
    )
