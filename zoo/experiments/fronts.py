"""The front of a run as files: its report, and models along it as a delivery."""

import shlex
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from zoo.experiments.experiment import EXPERIMENTS, no_weights
from zoo.experiments.report import Report
from zoo.experiments.run import Run
from zoo.experiments.table_source import TableSource
from zoo.plugins import names
from zoo.population.front import Limit, Numbers, Objective, equispaced, losses_of, objectives
from zoo.population.judged import ranking
from zoo.population.metric import LOSS
from zoo.population.run_front import RunFront, has_front, read_front
from zoo.population.trial import Record, Trial
from zoo.spaces.blueprint import Blueprint

if TYPE_CHECKING:
    from zoo.export.model import Model

LESS_IS_BETTER = (LOSS, "macs", "params", "latency")
MODELS = 5
"""Models along a front where the user names no number, or fewer where it has fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is wanted of a run's networks.

    Attributes:
        models: how many at equal distances along the front; None: :data:`MODELS`, or the run's own model.
        formats: of :data:`zoo.export.delivery.FORMATS`.
        maximize: metrics to make large; with ``minimize`` instead of the run's own objectives.
        minimize: metrics to make small.
        limits: such as "macs<=500e6".
        retrained: folders of trainings, whose weights are taken for their genotypes.
        best: a metric by which the one best network is taken instead; empty: what the run is judged by.

    Raises:
        ValueError: for a number of models beside ``best``.
    """

    models: int | None = None
    formats: tuple[str, ...] = ("json", "csv", "table")
    maximize: Sequence[str] = ()
    minimize: Sequence[str] = ()
    limits: Sequence[str] = ()
    retrained: Iterable[Path] = ()
    best: str | None = None

    def __post_init__(self) -> None:
        if self.best is not None and self.models is not None:
            raise ValueError(f"the best is one model, expected --best or --models {self.models}, got both")


def front_report(run: Run, remark: str = "") -> Report:
    """Page, pictures and tables of a run's front as far as it is.

    Args:
        run: with a front.
        remark: the page's first sentence; may be empty.

    Raises:
        ValueError: if nothing was measured yet, or nothing keeps the limits.
    """
    from zoo.export.delivery import Delivery

    with run.journal() as journal:
        found = read_front(journal)
    delivery = Delivery(
        found=found,
        chosen=along(found, None),
        formats=("csv",),
        weights=_no_weights,
        about=facts_of(run),
        remark=remark,
    )
    with tempfile.TemporaryDirectory() as scratch:
        summary = delivery.write(Path(scratch))
        files = {path.name: path.read_bytes() for path in sorted(Path(scratch).iterdir())}

    def show(console: Console) -> None:
        show_models(summary, console)
        console.print(f"Hypervolume {summary['hypervolume']:.4f} of the box of everything measured.", soft_wrap=True)
        console.print(f"Report: {run.folder / 'front.html'}", soft_wrap=True, markup=False)

    page = files.pop("front.html").decode()
    return Report(
        summary=summary, tables={"history": found.frame()}, page=page, name="front.html", files=files, show=show
    )


def deliver(run: Run, wanted: Wanted, folder: Path) -> dict[str, Any]:
    """Write models of a run into ``folder``: along its front, or the model it ends with.

    Returns:
        What was written: the models with their files, as in models.json.

    Raises:
        ValueError: if nothing comparable was measured, weights are missing, or a program deviates.
    """
    from zoo.export.delivery import Delivery
    from zoo.export.run_models import kept_model, retrained_models, weights_of

    several = bool(wanted.maximize or wanted.minimize)
    goals = objectives(wanted.maximize, wanted.minimize) if several else ()
    asked = several or wanted.models is not None or wanted.best is not None
    own = None if has_front(run.identity) or asked else kept_model(run.folder)
    like = None if own is None else own.notes.get("trial")
    with run.journal() as journal:
        found = read_front(journal, goals, [Limit.parse(text) for text in wanted.limits], like)
    if own is not None:
        chosen = _row_of(found, own.genotype.key)
    else:
        chosen = along(found, wanted.models) if wanted.best is None else best_of(found, wanted.best or judged_by(run))
    plan = cache(lambda: blueprints(run))  # which may read a supernet: where weights are wanted, they say it themselves

    def planned(row: int) -> Blueprint:
        return plan()(found.trials[row])

    delivery = Delivery(
        found=found,
        chosen=chosen,
        formats=wanted.formats,
        weights=weights_of(run.folder, found, planned, inherited(run)),
        about=facts_of(run),
        planned=planned,
        retrained=retrained_models(wanted.retrained, map(int, chosen), planned),
        images=images_of(run),
        single=own is not None or wanted.best is not None,
        own=own,
    )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, expected a folder")
    return delivery.write(folder)


def blueprints(run: Run) -> Callable[[Trial], Blueprint]:
    """What builds the networks of trials: all that the run's experiment knows; of a search that is none, genotypes."""
    if run.kind in names(EXPERIMENTS):
        return run.experiment.blueprints(run)
    return lambda trial: Blueprint(genotype=trial.genotype)


def inherited(run: Run) -> "Callable[[Trial, Record], Model]":
    """The networks of trials, by the run's experiment, or by a search that only names itself in thriftnas.models.

    What the run is matters only once a network is asked for: models can be chosen without it.
    """
    from zoo.export.run_models import extraction

    @cache
    def of_run() -> "Callable[[Trial, Record], Model]":
        extract = extraction(run.kind)
        if extract is not None:
            return partial(extract, run.folder)
        return run.experiment.weights(run) if run.kind in names(EXPERIMENTS) else no_weights(run.folder)

    return lambda trial, record: of_run()(trial, record)


def _no_weights(row: int) -> "Model":
    raise ValueError(f"a report writes no weights, asked for row {row}")


def along(found: RunFront, count: int | None) -> Numbers:
    """Rows of ``count`` models at equal distances along the front, or of as many as it has, at most the default.

    Raises:
        ValueError: if the front has fewer.
    """
    points = found.losses[found.front]
    count = min(MODELS, len(np.unique(points, axis=0))) if count is None else count
    return found.front[equispaced(points, found.objectives, count)]


def judged_by(run: Run) -> str:
    """What a run ranks its networks by: the accuracy or loss among its objectives, or its experiment's own metric."""
    named = [Objective.parse(text).metric for text in run.identity.get("strategy", {}).get("objectives", ())]
    if run.kind in names(EXPERIMENTS) and not named:
        experiment = run.experiment
        named = [str(getattr(experiment, "metric", getattr(getattr(experiment, "parameters", None), "metric", "")))]
    return ranking(named)


def best_of(found: RunFront, metric: str) -> Numbers:
    """The row of the network within the limits that is best by one metric: most, or least of a loss or a cost.

    Of equals one of the front, where there is one; then the other objectives decide in their order, and at last the
    number, as in :class:`zoo.population.judged.Judged`.

    Raises:
        ValueError: for a metric that was not measured.
    """
    smaller = metric in LESS_IS_BETTER or any(one.metric == metric and not one.maximize for one in found.objectives)
    losses = losses_of([record.metrics for record in found.records], [Objective(metric, not smaller)])[:, 0]
    on_front = np.isin(np.arange(len(losses)), found.front)
    order = np.lexsort((*found.losses.T[::-1], ~on_front, losses))
    return order[found.allowed[order]][:1].astype(np.int64)


def facts_of(run: Run) -> dict[str, Any]:
    """Facts of a run for its page, and what its networks can be exported as."""
    about = run.facts()
    command = shlex.join(["thriftnas", *about["command"]]) if about["command"] else "made in Python"
    facts = {"folder": str(run.folder), "command": command, "digest": run.digest, "identity": about["identity"]}
    try:
        facts["exports"] = "json" if isinstance(run.source, TableSource) else "onnx,state,json"
    except ValueError:  # the run does not say where its material lies, or is of no kind that is installed here
        facts["exports"] = "json"
    for name in ("versions", "hardware"):
        if name in about:
            facts[name] = ", ".join(f"{what} {value}" for what, value in about[name].items() if value is not None)
    return facts


def images_of(run: Run) -> dict[str, int]:
    """How many images a run's accuracies were measured on, by split, where its journal says it."""
    counts = (run.value("data") or {}).get("class_counts", {})
    return {f"{name}_images": sum(counts[name]) for name in ("validation", "test") if name in counts}


def show_models(summary: dict[str, Any], console: Console) -> None:
    """The chosen models as a table, with the metrics that matter to the run and what networks are usually judged by.

    A model's note called "warning", which whoever extracts it may write, is shown below.
    """
    from zoo.export.front_charts import axis
    from zoo.pages.written import metric

    mattering = [text.split(" ")[1] for text in summary["objectives"]]
    names = [
        name
        for name in dict.fromkeys([*mattering, "accuracy", "test_accuracy", "macs", "params"])
        if any(name in model["metrics"] for model in summary["models"])
    ]
    title = f"{len(summary['models'])} of {summary['front']} networks on the front, {summary['measured']} measured"
    before = [name for name in names if any(name in model.get("inherited", {}) for model in summary["models"])]
    heads = [*map(axis, names), *(f"inherited {axis(name)}" for name in before)]
    table = Table("model", "trial", *heads, title=title)
    for model in summary["models"]:
        values = [(model["metrics"], name) for name in names]
        values += [(model.get("inherited", model["metrics"]), name) for name in before]
        table.add_row(str(model["model"]), str(model["trial"]), *(metric(name, of.get(name)) for of, name in values))
    console.print(table)
    for model in summary["models"]:
        warning = model.get("weights", {}).get("notes", {}).get("warning")
        if warning:
            console.print(f"Model {model['model']}: {warning}", style="yellow", markup=False, soft_wrap=True)
    worst = [d for model in summary["models"] for d in model.get("deviations", {}).values()]
    if worst:
        console.print(f"Programs deviate from the networks by {max(worst):.1g} at most.", soft_wrap=True)


def _row_of(found: RunFront, key: str) -> Numbers:
    rows = [row for row, trial in enumerate(found.trials) if trial.genotype.key == key]
    if not rows:
        raise ValueError("the run's model is none of those it has measured completely")
    return np.array(rows[:1], dtype=np.int64)
