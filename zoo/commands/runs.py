"""`thriftnas run`: look at a run, continue it, write its report, take its digest."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zoo.commands import options as opt


def status(run: opt.Run, as_json: opt.Json = False) -> None:
    """How many trials are done, failed and pending, and which is the best so far."""
    from zoo.experiments.run import Run

    found = Run.open(run)
    state: dict[str, Any] = found.status
    if as_json:
        print(json.dumps(state))
        return
    table = Table("what", "value", title=escape(f"{found.kind} in {run}"))
    for what in ("trials", "done", "failed", "pending"):
        table.add_row(what, str(state[what]))
    best = state["best"]
    table.add_row(
        "best",
        "none yet" if best is None else f"{best['accuracy']:.4f} (trial {best['index']}, {best['setting']})",
    )
    Console().print(table)


def resume(
    run: opt.Run,
    workers: Annotated[int | None, opt.option("Another number of workers.", "Workers")] = None,
    address: Annotated[
        str | None, opt.option("Another Ray cluster: auto, host:port or ray://host:port.", "Workers")
    ] = None,
    time: Annotated[
        str | None, opt.option("Stop cleanly after, e.g., 90s, 30m or 2h; rerun to continue.", "Run")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Continue a run, whichever command or Python program began it.

    Workers and cluster are what it had, unless given here. A run of several GPUs is continued by as many:
    torchrun --nproc-per-node N --no-python thriftnas run resume ...
    """
    from dataclasses import replace

    from zoo.commands.running import conclude, fitting, follows
    from zoo.experiments import Bar
    from zoo.experiments import resume as resumed
    from zoo.experiments.run import Run

    console = Console(stderr=as_json or follows(), quiet=follows())
    deadline, found = opt.parse_time(time), Run.open(run)
    changes = {"workers": workers, "address": address}
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    resources = fitting(replace(found.resources, **given), found.experiment.threads, console)
    with Bar(console) as bar:
        done = resumed(run, resources=resources, deadline=deadline, listen=bar)
    if not follows():
        conclude(done, time, console, as_json)


def report(
    run: opt.Run,
    target: Annotated[
        float | None, typer.Option(help="Of a study: Spearman correlation to reach; its own by default.")
    ] = None,
    metric: opt.Metric | None = None,
    cost: opt.Cost | None = None,
    as_json: opt.Json = False,
) -> None:
    """Write the report of a run as far as it is: tables and a page.

    With another target, metric or cost than the study's own, the names of the files say so, and its own report stays.
    """
    from zoo.experiments.run import Run
    from zoo.plugins import plugin

    other: dict[str, Any] = {"target": target, "metric": metric, "cost": cost}
    if anew := set(other.values()) != {None}:
        from zoo.experiments.kinds.study import check_judgement, other_report

        check_judgement(**other)
    found, console = Run.open(run), Console(stderr=as_json)
    hook = plugin("thriftnas.reports", found.kind, "report")  # of searches that are no experiments
    if hook is not None:
        hook.held(run, console, as_json)
        return
    written = other_report(found, **other) if anew else found.report()
    written.write(run)
    if as_json:
        print(json.dumps(written.summary))
    else:
        written.show(console)


def digest(run: opt.Run, as_json: opt.Json = False) -> None:
    """A hash of trials and records: equal for equal runs, whatever their workers, kills and timing."""
    from zoo.experiments.run import Run

    value = Run.open(run).digest
    print(json.dumps({"digest": value}) if as_json else value)
