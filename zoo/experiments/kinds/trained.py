"""What a run that trains networks ends with: the model of one of its trials, and a page of what was trained."""

import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from zoo.experiments.folder import WEIGHTS
from zoo.experiments.report import Report
from zoo.files import parsed_json, write_json
from zoo.pages.written import COUNTS, MISSING, large, metric, percent
from zoo.population.judged import Judged
from zoo.population.metric import METRICS, names_one_class
from zoo.population.trial import ALONE, Record, Trial
from zoo.population.weights import WeightStore
from zoo.training.setup import TrainingSetup

if TYPE_CHECKING:
    import pandas as pd

    from zoo.data.image_set import ImageSet
    from zoo.data.stream import ImageStream
    from zoo.experiments.run import Run
    from zoo.export.model import Model
    from zoo.pages.page import Step, Tile

MODEL = "model.pt"
TEMPLATE = "zoo.experiments/run.html"

Panel = tuple[str, str, Sequence[str]]
"""Title, y axis and columns of a chart of lines."""


def best_trial(run: "Run", metric: str = "accuracy") -> tuple[Trial, Record]:
    """The trial with the highest validation accuracy, or another metric, of those trained to the end.

    Raises:
        ValueError: if every network failed; names the first reason.
    """
    with run.journal() as journal:
        found = journal.best(Judged(metric=metric), apart=ALONE)
        if found is not None:
            return journal.trial(found[0]), journal.records()[found[0]]
        frame = journal.frame()
    raise ValueError(f"all {len(frame)} networks failed; the first: {frame['reason'].iloc[0]}")


def keep_trained(
    run: "Run",
    trained: tuple[Trial, Record],
    setup: TrainingSetup,
    images: "ImageSet | ImageStream",
    loaders: int = 0,
) -> dict[str, Any]:
    """Write a trial's network as model.pt, read the test images, and write what it reaches there, with best.json.

    A model that is there already and whole, of this trial and its measurement, stays: its weights are needed no more.

    Args:
        run: whose folder has the weights.
        trained: the trial and its record.
        setup: it was trained with.
        images: of the run.
        loaders: processes that decode the test images of a stream.

    Returns:
        What is known about the model, JSON-ready.

    Raises:
        LostWeights: if the weights are missing or damaged.
        ValueError: if an image cannot be read.
    """
    from zoo.export.model import save_model
    from zoo.export.trained import trained_model, with_test_accuracy
    from zoo.training.device import local_device

    path, trial, record = run.folder / MODEL, trained[0], run.restored(trained[1])
    model = _held(path, trial, record)
    if model is None:
        device = local_device(setup.precision)
        model = trained_model(trial, record, WeightStore(run.folder / WEIGHTS), setup, images, device)
        save_model(model, path)  # a test image that cannot be read must not cost the training
        try:
            model = with_test_accuracy(model, images, setup.precision, device, loaders)
        except ValueError as error:
            raise ValueError(
                f"{error}; the model is kept in {path}, and the same command measures it once the image can be read"
            ) from error
        save_model(model, path)
    summary: dict[str, Any] = {"model": str(path), **model.notes}
    write_json(run.folder / "best.json", {**summary, "genotype": model.genotype.to_dict()})
    return summary


def _held(path: Path, trial: Trial, record: Record) -> "Model | None":
    from zoo.export.model import load_model

    try:
        model = load_model(path)
    except (OSError, ValueError):
        return None
    told = (trial.index, record.metrics["accuracy"], record.metrics["balanced_accuracy"])
    of_it = tuple(model.notes.get(name) for name in ("trial", "accuracy", "balanced_accuracy")) == told
    return model if of_it and model.genotype == trial.genotype and "test_accuracy" in model.notes else None


def kept_summary(folder: Path) -> dict[str, Any]:
    """What :func:`keep_trained` said about the model, without its genotype; empty where there is none.

    The model's path is today's: the folder may have been moved.
    """
    path = folder / "best.json"
    if not path.exists():
        return {}
    summary: dict[str, Any] = parsed_json(path.read_text(encoding="utf-8"))
    summary.pop("genotype", None)
    return {**summary, "model": str(folder / MODEL)}


def one_class_said(run: "Run", kept: Mapping[str, Any]) -> list[str]:
    """That the network a run ends with names one class only, on validation or on test images; empty where not."""
    counts = (run.value("data") or {}).get("class_counts", {})
    for split, start in (("validation", ""), ("test", "test_")):
        accuracy, balanced = (kept.get(f"{start}{name}", math.nan) for name in METRICS)
        if names_one_class(accuracy, balanced, counts.get(split, ())):
            return [
                f"Warning: this network names one class for every {split} image (accuracy {percent(accuracy)}, "
                f"balanced accuracy {percent(balanced)}): it has learned nothing but which class is frequent."
            ]
    return []


def say_model(folder: Path, console: Console) -> None:
    """The last line of a run that ends with a model; nothing where there is none."""
    path = folder / MODEL
    if path.exists():
        console.print(f"Model: {path} (use: thriftnas predict {path} IMAGE)", soft_wrap=True, markup=False)


def training_report(
    run: "Run",
    columns: Sequence[str],
    panels: Sequence[Panel],
    sentences: Sequence[str],
    more: Mapping[str, Any],
    steps: Sequence["Step"] = (),
) -> Report:
    """The report of a run whose trials are the epochs of one training: a table of epochs and its curves.

    Args:
        run: to report on.
        columns: of the table, besides the epoch.
        panels: of the curves.
        sentences: the answer; the first one is the page's heading.
        more: of the summary.
        steps: what comes next, where that is not a model's.

    Raises:
        ValueError: if nothing has been measured yet.
    """
    frame = measured_frame(run).rename(columns={"stop": "epoch"})
    table = frame.reindex(columns=["epoch", *columns])
    page = run_page(run, sentences, partial(line_charts, table, "epoch", panels), table, steps)
    return Report(
        summary={"epochs": len(frame), **more},
        tables={"epochs": table},
        page=page,
        files={"epochs.csv": table.to_csv(index=False, lineterminator="\n")},
        show=lambda console: say_sentences(sentences, run, console),
    )


def measured_frame(run: "Run") -> "pd.DataFrame":
    """A row per trial, but for those of a comparison.

    Raises:
        ValueError: if nothing has been measured yet.
    """
    if not run.status["done"]:
        raise ValueError(f"{run.folder} has measured nothing yet; there is nothing to report")
    frame = run.frame
    return frame[frame["role"] != ALONE].reset_index(drop=True)


def line_charts(table: "pd.DataFrame", x: str, panels: Sequence[Panel], narrow: bool = False) -> str:
    """Curves of a table's columns as SVG; for a screen as wide as a hand where it is narrow."""
    from zoo.figures import Curve, Curves, curves_svg
    from zoo.pages.written import SHARES

    drawn = [
        Curves(
            title=title,
            xlabel=x,
            ylabel=ylabel,
            percent=all(name in SHARES for name in names if name in table),
            curves=[
                Curve(label=name.replace("_", " "), x=table[x].tolist(), y=table[name].astype(float).tolist())
                for name in names
                if name in table and table[name].notna().any()
            ],
        )
        for title, ylabel, names in panels
    ]
    shown = [panel for panel in drawn if panel.curves]
    name = "training-narrow" if narrow else "training"
    return curves_svg(shown, name=name, description="Curves of the training", narrow=narrow) if shown else ""


def run_page(
    run: "Run",
    sentences: Sequence[str],
    pictures: Callable[[bool], str] | None,
    table: "pd.DataFrame",
    steps: Sequence["Step"] = (),
) -> str:
    """A self-contained page: the answer, pictures, a table, and what was run.

    Args:
        run: to show.
        sentences: the answer, and what else nobody should overlook.
        pictures: draws them as SVG, for a narrow screen or not; None: there are none.
        table: of what was measured.
        steps: what comes next, beside what does for every run.
    """
    from zoo.pages.chart import both
    from zoo.pages.page import called, facts, render_page

    about = run.facts()
    identity = about.pop("identity")
    command = called(about)
    about.pop("command", None)
    parts = {"Run": identity.get("strategy"), "Training": identity.get("setup"), **about}
    contents = {
        "title": f"{run.kind}: {sentences[0]}",
        "kicker": f"A run of {run.kind}: {run.folder.name}",
        "answer": f"{sentences[0][:1].upper()}{sentences[0][1:]}",
        "notes": list(sentences[1:]),
        "tiles": list(_tiles(run)),
        "steps": [*_steps(run), *steps],
        "called": command,
        "pictures": "" if pictures is None else both(pictures),
        "columns": [str(name) for name in table.columns],
        "rows": [
            [(value, _written(name, value)) for name, value in zip(table.columns, row, strict=True)]
            for row in table.astype(object).where(table.notna(), None).to_numpy().tolist()
        ],
        "run": [(str(name).capitalize(), list(facts(part))) for name, part in parts.items() if part],
    }
    return render_page(TEMPLATE, contents)


def _written(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return MISSING
    return metric(name, value) if isinstance(value, float) or name in COUNTS else value


def _tiles(run: "Run") -> "Iterator[Tile]":
    """What is known of the model that the run ends with, and how much was measured."""
    from zoo.pages.page import Tile

    kept, counts = kept_summary(run.folder), run.status
    for name, title in (("accuracy", "Validation accuracy"), ("test_accuracy", "Test accuracy")):
        if isinstance(kept.get(name), float):
            yield Tile(title, percent(kept[name], 2), "of the model that is kept")
    if "params" in kept and "macs" in kept:
        yield Tile("Parameters", large(kept["params"]), f"{large(kept['macs'])} MACs per image")
    yield Tile("Measured", f"{counts['done']:,}", f"{counts['failed']:,} failed, {counts['pending']:,} pending")


def _steps(run: "Run") -> "Iterator[Step]":
    """The commands that come next."""
    from zoo.pages.page import Step

    place, model = shlex.quote(str(run.folder)), shlex.quote(str(run.folder / MODEL))
    if not run.finished:
        yield Step("Continue the run:", f"thriftnas run resume {place}")
    elif (run.folder / MODEL).exists():
        export = f"thriftnas run export {place} --format onnx,state,json"
        yield Step("Export the network as a program that runs without this package:", export)
        yield Step("Or look at what it says of pictures:", f"thriftnas predict {model} IMAGE")


def say_sentences(sentences: Sequence[str], run: "Run", console: Console) -> None:
    """The answer of a report, and the model, where the run ends with one."""
    for sentence in sentences:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    say_model(run.folder, console)
