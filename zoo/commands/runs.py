"""`thriftnas run`: look at a run, continue it, write its report, free its disk, take its digest."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zoo.commands import options as opt


def status(run: opt.Run, as_json: opt.Json = False) -> None:
    """Whether a run is running, how far it is, what has come of it, and which command is next."""
    from zoo.experiments.overview import overview, overview_text
    from zoo.experiments.run import Run

    found = Run.open(run)
    print(json.dumps(overview(found)) if as_json else overview_text(found))


Web = Annotated[bool, typer.Option("--web", help="Serve pages to a browser, on this machine alone.")]
Host = Annotated[str, typer.Option(help="Where --web listens; readers elsewhere need the token it prints.")]
Port = Annotated[int, typer.Option(help="Of --web; 0: any that is free.")]


def list_runs(
    folder: Annotated[Path, typer.Argument(help="Folder of runs.")] = Path("runs"),
    web: Web = False, host: Host = "127.0.0.1", port: Port = 0, as_json: opt.Json = False,
) -> None:  # fmt: skip
    """The runs in a folder: kind, state, how far, and what has come of them; with --web also compared."""
    from zoo.experiments.overview import listing_text, runs_below
    from zoo.live.watching import serve_folder

    if web:
        return serve_folder(folder, Console(), host, port)

    print(json.dumps(runs_below(folder)) if as_json else listing_text(runs_below(folder)))


def watch(run: opt.Run, web: Web = False, host: Host = "127.0.0.1", port: Port = 0) -> None:
    """Show a run as it goes on, until nobody runs it any more; with --web its report, made anew as it grows."""
    from zoo.live.watching import watch_run

    watch_run(run, Console(), web=web, host=host, port=port)


Workers = Annotated[int | None, opt.option("Another number of workers.", "Workers")]
Address = Annotated[str | None, opt.option("A Ray cluster: auto, host:port or ray://host:port.", "Workers")]
Time = Annotated[str | None, opt.option("Stop cleanly after, e.g., 90s, 30m or 2h; rerun to continue.", "Run")]


def resume(
    run: opt.Run, workers: Workers = None, address: Address = None, time: Time = None, as_json: opt.Json = False
) -> None:
    """Continue a run, whichever command or Python program began it.

    Workers are what it had, unless given here; a cluster is joined only if it is given here. A run of several GPUs is
    continued by as many: torchrun --nproc-per-node N --no-python thriftnas run resume ...
    """
    from zoo.commands.running import conclude, follows
    from zoo.experiments import Bar
    from zoo.experiments import resume as resumed
    from zoo.experiments.run import Run

    console = Console(stderr=as_json or follows(), quiet=follows())
    with Bar(console) as bar:
        resources, deadline = Run.open(run).resources_here(workers, address, bar.said), opt.parse_time(time)
        done = resumed(run, resources=resources, deadline=deadline, listen=bar)
    if not follows():
        conclude(done, time, console, as_json)


def retry(
    run: opt.Run,
    everything: Annotated[bool, typer.Option("--all", help="Also what diverged or lacked memory.")] = False,
    without: Annotated[
        list[int] | None, typer.Option(help="A waiting trial to leave out: its process ends with it; may be repeated.")
    ] = None,
    workers: Workers = None, address: Address = None, time: Time = None, as_json: opt.Json = False,
) -> None:  # fmt: skip
    """Ask failed trials again, or leave others out, and continue the run; before-retry.sqlite keeps what it was."""
    from zoo.experiments.execution import retry as reopened

    found, left = reopened(run, everything, without or ()), f", {len(without)} left out" if without else ""
    again = f"{len(found.trials)} trials are asked again, {found.dropped} that depended on them are decided anew{left}"
    Console(stderr=as_json).print(again, markup=False, soft_wrap=True)
    resume(run, workers, address, time, as_json)


def report(
    run: opt.Run,
    target: Annotated[
        float | None, typer.Option(help="Of a study: Spearman correlation to reach; its own by default.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Of a study: what judges it; its own by default.")] = None,
    cost: Annotated[str | None, typer.Option(help="Of a study: save macs or seconds; its own by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; the run's own by default.")] = None,
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
    written.write(out or run)
    if as_json:
        print(json.dumps(written.summary))
    else:
        written.show_written(console, run, out or run)


def gc(run: opt.Run, dry_run: opt.DryRun = False, as_json: opt.Json = False) -> None:
    """Remove what a finished run needs no more: weights, files of interrupted starts, side files of its journal."""
    from zoo.experiments.garbage import collect

    found = collect(run, dry_run=dry_run)
    told = {"files": [str(path) for path in found.files], "bytes": found.bytes, "dry_run": dry_run}
    print(json.dumps(told) if as_json else found.text(dry_run))


def digest(run: opt.Run, as_json: opt.Json = False) -> None:
    """A hash of trials and records: equal for equal runs, whatever their workers, kills and timing."""
    from zoo.experiments.run import Run

    print(json.dumps({"digest": Run.open(run).digest}) if as_json else Run.open(run).digest)
