"""Running an experiment from the command line: its cost, its progress, its answer."""

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from zoo.commands.options import Cluster, Running, parse_time
from zoo.population.faults import MachineFault
from zoo.training.presets import PRESETS

if TYPE_CHECKING:
    from zoo.experiments import Experiment, Resources, Run, Source


def start(running: Running) -> None:
    """Find out before anything else whether the run can be kept where it shall be, and for how long it goes on.

    Raises:
        ValueError: for a folder that holds something else, or a time that is none.
    """
    from zoo.experiments.folder import check_folder

    parse_time(running.time)
    if not follows():
        check_folder(running.out)


def perform(
    ctx: typer.Context, experiment: "Experiment", source: "Source", running: Running, cluster: Cluster | None = None
) -> None:
    """Run an experiment as its options say: its cost with ``--dry-run``, else its progress and its answer.

    Raises:
        ValueError: as :func:`zoo.experiments.execute`.
    """
    from zoo.experiments import Bar, Resources, execute

    console = Console(stderr=running.as_json or follows(), quiet=follows())
    say = Bar(console).said
    resources = (
        Resources() if cluster is None else cluster.resources(experiment.device).fitting(experiment.threads, say)
    )
    if running.dry_run:
        if not follows():
            _say_cost(experiment, source, resources, running.as_json, console)
        return
    sized = running.preset or tuple((ctx.obj or [])[:2]) not in PRESETS  # the demo has no presets
    hint = "" if sized else "--preset tiny, in another folder, is a run of minutes"
    with Bar(console, hint=hint, quiet=running.quiet) as bar:
        run = execute(
            experiment, source, running.out, resources, deadline=parse_time(running.time), listen=bar, command=ctx.obj
        )
    if not follows():
        conclude(run, running.time, console, running.as_json)


def conclude(run: "Run", time: str | None, console: Console, as_json: bool) -> None:
    """Write the report of a run and say what it found; or how far it is, where it has not finished."""
    if not run.finished:
        with suppress(ValueError):  # too little is measured yet for a report of this kind
            run.report().write(run.folder)
        counts = {name: value for name, value in run.status.items() if name != "best"}
        if as_json:
            print(json.dumps({"finished": False, **counts}))
        else:
            done = counts["done"]
            console.print(f"Stopped after {time} with {done} trials done; the same command continues.", soft_wrap=True)
        return
    report = run.report()
    report.write(run.folder)
    if as_json:
        print(json.dumps({**report.summary, **run.summary}))
    else:
        report.show(console)
    if "withheld" in run.summary:
        raise MachineFault(f"the answer is withheld: {run.summary['withheld']}")


def follows() -> bool:
    """Whether this process is one that torchrun has started beside the first."""
    return os.environ.get("RANK", "0") not in ("", "0")


def _say_cost(
    experiment: "Experiment", source: "Source", resources: "Resources", as_json: bool, console: Console
) -> None:
    from zoo.experiments import Bar

    with Bar(console) as bar:
        material = source.load(experiment, bar.loading)
        fitted = experiment.fitted(material, bar.said)
        estimate, decided = fitted.estimate(material, resources.workers), fitted.describe(material).get("decided")
    if as_json:
        print(json.dumps(dict(estimate.numbers)))
        return
    lines = (*((("data", decided),) if decided else ()), *estimate.lines)
    width = max(10, *(len(name) for name, _ in lines))
    for name, text in lines:
        print(f"{name:<{width}} {text}")
