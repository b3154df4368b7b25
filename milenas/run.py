"""Running a search in its folder: journal, processes, and what it leaves there: genotypes, tables, report, model."""

import json
import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from zoo.launch import WEIGHTS, locked, open_run, run_ranks, write_json, write_text

from milenas.history.findings import Findings, find, retrain_command
from milenas.history.report import write_report
from milenas.plan import Plan
from milenas.strategy.search import Derived
from milenas.training.evaluator import retraining_setup
from zoo.commands import options as opt
from zoo.commands.build import keep_model, say_how_to_use
from zoo.export.trained import trained_model
from zoo.population.journal import Journal
from zoo.population.weights import WeightStore

GENOTYPE, REPORT, WINNERS = "genotype.json", "report.html", "genotypes"
Commands = Mapping[int, str]
"""The commands that retrain genotypes, by the epoch they were derived in."""


def run_search(
    out: Path, command: list[str], plan: Plan, seconds: float | None, console: Console, as_json: bool
) -> bool:
    """Search as the process that keeps the journal; False where the time was up first.

    Raises:
        ValueError: if the folder holds another run, or nothing could be derived.
    """
    with locked(out), closing(open_run(out, plan.identity(), command, 1)) as journal:
        journal.set("asked", dict(plan.asked))
        finished = run_ranks(
            out, journal, plan.strategy(), plan.ranks(), total=plan.trials, console=console, seconds=seconds
        )
        findings, commands = keep_report(out, journal)
        if not finished:
            return False
        if findings.final is None:
            why = findings.failed or "no cell has a node with an input left"
            raise ValueError(f"the search found no genotype: {why}")
        best = [one for one in findings.retrained if one.complete]
        if best:
            _keep_best(out, journal, plan, best[0].trial)
            if not as_json:
                say_how_to_use(out, console)
        say_report(out, findings, commands, console, as_json)
    return True


def _keep_best(out: Path, journal: Journal, plan: Plan, trial: int) -> None:
    """The best retrained network as a model; this is where the test images are read."""
    asked = journal.trials()[trial]
    assert plan.retrain
    setup = retraining_setup(plan.setup, asked.genotype)  # type: ignore[arg-type]  # retrained trials are cells
    store, device = WeightStore(out / WEIGHTS), opt.local_device(plan.setup.precision)
    keep_model(trained_model(asked, journal.records()[trial], store, setup, plan.images, device), out)


def keep_report(out: Path, journal: Journal) -> tuple[Findings, Commands]:
    """Write genotypes, epochs.csv, search.json and the report; returns the findings and the commands that retrain.

    ``genotype.json`` is the search's answer, ``genotypes/genotype-N-R.json`` the best of every size.
    """
    findings = find(journal)
    commands: dict[int, str] = {}
    folder = out / WINNERS
    shutil.rmtree(folder, ignore_errors=True)  # sizes of an earlier report may be no longer the best
    folder.mkdir()
    for one in findings.winners:
        write_text(folder / _file(one), one.genotype.to_json() + "\n")
        name = f"{out.name}-train-{one.size[0]}-{one.size[1]}"
        commands[one.epoch] = retrain_command(findings, one, str(folder / _file(one)), str(out.with_name(name)))
    if findings.final is not None:
        write_text(out / GENOTYPE, findings.final.genotype.to_json() + "\n")
        trained = str(out.with_name(f"{out.name}-train"))
        commands[findings.final.epoch] = retrain_command(findings, findings.final, str(out / GENOTYPE), trained)
    rows = [{"epoch": epoch.number, "seconds": epoch.seconds, **epoch.metrics} for epoch in findings.epochs]
    write_text(out / "epochs.csv", pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
    write_json(out / "search.json", summary(findings, commands))
    write_report(findings, commands, out / REPORT)
    return findings, commands


def _file(one: Derived) -> str:
    return f"genotype-{one.size[0]}-{one.size[1]}.json"


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
            "command": commands[one.epoch],
        }

    return {
        "epochs": len(findings.epochs),
        "final": None if findings.final is None else row(findings.final),
        "sizes": [row(one) for one in findings.winners],
        "retrained": [
            {"epoch": one.derived.epoch, "size": list(one.derived.size), "epochs": one.epochs, **one.metrics}
            for one in findings.retrained
        ],
        "warnings": findings.warnings,
        "failed": findings.failed,
        "command": "" if findings.final is None else commands[findings.final.epoch],
    }


def say_report(out: Path, findings: Findings, commands: Commands, console: Console, as_json: bool) -> None:
    """Print the winners per size and, as the last line, the command that retrains the result."""
    if as_json:
        print(json.dumps(summary(findings, commands)))
        return
    for warning in findings.warnings:
        console.print(warning, style="yellow", markup=False)
    if findings.failed:
        console.print(f"The search broke off: {findings.failed}", style="yellow", markup=False)
    table = Table(title="the best genotype of every size", box=None, padding=(0, 1, 0, 0))
    for column in ("convolutions", "epoch", "accuracy", "parameters", "depth", "skips"):
        table.add_column(column, justify="right")
    for one in findings.winners:
        m, chosen = one.metrics, findings.final is not None and one.epoch == findings.final.epoch
        table.add_row(
            f"{one.size[0]} + {one.size[1]}",
            str(one.epoch),
            f"{m['accuracy']:.4f}",
            f"{m['params']:,.0f}",
            f"{m['depth_normal']:.0f} + {m['depth_reduction']:.0f}",
            f"{m['skips_normal']:.0f} + {m['skips_reduction']:.0f}",
            style="bold green" if chosen else None,
        )
    console.print(table)
    for again in findings.retrained:
        console.print(
            f"retrained {again.epochs} epochs: genotype of epoch {again.derived.epoch}, "
            f"validation {again.metrics['accuracy']:.4f}",
            markup=False,
        )
    console.print(f"Report, with the commands that train the others: {out / REPORT}", soft_wrap=True, markup=False)
    if findings.final is not None:
        console.print(f"Genotype: {out / GENOTYPE}; train it with", soft_wrap=True, markup=False)
        console.print(commands[findings.final.epoch], soft_wrap=True, markup=False, highlight=False)
