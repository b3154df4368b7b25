"""`thriftnas run export`: the models along a run's front, or the model it ends with, as files for others."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from zoo.commands import options as opt

FORMATS = "json,csv,parquet,state,safetensors,torch,onnx,table"


def export(
    run: opt.Run,
    models: Annotated[
        int | None, typer.Option(help="Models at equal distances along the front; 5, or all, by default.")
    ] = None,
    best: Annotated[
        str | None,
        typer.Option(
            metavar="[METRIC]",
            help="The one model that is best within the limits, by a metric, or by what judges the run.",
        ),
    ] = None,
    format: Annotated[str, typer.Option(help=f"Some of {FORMATS}.")] = "json,csv,table",
    maximize: opt.Maximize = None,
    minimize: opt.Minimize = None,
    limit: opt.Limits = None,
    retrained: Annotated[
        list[Path] | None,
        typer.Option(help="A run of zoo train, whose weights are taken for its genotype; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder; RUN/export by default.")] = None,
    as_json: opt.Json = False,
) -> None:
    """Write models of a run as files: genotypes, metrics, weights, programs, and the picture of its front.

    Of a search for several objectives: models at equal distances along the front, or the best-ranked one (--best),
    with inherited or retrained weights.
    Of a run that ends with a model (zoo train, zoo build, econas search, darts search --finalists): that model.
    state is a model file of this package, safetensors its weights by name, torch a program for torch.export.load, onnx
    one for onnxruntime, beside predict_onnx.py, which needs no torch; they are read back and compared with the network.
    """
    from zoo.experiments import Run
    from zoo.experiments.fronts import Wanted, deliver, show_models
    from zoo.export.delivery import parse_formats

    wanted = Wanted(
        models=models,
        formats=parse_formats(format),
        maximize=maximize or (),
        minimize=minimize or (),
        limits=limit or (),
        retrained=retrained or (),
        best=best,
    )
    folder = run / "export" if out is None else out
    summary = deliver(Run.open(run), wanted, folder)
    if as_json:
        print(json.dumps({"folder": str(folder), **summary}))
        return
    show_models(summary, Console())
    Console().print(f"Files: {folder} (open {folder / summary['page']})", soft_wrap=True, markup=False)
