"""`thriftnas run`: look at a run, continue it, write its report, take its digest."""

import json
import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zoo.commands import options as opt
from zoo.commands.report import report_study
from zoo.population.journal import Journal
from zoo.population.run_front import has_front
from zoo.reliability.findings import Metric

REPORTS = "thriftnas.reports"
"""Entry-point group of whoever writes the report of a strategy's runs, by the strategy's name."""

Run = Annotated[Path, typer.Argument(help="Run folder.")]


def status(run: Run, as_json: opt.Json = False) -> None:
    """How many trials are done, failed and pending, and which is the best so far."""
    journal = Journal.open(run, readonly=True)
    state: dict[str, Any] = {**journal.counts(), "best": _best(journal)}
    name = journal.identity.get("strategy", {}).get("name", "run")
    journal.close()
    if as_json:
        print(json.dumps(state))
        return
    table = Table("what", "value", title=escape(f"{name} in {run}"))
    for what in ("trials", "done", "failed", "pending"):
        table.add_row(what, str(state[what]))
    best = state["best"]
    table.add_row(
        "best",
        "none yet" if best is None else f"{best['accuracy']:.4f} (trial {best['index']}, {best['setting']})",
    )
    Console().print(table)


def _best(journal: Journal) -> dict[str, Any] | None:
    """The trial with the highest accuracy; the first one where several share it."""
    trials = journal.trials()
    measured = [(-r.metrics["accuracy"], r.index) for r in journal.records().values() if "accuracy" in r.metrics]
    if not measured:
        return None
    accuracy, index = min(measured)
    trial = trials[index]
    return {"index": index, "accuracy": -accuracy, "setting": str(trial.setting), "key": trial.genotype.key}


def resume(
    ctx: typer.Context,
    run: Run,
    workers: Annotated[int | None, typer.Option(help="Another number of workers.", rich_help_panel="Workers")] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Another Ray cluster: auto, host:port or ray://host:port.", rich_help_panel="Workers"),
    ] = None,
    time: opt.Time = None,
) -> None:
    """Continue a run with the command it was last started with, from the directory it was started in.

    Workers, cluster and time limit are that command's, too, unless given here.
    """
    journal = Journal.open(run, readonly=True)
    command, directory = journal.get("command"), journal.get("directory")
    journal.close()
    if command is None or directory is None:
        raise ValueError(f"{run} does not say which command started it, expected a run started by thriftnas")
    changes = {"--workers": workers, "--address": address, "--time": time, "--out": run.resolve()}
    more = [f"{name}={value}" for name, value in changes.items() if value is not None]
    command = [word for word in command if not word.startswith("--out=")]  # of an earlier resume
    if Path(directory).is_dir():
        os.chdir(directory)  # relative data folders mean what they meant
    arguments = [*command, *more]
    root = cast(Any, ctx.find_root().command)
    code = root(args=arguments, obj=arguments, standalone_mode=False, prog_name="thriftnas")
    if isinstance(code, int):  # not 0: interrupted
        raise typer.Exit(code)


def report(
    run: Run,
    target: Annotated[
        float | None, typer.Option(help="Of a study: Spearman correlation to reach; its own by default.")
    ] = None,
    metric: Annotated[
        str, typer.Option(help="Of a study: accuracy, or balanced_accuracy for unequal classes.")
    ] = "accuracy",
    as_json: opt.Json = False,
) -> None:
    """Write the report of a run as far as it is: tables and a page."""
    if metric not in ("accuracy", "balanced_accuracy"):
        raise ValueError(f"metric must be accuracy or balanced_accuracy, got {metric!r}")
    if target is not None and not 0 < target < 1:
        raise ValueError(f"the target must lie between 0 and 1, got {target:g}")
    journal = Journal.open(run, readonly=True)
    name = journal.identity["strategy"]["name"]
    wanted = journal.get("target") if target is None else target
    several = has_front(journal.identity)
    journal.close()
    if several:
        from zoo.commands.front_report import report_front  # needs torch, as exports do

        report_front(run, Console(stderr=as_json), as_json)
        return
    for hook in entry_points(group=REPORTS, name=name):
        hook.load()(run, Console(stderr=as_json), as_json)
        return
    report_study(run, 0.8 if wanted is None else wanted, cast(Metric, metric), Console(stderr=as_json), as_json)


def digest(run: Run, as_json: opt.Json = False) -> None:
    """A hash of trials and records: equal for equal runs, whatever their workers, kills and timing."""
    journal = Journal.open(run, readonly=True)
    value = journal.digest()
    journal.close()
    print(json.dumps({"digest": value}) if as_json else value)
