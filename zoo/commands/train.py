"""`thriftnas zoo train`: train one genotype at an original setting and keep it as a model."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import options as opt
from zoo.commands.running import perform, start
from zoo.training.originals import AUXILIARY


@opt.spread
def train(
    ctx: typer.Context,
    genotype: Annotated[
        str,
        typer.Argument(help="A JSON file, DARTS_V1, DARTS_V2, PC_DARTS, NASNET_A, AMOEBANET_A, SCARLET_A, _B or _C."),
    ],
    recipe: Annotated[str, opt.option("cifar, or imagenet (always streamed).", "Training")] = "cifar",
    images: opt.Images = opt.Images(),
    stream: Annotated[
        bool, opt.option("Decode images while training (random resized crops).", "Data", "--stream")
    ] = False,
    loaders: Annotated[int, opt.option("Processes that decode streamed images.", "Data")] = 2,
    every: Annotated[int | None, opt.option("Steps between checkpoints; an epoch by default.", "Run")] = None,
    rates: opt.Rates = opt.Rates(),
    auxiliary: Annotated[bool, opt.option("Train with an auxiliary head.", "Training", "--auxiliary")] = False,
    auxiliary_weight: Annotated[float, opt.option("Weight of its loss.", "Training")] = AUXILIARY,
    sync_bn: Annotated[
        bool, opt.option("Batch normalisation over all processes (CUDA).", "Workers", "--sync-bn")
    ] = False,
    channels: Annotated[int | None, opt.option("Initial channels; the recipe's by default.", "Network")] = None,
    cells: Annotated[int | None, opt.option("Cells; two of them reduce; the recipe's by default.", "Network")] = None,
    resolution: Annotated[int | None, opt.option("Pixels a side; the recipe's by default.", "Network")] = None,
    compare: Annotated[int, opt.option("Further trainings, and as many of an unsearched network.", "Training")] = 0,
    seed: opt.Seed = 0,
    compute: opt.Alone = opt.Alone(),
    running: opt.Running = opt.Running(out=Path("runs/train")),
) -> None:
    """Train a genotype at an original setting, as long as papers do; write the network as a model file.

    A model-NN.json of run export says its own channels, cells and resolution.

    The weights are those of the last epoch; validation accuracy is measured every epoch and chooses nothing,
    the test images are read once, at the end. Killed or stopped, the same command continues from the last epoch, or
    from the last --every steps. Several GPUs: torchrun --nproc-per-node N --no-python thriftnas zoo train ...
    """
    from zoo.experiments.kinds.training import paper_training, training_side
    from zoo.spaces.named import read_blueprint
    from zoo.training.distributed import process_place
    from zoo.training.originals import original_of

    start(running)
    original, what = original_of(recipe), read_blueprint(genotype)
    experiment = paper_training(
        what,
        original,
        epochs=rates.epochs,
        recipe=rates.changed(original.recipe, auxiliary=auxiliary_weight if auxiliary else 0.0),
        sizes={"channels": channels, "cells": cells, "resolution": resolution},
        precision=compute.precision(),
        seed=seed,
        threads=compute.chosen_threads(running.out),
    )
    experiment = experiment.in_parts(every, process_place()[1], sync_bn=sync_bn, loaders=loaders, compare=compare)
    side = training_side(what, original) if resolution is None else resolution
    perform(ctx, experiment, images.source(side, streamed=stream or original.streamed), running)
