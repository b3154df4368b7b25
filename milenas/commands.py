"""`thriftnas darts`: search cells by gradient, and write the report of a search."""

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from zoo.launch import check_folder, counting_bar

from milenas.plan import Plan, estimate
from milenas.run import keep_report, run_search, say_report
from milenas.strategy.search import SupernetSearch
from milenas.supernet.config import DARTS_OPERATIONS, SupernetConfig, learned
from milenas.supernet.topology import KINDS
from milenas.training.rules import Update
from milenas.training.setup import SEARCH_RECIPE, Method, Sampler, SearchSetup
from zoo.commands import options as opt
from zoo.data import load
from zoo.population.journal import Journal
from zoo.spaces.skeleton import Skeleton
from zoo.training import Recipe
from zoo.training.distributed import process_place
from zoo.training.originals import ORIGINALS

app = typer.Typer(no_args_is_help=True, help="Differentiable search: DARTS, MiLeNAS, stretchable cells.")

NODES = {"fixed": 7, "inputs": 7, "outputs": 7, "stretchable": 9}
CELLS = 20
"""Cells of the evaluation network of fixed edges (Liu et al. 2019); learned topologies keep the search's number."""


def _rule(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Rule")


def _space(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Space")


def _final(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Evaluation network")


@app.command()
def search(
    ctx: typer.Context,
    update: Annotated[str, _rule("single, darts1, darts2, milenas1 or milenas2.")] = "milenas1",
    lam: Annotated[
        float,
        typer.Option(
            "--lambda",
            help="λ of MiLeNAS: weight of the validation loss in milenas1, of the training loss in milenas2.",
            rich_help_panel="Rule",
        ),
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
    layers: Annotated[int, _space("Cells of the supernet; two of them reduce.")] = 8,
    channels: Annotated[int, _space("Initial channels of the supernet.")] = 16,
    epochs: Annotated[int, typer.Option(help="Epochs of the search.", rich_help_panel="Training")] = 50,
    expected_size: Annotated[
        int,
        typer.Option(help="Stop when the cells have fewer convolutions; 0: never.", rich_help_panel="Training"),
    ] = 0,
    batch: opt.Batch = SEARCH_RECIPE.batch,
    lr: Annotated[float, typer.Option(help="Learning rate of w.", rich_help_panel="Training")] = SEARCH_RECIPE.lr,
    arch_lr: Annotated[float, typer.Option(help="Learning rate of α and β.", rich_help_panel="Training")] = 3e-4,
    arch_decay: Annotated[float, typer.Option(help="Weight decay of α and β.", rich_help_panel="Training")] = 1e-3,
    eigenvalue: Annotated[
        bool, typer.Option("--eigenvalue", help="Measure the Hessian's dominant eigenvalue.", rich_help_panel="Run")
    ] = False,
    every: Annotated[
        int | None, typer.Option(help="Steps between checkpoints; an epoch by default.", rich_help_panel="Run")
    ] = None,
    final_layers: Annotated[int | None, _final("Cells; 20, or as the supernet where the topology is learned.")] = None,
    final_channels: Annotated[int, _final("Initial channels.")] = 36,
    params: Annotated[float | None, _final("Parameters wanted, e.g. 3.3e6; chooses the channels.")] = None,
    retrain: Annotated[int, _final("Networks to retrain: the last one and winners of other sizes.")] = 0,
    retrain_epochs: Annotated[int, _final("Epochs of retraining.")] = 0,
    data: opt.Data = "cifar10",
    train: opt.Train = None,
    validation: opt.Validation = None,
    resolution: opt.Resolution = None,
    seed: opt.Seed = 0,
    threads: opt.Threads = 1,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "float32",
    channels_last: opt.ChannelsLast = True,
    out: opt.Out = Path("runs/darts"),
    time: opt.Time = None,
    dry_run: opt.DryRun = False,
    as_json: opt.Json = False,
) -> None:
    """Search cells by gradient descent; write genotypes, a report, and the command that retrains the result.

    Accuracies are measured on validation images that neither weights nor architecture are trained on; the test
    images are read only for a retrained model. Killed or stopped, the same command continues, to the same result.
    Several GPUs: torchrun --nproc-per-node N --no-python thriftnas darts search ...
    """
    rank, size, _ = process_place()
    console = Console(stderr=as_json or rank > 0, quiet=rank > 0)
    if not dry_run and not rank:
        check_folder(out)
    seconds = opt.parse_time(time)
    if threads < 1 or seed < 0:
        raise ValueError(f"threads must be at least 1 and the seed at least 0, got {threads} and {seed}")
    shape = _shape(topology, nodes, operations, keep)
    method = Method(
        update=cast(Update, update), lam=lam, sampler=cast(Sampler, sampler), bilevel_until=bilevel_until, lr=arch_lr,
        weight_decay=arch_decay,
    )  # fmt: skip
    recipe = Recipe(batch=batch, lr=lr, lr_min=min(lr, SEARCH_RECIPE.lr_min), cutout=SEARCH_RECIPE.cutout)
    final = final_layers if final_layers is not None else CELLS if topology == "fixed" else layers
    setup = SearchSetup(
        shape=shape, skeleton=Skeleton(channels=channels, cells=layers),
        final=Skeleton(channels=final_channels, cells=final), params=params, recipe=recipe, method=method,
        epochs=epochs, every=every, split=split, eigenvalue=eigenvalue, retrain=ORIGINALS["cifar"].recipe,
        retrain_epochs=retrain_epochs, precision=opt.process_precision(device, dtype, channels_last), seed=seed,
        threads=threads,
    )  # fmt: skip
    SupernetSearch(shape, epochs, expected_size=expected_size, retrain=retrain, retrain_epochs=retrain_epochs)
    with counting_bar("decoding images", console) as progress:
        images = load(data, resolution=resolution, train=train, validation=validation, seed=seed, progress=progress)
    plan = Plan.fitted(
        setup, images, processes=size, expected_size=expected_size, retrain=retrain,
        asked={"data": data, "train": train, "val": validation, "resolution": resolution},
    )  # fmt: skip
    if rank:
        if not dry_run:
            with plan.ranks() as (ranks, evaluator):
                ranks.follow(evaluator)
    elif dry_run:
        _say(estimate(plan), as_json)
    elif not run_search(out, ctx.obj, plan, seconds, console, as_json):
        opt.say_stopped(out, time, console, as_json)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Run folder of a search.")],
    as_json: opt.Json = False,
) -> None:
    """Write the report and the genotypes of a search as far as it is."""
    console = Console(stderr=as_json)
    journal = Journal.open(run, readonly=True)
    try:
        findings, commands = keep_report(run, journal)
    finally:
        journal.close()
    say_report(run, findings, commands, console, as_json)


def _shape(topology: str, nodes: int | None, operations: str | None, keep: int) -> SupernetConfig:
    if topology not in KINDS:
        raise ValueError(f"topology must be one of {', '.join(KINDS)}, got {topology!r}")
    names = tuple(name.strip() for name in operations.split(",")) if operations is not None else DARTS_OPERATIONS
    if operations is None and topology != "fixed":
        names = learned(names)
    return SupernetConfig(
        topology=topology,
        nodes=NODES[topology] if nodes is None else nodes,
        operations=names,
        keep=keep,
    )


def _say(price: dict[str, float], as_json: bool) -> None:
    if as_json:
        print(json.dumps(price))
        return
    for name, value in price.items():
        print(f"{name:<12} {f'{value:.3g}' if isinstance(value, float) else value}")
