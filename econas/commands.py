"""`thriftnas econas`: the hierarchical-proxy search, on images to a trained network, or on a published table."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from econas import recipe as papers
from zoo.commands import options as opt
from zoo.commands import running as cli
from zoo.training.originals import AUXILIARY

if TYPE_CHECKING:
    from econas.audit_request import AuditRequest

app = typer.Typer(no_args_is_help=True, help="EcoNAS: evolution on hierarchical proxies (Zhou et al. 2020).")

OF_IMAGES = (
    *("preset", "latency"),
    *("data", "train", "validation", "space", "channels", "cells", "resolution", "batch", "lr", "lr_min", "cutout"),
    *("compare", "audit", "audits", "audit_networks", "audit_limit", "audit_share", "final_batch", "auxiliary"),
)
"""Options that mean nothing to a table, which trains nothing."""


@app.callback()
def _group() -> None:
    """EcoNAS: evolution on hierarchical proxies (Zhou et al. 2020)."""


def _search(text: str, *names: str) -> Any:
    return opt.option(text, "Search", *names)


def _audits(text: str) -> Any:
    return opt.option(text, "Audits: does the proxy still rank?")


def _final(text: str, *names: str) -> Any:
    return opt.option(text, "Final training", *names)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How long and how widely is searched; None: the paper's number, or what suits a table."""

    columns: Annotated[str | None, _search("Of --table: cheap=NAME@12,full=NAME@200; A|B are seeds.")] = None
    method: Annotated[str, _search("hierarchical; to compare: random, evolution, optuna:SAMPLER.")] = "hierarchical"
    setting: Annotated[str | None, _search("The cheap setting: c4r4s0e60; of a table its shortest.")] = None
    surrogate: Annotated[str | None, _search("Proposes networks: auto, forest, gp; none mutates, as the paper.")] = None
    budget: Annotated[float | None, _search("Epochs of the setting in all, retraining included; no limit.")] = None
    generations: Annotated[int | None, _search("Cycles at most: 100; no limit on a table with a budget.")] = None
    start: Annotated[int, _search("Random networks to begin with.")] = 16
    stages: Annotated[int | None, _search("Equal stages of the schedule: 3; on a table 1.")] = None
    parents: Annotated[str | None, _search("Children a cycle of parents from each population: 6,5,5.")] = None
    promotions: Annotated[str | None, _search("Promoted a cycle from each population but the last: 8,4.")] = None
    ageing: Annotated[int, _search("Cycles without training after which a network leaves.")] = 10
    signal: Annotated[
        str | None,
        _search("Ranks networks: accuracy, loss, ...; train_loss_late; on a table accuracy."),
    ] = None
    asynchronous: Annotated[
        bool, _search("Never wait for a cycle's end; the result then depends on who is done first.", "--async")
    ] = False
    reference: Annotated[
        str | None, _final("The setting the best are retrained at: c0r0s0e600; of a table its longest.")
    ] = None
    finalists: Annotated[int, _final("Networks retrained: at most; with a surrogate at least.")] = 5
    compare: Annotated[
        int | None, _final("Trainings of the winner and of a published network of as many MACs; 3 if cheap, 0: none.")
    ] = None
    final_share: Annotated[float, _final("Share of the budget kept for them, at most.")] = 1 / 3
    metric: opt.Metric = "auto"
    limit: opt.Limits = None

    def numbers(self) -> dict[str, Any]:
        """Fields of the search's parameters that mean the same on images and on a table."""
        from econas.strategy.parameters import usual_surrogate

        names = ("start", "ageing", "finalists", "final_share", "budget", "asynchronous", "metric")
        lists = {n: _whole(text, n) for n in ("parents", "promotions") if (text := getattr(self, n)) is not None}
        cycles = {} if self.generations is None else {"cycles": self.generations}
        more = {"surrogate": usual_surrogate(self.method, self.surrogate)}
        return {name: getattr(self, name) for name in names} | cycles | lists | more


@dataclass(frozen=True, kw_only=True)
class Audits:
    """Which audits are held."""

    audit: Annotated[str, _audits("auto (warn where affordable), off, warn, or escalate.")] = "auto"
    audits: Annotated[int, _audits("How many, evenly spread over the cycles.")] = 2
    audit_networks: Annotated[int, _audits("Living networks trained at a dearer setting, at most.")] = 16
    audit_limit: Annotated[float, _audits("What the lower bound of their rank correlation must reach.")] = 0.0
    audit_share: Annotated[float, _audits("Share of the search that audits may cost.")] = 0.1

    def request(self) -> "AuditRequest":
        """The same as data."""
        from econas.audit_request import AuditRequest

        sizes = {"count": self.audits, "networks": self.audit_networks}
        return AuditRequest(mode=self.audit, limit=self.audit_limit, share=self.audit_share, **sizes)  # type: ignore[arg-type]


@app.command()
@opt.spread
def search(
    ctx: typer.Context,
    images: opt.Images,
    sizes: Sizes,
    audits: Audits,
    table: Annotated[
        Path | None, opt.option("Published table instead: a CSV of NAS-Bench or NATS-Bench.", "Data")
    ] = None,
    latency: Annotated[Path | None, opt.option("Table of zoo profile, of fully sized networks.", "Data")] = None,
    final_batch: Annotated[int, _final("Images per step; all else as in zoo train.")] = papers.FINAL_RECIPE.batch,
    auxiliary: Annotated[bool, _final("Retrain with an auxiliary head.", "--auxiliary")] = False,
    network: opt.Network = opt.Network(space=papers.SPACE, channels=papers.CHANNELS, cells=papers.CELLS),
    batch: opt.Batch = papers.SEARCH_RECIPE.batch,
    lr: Annotated[float, opt.option("Learning rate at the start.", "Training")] = papers.SEARCH_RECIPE.lr,
    lr_min: Annotated[float, opt.option("Learning rate at the end.", "Training")] = papers.SEARCH_RECIPE.lr_min,
    cutout: opt.Cutout = False,
    seed: opt.Seed = 0,
    compute: opt.Compute = opt.Compute(),
    engine: opt.Engine = opt.Engine(),
    cluster: opt.Cluster = opt.Cluster(),
    running: opt.Running = opt.Running(out=Path("runs/econas")),
) -> None:
    """Search cells with cheap trainings, retrain the best fully, and end with a trained network and a report.

    Children train a third of a short schedule on small images and thin networks, the best go on. A surrogate proposes
    them; --surrogate none mutates, as the paper. None beyond a --limit is trained. Test images are read once. With
    --table nothing is trained: accuracies are looked up. Killed or stopped, the same command continues.
    """
    from econas.experiment import EcoNASExperiment
    from econas.strategy.parameters import paper_parameters, usual_signal
    from zoo.commands.setups import cell_setup
    from zoo.population.cell_latency import read_cell_latency
    from zoo.population.front import read_limits
    from zoo.training.recipe import Recipe

    cli.start(running)
    if table is not None:
        _on_table(ctx, table, sizes, seed, engine.group or 1, cluster, running)
        return
    if sizes.columns is not None:
        raise ValueError("--columns names those of a table, expected --table")
    recipe = Recipe(batch=batch, lr=lr, lr_min=lr_min, cutout=0.5 if cutout else 0.0)
    setup = cell_setup(network, compute, engine, cluster, seed, recipe)
    last = replace(papers.FINAL_RECIPE, batch=final_batch, auxiliary=AUXILIARY if auxiliary else 0.0)
    parameters = paper_parameters(
        sizes.setting, sizes.reference, sizes.stages, signal=usual_signal(sizes.signal), **sizes.numbers()
    )
    experiment = EcoNASExperiment(
        method=sizes.method, space=network.space, parameters=parameters, setup=setup, **engine.grouping(),
        final=replace(setup, recipe=last), audits=audits.request(),
        compare=sizes.compare or 0, compare_where_cheap=sizes.compare is None, within=read_limits(sizes.limit),
        latency=None if latency is None else read_cell_latency(latency),
    )  # fmt: skip
    cli.perform(ctx, experiment, images.source(network.resolution), running, cluster)


def _on_table(
    ctx: typer.Context, table: Path, sizes: Sizes, seed: int, group: int, cluster: opt.Cluster, running: opt.Running
) -> None:
    from econas.table_experiment import table_search
    from zoo.population.front import read_limits

    for option in ctx.command.params:
        if option.name in OF_IMAGES and getattr(ctx.get_parameter_source(option.name), "name", "") == "COMMANDLINE":
            raise ValueError(f"a table trains nothing: leave out {option.opts[0]} or --table")
    asked = (table, sizes.columns, sizes.setting, sizes.reference, sizes.stages)
    limits = read_limits(sizes.limit)
    numbers = {"signal": sizes.signal or "accuracy", **sizes.numbers()}
    experiment, source = table_search(*asked, numbers, method=sizes.method, seed=seed, group=group, within=limits)
    cli.perform(ctx, experiment, source, running, cluster)


def _whole(text: str, name: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ValueError(f"{name} must be whole numbers with commas, such as 6,5,5, got {text!r}") from None
