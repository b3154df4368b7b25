"""`thriftnas scarlet train`: train a supernet epoch by epoch and keep it as one file."""

from pathlib import Path
from typing import Annotated

import typer

from scarlet.supernet.recipe import EPOCHS, RECIPE, SPACE
from scarlet.supernet.rules import RULES
from zoo.commands import options as opt
from zoo.commands.running import perform, start
from zoo.spaces.chain import CHAINS


@opt.spread
def train(
    ctx: typer.Context,
    space: Annotated[str, opt.option(f"{', '.join(CHAINS)}.", "Network")] = SPACE,
    sampling: Annotated[str, opt.option(f"What a step trains: {', '.join(RULES)}.", "Training")] = "fair",
    stabilizers: Annotated[
        bool, opt.option("Skips are 1×1 convolutions.", "Network", "--stabilizers/--plain-skips")
    ] = True,
    stabilizer_start: Annotated[str, opt.option("They begin as skips: identity; or random.", "Network")] = "identity",
    shared_squeeze: Annotated[bool, opt.option("One SE a layer and expansion.", "Network", "--shared-squeeze")] = False,
    images: opt.Images = opt.Images(),
    stream: Annotated[bool, opt.option("Decode images while training (random crops).", "Data", "--stream")] = False,
    loaders: Annotated[int, opt.option("Processes that decode streamed images.", "Data")] = 2,
    every: Annotated[int | None, opt.option("Steps between checkpoints; an epoch by default.", "Run")] = None,
    channels: Annotated[int | None, opt.option("Channels of the stem, the others in proportion.", "Network")] = None,
    resolution: opt.Resolution = None,
    rates: opt.Rates = opt.Rates(),
    seed: opt.Seed = 0,
    compute: opt.Alone = opt.Alone(),
    running: opt.Running = opt.Running(out=Path("runs/supernet")),
) -> None:
    """Train a supernet; write it as one file that `thriftnas scarlet search` and `scarlet extract` read.

    Every epoch is a trial: killed or stopped, the same command continues. Its accuracy is the mean of a few fixed
    random paths on validation images; test images are never read. Images that do not fit in memory: --stream, and
    --every for long epochs. The recipe: 60 epochs of SGD, batch 128, learning rate from 0.045 to 0, weight decay 4e-5
    of what a step's paths use, no cutout. Several GPUs:
    torchrun --nproc-per-node N --no-python thriftnas scarlet train ...
    """
    from scarlet.experiments.supernet import SupernetExperiment
    from scarlet.supernet.form import SupernetForm
    from scarlet.supernet.setup import SupernetSetup, paper_training
    from zoo.population.proxy import ProxySetting
    from zoo.training.distributed import process_place

    start(running)
    training = paper_training(
        space,
        rates.changed(RECIPE),
        channels=channels,
        resolution=resolution,
        precision=compute.precision(),
        seed=seed,
        threads=compute.chosen_threads(running.out),
    )
    experiment = SupernetExperiment(
        form=SupernetForm(space=space, stabilizers=stabilizers, shared_squeeze=shared_squeeze),
        setting=ProxySetting(0, 0, 0, EPOCHS if rates.epochs is None else rates.epochs),
        setup=SupernetSetup(training=training, sampling=sampling, start=stabilizer_start, every=every),  # type: ignore
        loaders=loaders,
        processes=process_place()[1],
    )
    perform(ctx, experiment, images.source(resolution, streamed=stream), running)
