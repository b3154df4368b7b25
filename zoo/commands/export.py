"""`thriftnas run export`: the models along a run's front, or the model it ends with, as files for others."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from zoo.commands import options as opt
from zoo.export.delivery import FORMATS, Delivery, parse_formats
from zoo.export.front_page import axis, number
from zoo.export.run_models import kept_model, weights_of
from zoo.population.front import Limit, Numbers, equispaced, objectives
from zoo.population.journal import Journal
from zoo.population.run_front import RunFront, has_front, read_front

MODELS = 5
"""Models along a front where the user names no number, or fewer where it has fewer."""

Maximize = Annotated[list[str] | None, typer.Option(help="Metric to make large; may be repeated.")]
Minimize = Annotated[list[str] | None, typer.Option(help="Metric to make small; may be repeated.")]
Limits = Annotated[
    list[str] | None, typer.Option("--limit", help='Like "macs<=500e6" or "accuracy>=0.4"; may be repeated.')
]


def export(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    count: Annotated[
        int | None, typer.Option(help=f"Models at equal distances along the front; {MODELS}, or all, by default.")
    ] = None,
    format: Annotated[str, typer.Option(help=f"Some of {','.join(FORMATS)}.")] = "json,csv,table",
    maximize: Maximize = None,
    minimize: Minimize = None,
    limit: Limits = None,
    retrained: Annotated[
        list[Path] | None,
        typer.Option(help="A run of zoo train, whose weights are taken for its genotype; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder; RUN/export by default.")] = None,
    as_json: opt.Json = False,
) -> None:
    """Write models of a run as files: genotypes, metrics, weights, programs, and the picture of its front.

    Of a search for several objectives: models at equal distances along the front, with inherited or retrained weights.
    Of a run that ends with a model (zoo train, zoo build, econas search, darts search --retrain): that model. state is
    a model file of this package, torch a program for torch.export.load, onnx one for onnxruntime; both are read back
    and compared with the network.
    """
    formats = parse_formats(format)
    wanted = objectives(maximize or (), minimize or ()) if maximize or minimize else ()
    journal = Journal.open(run, readonly=True)
    try:
        identity, about = journal.identity, about_run(journal, run)
        own = None if has_front(identity) or wanted or count is not None else kept_model(run)
        like = None if own is None else own.notes.get("trial")
        found = read_front(journal, wanted, [Limit.parse(text) for text in limit or ()], like)
    finally:
        journal.close()
    chosen = along(found, count) if own is None else _row_of(found, own.genotype.key)
    delivery = Delivery(
        found=found,
        chosen=chosen,
        formats=formats,
        weights=weights_of(run, identity, found, retrained or ()),
        about=about,
    )
    folder = run / "export" if out is None else out
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, expected a folder")
    summary = delivery.write(folder)
    if as_json:
        print(json.dumps({"folder": str(folder), **summary}))
        return
    show(summary, Console())
    Console().print(f"Files: {folder} (open {folder / 'front.html'})", soft_wrap=True, markup=False)


def along(found: RunFront, count: int | None) -> Numbers:
    """Rows of ``count`` models at equal distances along the front, or of as many as it has, at most the default.

    Raises:
        ValueError: if the front has fewer.
    """
    points = found.losses[found.front]
    count = min(MODELS, len(np.unique(points, axis=0))) if count is None else count
    return found.front[equispaced(points, found.objectives, count)]


def about_run(journal: Journal, run: Path) -> dict[str, str]:
    """Facts of a run for its page."""
    about: dict[str, Any] = journal.get("about") or {}
    facts = {
        "folder": str(run),
        "command": shlex.join(["thriftnas", *(journal.get("command") or [])]),
        "identity": json.dumps(journal.identity),
    }
    for name, part in about.items():
        facts[name] = ", ".join(f"{what} {value}" for what, value in part.items() if value is not None)
    return facts


def show(summary: dict[str, Any], console: Console) -> None:
    """The chosen models as a table, with the metrics that matter to the run and what networks are usually judged by.

    A model's note called "warning", which whoever extracts it may write, is shown below.
    """
    mattering = [text.split(" ")[1] for text in summary["objectives"]]
    names = [
        name
        for name in dict.fromkeys([*mattering, "accuracy", "macs", "params"])
        if any(name in model["metrics"] for model in summary["models"])
    ]
    title = f"{len(summary['models'])} of {summary['front']} networks on the front, {summary['measured']} measured"
    table = Table("model", "trial", *map(axis, names), title=title)
    for model in summary["models"]:
        values = [number(model["metrics"][name]) if name in model["metrics"] else "–" for name in names]
        table.add_row(str(model["model"]), str(model["trial"]), *values)
    console.print(table)
    for model in summary["models"]:
        warning = model.get("weights", {}).get("notes", {}).get("warning")
        if warning:
            console.print(f"Model {model['model']}: {warning}", style="yellow", markup=False)
    worst = [d for model in summary["models"] for d in model.get("deviations", {}).values()]
    if worst:
        console.print(f"Programs deviate from the networks by {max(worst):.1g} at most.")


def _row_of(found: RunFront, key: str) -> Numbers:
    rows = [row for row, trial in enumerate(found.trials) if trial.genotype.key == key]
    if not rows:
        raise ValueError("the run's model is none of those it has measured completely")
    return np.array(rows[:1], dtype=np.int64)
