"""`thriftnas zoo study`: which reduced setting or score ranks networks as the reference does, and what it saves."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import options as opt
from zoo.commands.running import perform, start
from zoo.training import small

PANEL = "Study"


@opt.spread
def study(
    ctx: typer.Context,
    images: opt.Images,
    models: Annotated[
        int | None, opt.option("Random networks; raise it to go on. Usually 24; until decided 50, at most.", PANEL)
    ] = None,
    until: Annotated[
        str,
        opt.option(
            "models: measure them all. decided: look at 12, 16, 24, 36 and 50 networks, and end as soon as a candidate "
            "is safe and cheap enough, or none can be.",
            PANEL,
        ),
    ] = "models",
    at_least: Annotated[
        float, opt.option("Until decided: times cheaper than the reference that is cheap enough.", PANEL)
    ] = 4,
    setting: Annotated[
        str, opt.option("Grid of reduced settings: levels of c, r, s from 0 to 4, and epochs e.", PANEL)
    ] = small.GRID,
    reference: Annotated[str, opt.option("The setting whose ranking counts.", PANEL)] = small.REFERENCE,
    repeats: Annotated[
        int, opt.option("Trainings per network at the reference, each with its own seed; may be raised later.", PANEL)
    ] = 2,
    target: Annotated[float, opt.option("Spearman correlation a candidate must reach.", PANEL)] = 0.8,
    metric: opt.Metric = "auto",
    cost: opt.Cost = "macs",
    signals: Annotated[
        str | None,
        opt.option("What of a training ranks networks, such as accuracy,loss; usually all that are built in.", PANEL),
    ] = None,
    scores: Annotated[
        str, opt.option("Measured without training, separated by commas, or none; they cost next to nothing.", PANEL)
    ] = "synflow,snip,grad_norm,naswot,zico",
    network: opt.Network = opt.Network(),
    batch: opt.Batch = small.BATCH,
    cutout: opt.Cutout = True,
    seed: opt.Seed = 0,
    compute: opt.Compute = opt.Compute(),
    engine: opt.Engine = opt.Engine(),
    cluster: opt.Cluster = opt.Cluster(),
    running: opt.Running = opt.Running(out=Path("runs/study")),
) -> None:
    """Train a zoo of random networks at a reference and at reduced settings; say which one to trust.

    Every setting is ranked by each of its signals (accuracy, losses), and networks are scored without training, too. A
    setting is written c4r4s0e60: levels of channels, resolution and samples (0 is the original, every level
    halves the cost) and epochs. The defaults fit a laptop; the paper's study is --channels 36 --cells 20
    --reference c0r0s0e600 --setting "c{0,1,2,3,4}r{0,1,2,3,4}s{0,1}e{30,60,90,120}" --batch 96 on cifar10.
    """
    from zoo.commands.setups import cell_setup
    from zoo.experiments.kinds.study import MODELS, OWN_SIGNALS, StudyExperiment, parse_names
    from zoo.population.proxy import ProxySetting, parse_grid
    from zoo.training.recipe import Recipe

    start(running)
    experiment = StudyExperiment(
        space=network.space,
        settings=tuple(parse_grid(setting)),
        reference=ProxySetting.parse(reference),
        scores=parse_names(scores),
        until=until,  # type: ignore[arg-type]  # the experiment checks the text
        repeats=repeats,
        models=MODELS.get(until, 1) if models is None else models,
        target=target,
        at_least=at_least,
        metric=metric,  # type: ignore[arg-type]
        cost=cost,  # type: ignore[arg-type]
        signals=OWN_SIGNALS if signals is None else parse_names(signals),
        **engine.grouping(),
        setup=cell_setup(network, compute, engine, cluster, seed, Recipe(batch=batch, cutout=0.5 if cutout else 0.0)),
    )
    perform(ctx, experiment, images.source(network.resolution), running, cluster)
