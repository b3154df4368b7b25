"""`thriftnas zoo build`: train a zoo of random networks at one setting and keep the best one as a model."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import options as opt
from zoo.commands.running import perform, start
from zoo.training import small


@opt.spread
def build(
    ctx: typer.Context,
    images: opt.Images,
    models: Annotated[int, opt.option("Random networks; raise it later to extend the zoo.", "Zoo")] = 8,
    setting: Annotated[str, opt.option("How each is trained, e.g. c0r0s0e12.", "Zoo")] = small.REFERENCE,
    metric: opt.Metric = "auto",
    network: opt.Network = opt.Network(),
    batch: opt.Batch = small.BATCH,
    cutout: opt.Cutout = True,
    seed: opt.Seed = 0,
    compute: opt.Compute = opt.Compute(),
    engine: opt.Engine = opt.Engine(),
    cluster: opt.Cluster = opt.Cluster(),
    running: opt.Running = opt.Running(out=Path("runs/zoo")),
) -> None:
    """Train random networks at one setting; write their table and the best of them as a model file.

    The best is chosen on validation images; the test images are read once, for that network, at the end.
    """
    from zoo.commands.setups import cell_setup
    from zoo.experiments.kinds import ZooExperiment
    from zoo.population.proxy import ProxySetting
    from zoo.training.recipe import Recipe

    start(running)
    recipe = Recipe(batch=batch, cutout=0.5 if cutout else 0.0)
    experiment = ZooExperiment(
        space=network.space,
        setting=ProxySetting.parse(setting),
        models=models,
        metric=metric,  # type: ignore[arg-type]  # the experiment checks the text
        **engine.grouping(),
        setup=cell_setup(network, compute, engine, cluster, seed, recipe),
    )
    perform(ctx, experiment, images.source(network.resolution), running, cluster)
