"""`thriftnas darts`: search cells by gradient, and write the report of a search."""

from pathlib import Path
from typing import Annotated, Any

import typer

from milenas.training import setup as papers
from zoo.commands import options as opt
from zoo.commands.running import perform, start

app = typer.Typer(no_args_is_help=True, help="Differentiable search: DARTS, MiLeNAS, stretchable cells.")


def _rule(text: str, *names: str) -> Any:
    return opt.option(text, "Rule", *names)


def _space(text: str) -> Any:
    return opt.option(text, "Space")


def _final(text: str) -> Any:
    return opt.option(text, "Evaluation network")


@app.command()
@opt.spread
def search(
    ctx: typer.Context,
    update: Annotated[str, _rule("single, darts1, darts2, milenas1 or milenas2.")] = "milenas1",
    lam: Annotated[
        float,
        _rule("λ of MiLeNAS: weight of the validation loss in milenas1, of the training loss in milenas2.", "--lambda"),
    ] = 1.0,
    sampler: Annotated[str, _rule("mixed, or gumbel: one operation per edge is drawn (GDAS).")] = "mixed",
    bilevel_until: Annotated[int, _rule("Epochs of the bilevel form before milenas1 or milenas2 mixes levels.")] = 0,
    split: Annotated[int, _rule("2: w and the architecture; 3: w, α and β have images of their own.")] = 2,
    topology: Annotated[str, _space("fixed, inputs, outputs or stretchable.")] = "fixed",
    nodes: Annotated[int | None, _space("Nodes of a cell with inputs and output; 7, stretchable 9 by default.")] = None,
    operations: Annotated[
        str | None, _space("Comma-separated; DARTS's eight by default, without none where the topology is learned.")
    ] = None,
    keep: Annotated[int, _space("Edges kept per node of the fixed topology.")] = 2,
    cells: Annotated[int, _space("Cells of the supernet; two of them reduce.")] = papers.CELLS,
    channels: Annotated[int, _space("Initial channels of the supernet.")] = papers.CHANNELS,
    epochs: Annotated[int, opt.option("Epochs of the search.", "Training")] = 50,
    expected_size: Annotated[int, opt.option("Stop when the cells have fewer convolutions; 0: never.", "Training")] = 0,
    batch: opt.Batch = papers.SEARCH_RECIPE.batch,
    lr: Annotated[float, opt.option("Learning rate of w.", "Training")] = papers.SEARCH_RECIPE.lr,
    arch_lr: Annotated[float, opt.option("Learning rate of α and β.", "Training")] = 3e-4,
    arch_decay: Annotated[float, opt.option("Weight decay of α and β.", "Training")] = 1e-3,
    eigenvalue: Annotated[
        bool, opt.option("Measure the Hessian's dominant eigenvalue.", "Run", "--eigenvalue")
    ] = False,
    every: Annotated[int | None, opt.option("Steps between checkpoints; an epoch by default.", "Run")] = None,
    final_cells: Annotated[int | None, _final("Cells; 20, or as the supernet where the topology is learned.")] = None,
    final_channels: Annotated[int, _final("Initial channels.")] = papers.FINAL_CHANNELS,
    params: Annotated[float | None, _final("Parameters wanted, e.g. 3.3e6; chooses the channels.")] = None,
    finalists: Annotated[int, _final("Networks to retrain: the last one and winners of other sizes.")] = 0,
    final_epochs: Annotated[int, _final("Epochs of retraining.")] = 0,
    compare: Annotated[int, _final("Further trainings of the best, and as many of an unsearched network.")] = 0,
    metric: opt.Metric = "auto",
    images: opt.Images = opt.Images(),
    stream: Annotated[bool, opt.option("Decode images while searching (random crops).", "Data", "--stream")] = False,
    loaders: Annotated[int, opt.option("Processes that decode streamed images.", "Data")] = 2,
    resolution: opt.Resolution = None,
    seed: opt.Seed = 0,
    compute: opt.Alone = opt.Alone(),
    running: opt.Running = opt.Running(out=Path("runs/darts")),
) -> None:
    """Search cells by gradient descent; write genotypes, a report, and the command that retrains the result.

    Accuracies are measured on validation images that neither weights nor architecture are trained on; the test
    images are read only for a retrained model. Images that do not fit in memory: --stream, and --every for long epochs.
    Killed or stopped, the same command continues, to the same result.
    Several GPUs: torchrun --nproc-per-node N --no-python thriftnas darts search ...
    """
    from milenas.experiment import DifferentiableExperiment
    from milenas.supernet.config import paper_config
    from milenas.training.setup import Method, paper_setup
    from zoo.training.distributed import process_place

    start(running)
    names = None if operations is None else tuple(name.strip() for name in operations.split(","))
    shape = paper_config(topology, nodes=nodes, operations=names, keep=keep)
    method = Method(
        update=update,  # type: ignore[arg-type]  # checked there, as the sampler is
        lam=lam,
        sampler=sampler,  # type: ignore[arg-type]
        bilevel_until=bilevel_until,
        lr=arch_lr,
        weight_decay=arch_decay,
    )
    setup = paper_setup(
        shape,
        {"channels": channels, "cells": cells, "final_channels": final_channels, "final_cells": final_cells},
        {"batch": batch, "lr": lr},
        params=params,
        method=method,
        epochs=epochs,
        every=every,
        split=split,
        eigenvalue=eigenvalue,
        retrain_epochs=final_epochs,
        precision=compute.precision(),
        seed=seed,
        threads=compute.chosen_threads(running.out),
    )
    experiment = DifferentiableExperiment(
        setup=setup,
        expected_size=expected_size,
        retrain=finalists,
        processes=process_place()[1],
        loaders=loaders,
        compare=compare,
        metric=metric,  # type: ignore[arg-type]  # the experiment checks the text
    )
    perform(ctx, experiment, images.source(resolution, streamed=stream), running)


@app.command()
def report(run: opt.Run, as_json: opt.Json = False) -> None:
    """Write the report and the genotypes of a search as far as it is, as `thriftnas run report` does."""
    from milenas.experiment import DifferentiableExperiment
    from zoo.commands import runs
    from zoo.experiments.run import Run

    kind = Run.open(run).kind
    if kind != DifferentiableExperiment.name:
        raise ValueError(f"expected a run of darts search, got one of {kind!r}")
    runs.report(run, as_json=as_json)
