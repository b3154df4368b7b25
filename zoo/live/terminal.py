"""A run in a terminal: its snapshot, drawn again every second until nobody runs it any more."""

import time
from contextlib import suppress
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from zoo.live.snapshot import Snapshots, facts_of, run_at

EVERY = 1.0
"""Seconds between two looks."""
LINE = 20.0
"""Seconds between two lines where there is no terminal."""


def watch_in_terminal(folder: Path, console: Console, every: float = EVERY) -> None:
    """Show a run until it has ended, was stopped, or its process was killed; the last look stays.

    Args:
        folder: of the run.
        console: to draw on; a line now and then where it is no terminal.
        every: seconds between two looks.

    Raises:
        ValueError: if there is no run, or its journal cannot be read.
    """
    snapshots = run_at(folder)
    with suppress(KeyboardInterrupt):  # whoever has seen enough stops looking, and nothing else
        if not console.is_terminal:
            _lines(snapshots, console)
            return
        _drawn(snapshots, console, every)


def _drawn(snapshots: Snapshots, console: Console, every: float) -> None:
    with Live(picture(snapshots), console=console, auto_refresh=False) as live:
        while snapshots.look()["state"] == "running":
            time.sleep(every)
            live.update(picture(snapshots), refresh=True)


def picture(snapshots: Snapshots) -> Group:
    """A look at a run as a bar and a table."""
    found = snapshots.look()
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, text in facts_of(found):
        style = "yellow" if name == "Failed" or (found["state"] == "interrupted" and name == "State") else ""
        table.add_row(Text(name, style="dim"), Text(text, style=style))
    title = Text(f"{found['kind']} in {snapshots.run.folder}", style="bold")
    share = 0.0 if found["share"] is None else found["share"]
    return Group(title, ProgressBar(total=1.0, completed=share, width=60), table)


def _lines(snapshots: Snapshots, console: Console) -> None:
    while True:
        found = snapshots.look()
        facts = ", ".join(f"{name.lower()} {text}" for name, text in facts_of(found) if name not in ("Failed", "Next"))
        console.print(facts, markup=False, highlight=False, soft_wrap=True)
        if found["state"] != "running":
            return
        time.sleep(LINE)
