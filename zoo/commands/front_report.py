"""Reporting of a search for several objectives: page, pictures and tables of its front, written into the run."""

import json
from pathlib import Path

from rich.console import Console

from zoo.commands.export import about_run, along, show
from zoo.export.delivery import Delivery
from zoo.export.model import Model
from zoo.population.journal import Journal
from zoo.population.run_front import read_front


def report_front(run: Path, console: Console, as_json: bool) -> None:
    """Write front.html, its pictures, history.csv and hypervolume.csv of the run as far as it is, and show the front.

    Raises:
        ValueError: if nothing was measured yet, or nothing keeps the limits.
    """
    journal = Journal.open(run, readonly=True)
    try:
        found, about = read_front(journal), about_run(journal, run)
    finally:
        journal.close()

    def no_weights(row: int) -> Model:
        raise ValueError(f"a report writes no weights, asked for row {row}")

    delivery = Delivery(found=found, chosen=along(found, None), formats=("csv",), weights=no_weights, about=about)
    summary = delivery.write(run)
    if as_json:
        print(json.dumps(summary))
        return
    show(summary, console)
    console.print(f"Hypervolume {summary['hypervolume']:.4f} of the box of everything measured.")
    console.print(f"Report: {run / 'front.html'}", soft_wrap=True, markup=False)
