"""`thriftnas scarlet search`: a front of sub-networks, on inherited weights or on a published table."""

from pathlib import Path
from typing import Annotated

import typer

from scarlet.commands.options import Parameters, TrainingImages
from zoo.commands import options as opt
from zoo.commands.running import perform, start


@opt.spread
def search(
    ctx: typer.Context,
    supernet: Annotated[
        Path | None,
        opt.option("Run folder of scarlet train, or its supernet.pt: networks inherit its weights.", "Data"),
    ] = None,
    images: TrainingImages = TrainingImages(),
    signal: Annotated[
        str, opt.option("Networks are ranked by: loss, accuracy or balanced_accuracy on validation images.", "Data")
    ] = "auto",
    recalibrate: Annotated[
        int | None, opt.option("Training images for batch-norm statistics; 512 or all, 0: inherited.", "Data")
    ] = None,
    table: Annotated[Path | None, opt.option("Published table: a CSV of NAS-Bench or NATS-Bench.", "Data")] = None,
    latency: Annotated[
        Path | None, opt.option("Table of zoo profile: CSV with columns layer, choice, latency.", "Data")
    ] = None,
    maximize: opt.Maximize = None,
    minimize: opt.Minimize = None,
    weights: Annotated[str | None, typer.Option(help="Like accuracy=0.7,macs=0.3; equal by default.")] = None,
    metric: opt.Metric = "auto",
    limit: opt.Limits = None,
    parameters: Parameters = Parameters(),
    seed: Annotated[int, opt.option("Of everything random in the search.", "Search")] = 0,
    audit: Annotated[int, opt.option("Networks to train alone, to see how the supernet ranks.", "Audit")] = 0,
    audit_epochs: Annotated[int | None, opt.option("Of each; the supernet's by default.", "Audit")] = None,
    compare: Annotated[
        int | None, opt.option("Trainings of the best and of equal blocks as dear; 3 if cheap, 0: none.", "Audit")
    ] = None,
    group: Annotated[int, opt.option("Networks sent to a worker at a time; part of the run.", "Workers")] = 35,
    device: opt.Device = opt.Device(),
    cluster: opt.Cluster = opt.Cluster(),
    running: opt.Running = opt.Running(out=Path("runs/search")),
) -> None:
    """Search for networks that no other beats: by default accurate, cheap, and large for what they cost.

    The weighted, constrained NSGA-II of SCARLET, and a surrogate that proposes as long as it finds more of the front.
    On a supernet, networks are ranked by their validation loss with batch-norm statistics of their own, which ranks
    them better than their accuracy does. The paper's search is --surrogate none --signal accuracy --recalibrate 0.
    Limits on what is known beforehand (MACs, parameters, latency) cost no evaluation. Killed or stopped, the same
    command continues, and ends with the same front.
    """
    from scarlet.evaluation.setup import SubnetSetup
    from scarlet.experiments.front import FrontExperiment
    from scarlet.experiments.sources import SupernetSource, TableSource
    from scarlet.strategy.audited import Audit
    from scarlet.strategy.goal import read_goal

    start(running)
    goal = read_goal(maximize or [], minimize or [], weights, limit or [])
    setup = SubnetSetup()  # of a table, which is only read
    source: SupernetSource | TableSource
    if (table is None) == (supernet is None):
        raise ValueError("expected what to measure networks with: either --supernet RUN or --table FILE")
    if supernet is not None:
        precision = device.precision(cluster)
        setup = SubnetSetup(
            device=precision.device, dtype=precision.dtype, threads=device.threads, recalibration=recalibrate
        )
        source = SupernetSource(supernet=supernet, images=images.source(supernet), latency=latency)
    else:
        assert table is not None
        source = TableSource(table=table, latency=latency)
    experiment = FrontExperiment(
        goal=goal,
        parameters=parameters.numbers(),
        seed=seed,
        setup=setup,
        group=group,
        audit=Audit(networks=audit, epochs=audit_epochs or 0) if audit else None,
        compare=compare or 0,
        compare_where_cheap=compare is None,
        metric=metric,  # type: ignore[arg-type]  # the experiment checks the text
        signal=signal,  # type: ignore[arg-type]  # the same
    )
    perform(ctx, experiment, source, running, cluster)
