"""The overview: a search's genotypes, tables and commands as the files of its report, and as lines for people."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from milenas.history.findings import Findings, find, retrain_command
from milenas.history.report import search_page
from milenas.strategy.search import Derived
from zoo.experiments.kinds.trained import kept_summary, say_model
from zoo.experiments.report import Report
from zoo.experiments.run import Run
from zoo.pages.written import large, percent

if TYPE_CHECKING:
    from milenas.experiment import DifferentiableExperiment

GENOTYPE, REPORT, WINNERS = "genotype.json", "report.html", "genotypes"
Commands = Mapping[int, str]
"""The commands that retrain genotypes, by the epoch they were derived in; none where no command finds the images."""


def search_report(search: "DifferentiableExperiment", run: Run) -> Report:
    """The report of a search: ``genotype.json`` is its answer, ``genotypes/genotype-N-R.json`` the best of every size.

    Raises:
        ValueError: if nothing has been measured yet.
    """
    findings = find(run, search)
    commands = retrain_commands(findings, run.folder)
    found = summary(findings, commands)
    rows = [{"epoch": epoch.number, "seconds": epoch.seconds, **epoch.metrics} for epoch in findings.epochs]
    epochs = pd.DataFrame(rows)
    files = {_file(one): one.genotype.to_json() + "\n" for one in findings.winners}
    if findings.final is not None:
        files[GENOTYPE] = findings.final.genotype.to_json() + "\n"
    files["epochs.csv"] = epochs.to_csv(index=False, lineterminator="\n")
    files["search.json"] = json.dumps(found, indent=2, allow_nan=False) + "\n"
    return Report(
        summary={**found, **kept_summary(run.folder)},
        tables={"epochs": epochs} | ({} if (beside := findings.compared) is None else {"comparison": beside.frame()}),
        page=search_page(findings, commands, run.folder),
        name=REPORT,
        files=files,
        show=partial(_show, findings, commands, run.folder),
    )


def retrain_commands(findings: Findings, folder: Path) -> Commands:
    """The commands that train the best of every size, and the search's answer."""
    named = folder if folder.name not in ("", "..") else folder.resolve()
    commands = {}
    for one in findings.winners:
        trained = named.with_name(f"{named.name}-train-{one.size[0]}-{one.size[1]}")
        commands[one.epoch] = retrain_command(findings, one, str(folder / _file(one)), str(trained))
    if findings.final is not None:
        trained = named.with_name(f"{named.name}-train")
        commands[findings.final.epoch] = retrain_command(findings, findings.final, str(folder / GENOTYPE), str(trained))
    return {epoch: command for epoch, command in commands.items() if command}


def _file(one: Derived) -> str:
    return f"{WINNERS}/genotype-{one.size[0]}-{one.size[1]}.json"


def summary(findings: Findings, commands: Commands) -> dict[str, Any]:
    """What was found, JSON-ready."""

    def row(one: Derived) -> dict[str, Any]:
        skeleton = findings.evaluation_skeleton(one)
        return {
            "epoch": one.epoch,
            "size": list(one.size),
            "accuracy": one.metrics["accuracy"],
            "params": int(one.metrics["params"]),
            "channels": skeleton.channels,
            "cells": skeleton.cells,
            "depth": [int(one.metrics["depth_normal"]), int(one.metrics["depth_reduction"])],
            "genotype": one.genotype.to_dict(),
            "command": commands.get(one.epoch, ""),
        }

    return {
        "epochs": len(findings.epochs),
        "final": None if findings.final is None else row(findings.final),
        "sizes": [row(one) for one in findings.winners],
        "retrained": [
            {"epoch": one.derived.epoch, "size": list(one.derived.size), "epochs": one.epochs, **one.metrics}
            for one in findings.retrained
        ],
        "comparison": None if findings.compared is None else findings.compared.to_dict(),
        "warnings": findings.warnings,
        "failed": findings.failed,
        "command": "" if findings.final is None else commands.get(findings.final.epoch, ""),
    }


def _show(findings: Findings, commands: Commands, folder: Path, console: Console) -> None:
    """Print the winners per size and, as the last line, the command that retrains the result."""
    say_model(folder, console)
    for warning in findings.warnings:
        console.print(warning, style="yellow", markup=False, soft_wrap=True)
    if findings.failed:
        console.print(f"The search broke off: {findings.failed}", style="yellow", markup=False, soft_wrap=True)
    console.print(_winners(findings))
    for again in findings.retrained:
        console.print(
            f"retrained {again.epochs} epochs: genotype of epoch {again.derived.epoch}, "
            f"validation {percent(again.metrics['accuracy'])}",
            markup=False,
            soft_wrap=True,
        )
    if findings.comparison:
        console.print(findings.comparison, soft_wrap=True, markup=False)
    console.print(f"Report, with the commands that train the others: {folder / REPORT}", soft_wrap=True, markup=False)
    if findings.final is None:
        return
    command = commands.get(findings.final.epoch, "")
    then = "train it with" if command else "its images were held in memory: no command trains it, Python does"
    console.print(f"Genotype: {folder / GENOTYPE}; {then}", soft_wrap=True, markup=False)
    if command:
        console.print(command, soft_wrap=True, markup=False, highlight=False)


def _winners(findings: Findings) -> Table:
    table = Table(title="the best genotype of every size", box=None, padding=(0, 1, 0, 0))
    for column in ("convolutions", "epoch", "accuracy", "parameters", "depth", "skips"):
        table.add_column(column, justify="right")
    for one in findings.winners:
        m, chosen = one.metrics, findings.final is not None and one.epoch == findings.final.epoch
        table.add_row(
            f"{one.size[0]} + {one.size[1]}",
            str(one.epoch),
            percent(m["accuracy"]),
            large(m["params"]),
            f"{m['depth_normal']:.0f} + {m['depth_reduction']:.0f}",
            f"{m['skips_normal']:.0f} + {m['skips_reduction']:.0f}",
            style="bold green" if chosen else None,
        )
    return table
