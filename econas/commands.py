"""`thriftnas econas`: the hierarchical-proxy search on images, from random cells to a trained network."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from zoo.launch import WEIGHTS, Placement, check_folder, locked, open_run, run, write_json

from econas.history.report import report_search
from econas.plan import METHODS, Plan, dearer, ladder, pricing, stages
from econas.strategy.audit import MODES, Auditing, Step
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters
from zoo.commands import options as opt
from zoo.commands.build import keep_model, say_how_to_use
from zoo.export.trained import trained_model
from zoo.population.journal import Journal
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import GenotypeSequence
from zoo.population.trial import Trial
from zoo.population.weights import WeightStore
from zoo.spaces.cell_space import cell_space
from zoo.spaces.cost import cost as network_cost
from zoo.spaces.genotype import require_cells
from zoo.training import Recipe
from zoo.training.originals import AUXILIARY, ORIGINALS
from zoo.training.speed import seconds_per_image

app = typer.Typer(no_args_is_help=True, help="EcoNAS: evolution on hierarchical proxies (Zhou et al. 2020).")

JOURNAL_BYTES, BYTES_PER_PARAMETER = 2_500, 8
"""What a trial takes in the journal, and a network in the weight store: parameters and momentum."""
SEARCH, FINAL = "Search", "Final training"
AUDITS = "Audits: does the proxy still rank?"
CIFAR = ORIGINALS["cifar"]


@app.callback()
def _group() -> None:
    """EcoNAS: evolution on hierarchical proxies (Zhou et al. 2020)."""


def _numbers(text: str, name: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ValueError(f"{name} must be whole numbers with commas, such as 6,5,5, got {text!r}") from None


def _option(text: str, panel: str = SEARCH) -> Any:
    return typer.Option(help=text, rich_help_panel=panel)


@app.command()
def search(
    ctx: typer.Context,
    data: opt.Data = "cifar10",
    setting: Annotated[str, _option("The cheap setting networks are searched at.")] = "c4r4s0e60",
    budget: Annotated[
        float | None, _option("Epochs of the setting in all, retraining included; none by default.")
    ] = None,
    cycles: Annotated[int, _option("Cycles at most.")] = 100,
    start: Annotated[int, _option("Random networks to begin with.")] = 16,
    stages_: Annotated[int, typer.Option("--stages", help="Equal stages of the schedule.", rich_help_panel=SEARCH)] = 3,
    parents: Annotated[str, _option("Children a cycle of parents from each population.")] = "6,5,5",
    promotions: Annotated[str, _option("Promoted a cycle from each population but the last, at most half.")] = "8,4",
    ageing: Annotated[int, _option("Cycles without training after which a network leaves.")] = 10,
    asynchronous: Annotated[
        bool,
        typer.Option(
            "--async",
            help="Never wait for a cycle's end; the result then depends on who is done first.",
            rich_help_panel=SEARCH,
        ),
    ] = False,
    method: Annotated[
        str, _option("hierarchical, or for comparison random or evolution at the same setting and budget.")
    ] = "hierarchical",
    audit: Annotated[str, _option("auto (warn where affordable), off, warn, or escalate.", AUDITS)] = "auto",
    audits: Annotated[int, _option("How many, evenly spread over the cycles.", AUDITS)] = 2,
    audit_networks: Annotated[int, _option("Living networks trained at a dearer setting, at most.", AUDITS)] = 16,
    audit_limit: Annotated[float, _option("What the lower bound of their rank correlation must reach.", AUDITS)] = 0.0,
    audit_share: Annotated[float, _option("Share of the search that audits may cost.", AUDITS)] = 0.1,
    final: Annotated[str, _option("The setting the best are retrained at.", FINAL)] = "c0r0s0e600",
    finalists: Annotated[int, _option("Networks retrained, at most.", FINAL)] = 5,
    final_share: Annotated[float, _option("Share of the budget that retraining may take, at most.", FINAL)] = 1 / 3,
    final_batch: Annotated[int, _option("Images per step; all else as in zoo train.", FINAL)] = CIFAR.recipe.batch,
    auxiliary: Annotated[
        bool, typer.Option("--auxiliary", help="Retrain with an auxiliary head.", rich_help_panel=FINAL)
    ] = False,
    space: opt.Space = "econas-search",
    channels: opt.Channels = 36,
    cells: opt.Cells = 20,
    resolution: opt.Resolution = None,
    train: opt.Train = None,
    validation: opt.Validation = None,
    batch: opt.Batch = 384,
    lr: Annotated[float, typer.Option(help="Learning rate at the start.", rich_help_panel="Training")] = 0.1,
    lr_min: Annotated[float, typer.Option(help="Learning rate at the end.", rich_help_panel="Training")] = 0.0,
    cutout: opt.Cutout = False,
    seed: opt.Seed = 0,
    workers: opt.Workers = 1,
    threads: opt.Threads = 1,
    group: opt.Group = 1,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "float32",
    channels_last: opt.ChannelsLast = True,
    engine: opt.Engine = "auto",
    streams: opt.Streams = 1,
    gpus: opt.Gpus = 0.0,
    address: opt.Address = None,
    out: opt.Out = Path("runs/econas"),
    time: opt.Time = None,
    dry_run: opt.DryRun = False,
    as_json: opt.Json = False,
) -> None:
    """Search cells with cheap trainings, retrain the best fully, and end with a trained network and a report.

    Every cycle mutates 16 parents; children train a third of a short schedule on small images and thin networks, the
    best go on. The defaults are the paper's. Validation images choose; test images are read once, for the winner.
    Killed or stopped, the same command continues.
    """
    console = Console(stderr=as_json)
    check_folder(out)
    if group < 1 or audits < 1:
        raise ValueError(f"group and audits must be at least 1, got {group} and {audits}")
    if method not in METHODS or audit not in ("auto", "off", *MODES):
        raise ValueError(
            f"expected --method {'|'.join(METHODS)} and --audit auto|off|warn|escalate, got {method}, {audit}"
        )
    cheap, full, seconds = ProxySetting.parse(setting), ProxySetting.parse(final), opt.parse_time(time)
    numbers = Parameters(  # complains before the images load; what retraining costs is known after that
        start=start, parents=_numbers(parents, "parents"), promotions=_numbers(promotions, "promotions"),
        stages=stages(stages_, cheap), ageing=ageing, cycles=cycles, setting=cheap, final=full, finalists=finalists,
        final_share=final_share, final_every=1, asynchronous=asynchronous, final_price=1e-9,
        budget=budget,
    )  # fmt: skip
    _check_method(method, numbers, audit)
    precision = opt.choose_precision(device, dtype, channels_last, gpus=gpus, address=address)
    placement = opt.choose_placement(workers, gpus, address, threads, console)
    cell_space(space)
    bench = opt.prepare_bench(
        data=data, train=train, validation=validation, channels=channels, cells=cells, resolution=resolution,
        recipe=Recipe(batch=batch, lr=lr, lr_min=lr_min, cutout=0.5 if cutout else 0.0),
        precision=precision, seed=seed, threads=threads, console=console, engine=engine,
        streams=streams,
    )  # fmt: skip
    recipe = replace(CIFAR.recipe, batch=final_batch, auxiliary=AUXILIARY if auxiliary else 0.0)
    price = pricing(bench, cell_space(space), cheap)
    numbers = replace(numbers, final_price=price(full))
    if method == "hierarchical" and audit != "off":
        rules = {"networks": audit_networks, "limit": audit_limit, "share": audit_share}
        numbers = _audited(numbers, audit, audits, rules, ladder(dearer(cheap, bench), price), console)
    plan = Plan(
        method=method, space=space, parameters=numbers, bench=bench, group=group,
        final=replace(bench.setup, recipe=recipe),
    )  # fmt: skip
    if dry_run:
        _say(_estimate(plan, placement), as_json)
    elif (strategy := _search(out, ctx.obj, plan, placement, seconds, console)) is None:
        opt.say_stopped(out, time, console, as_json)
    else:
        _finish(out, plan, strategy, console, as_json)


def _check_method(method: str, numbers: Parameters, audit: str) -> None:
    if method == "hierarchical":
        if numbers.final == numbers.setting:
            raise ValueError(f"the final setting must differ from the search's {numbers.setting}")
        return
    if numbers.budget is None:
        raise ValueError(f"--method {method} ends with its budget, expected --budget")
    if audit not in ("auto", "off") or numbers.asynchronous:
        raise ValueError(f"--method {method} has neither audits nor cycles; leave out --audit and --async")


def _audited(
    numbers: Parameters, mode: str, count: int, rules: Mapping[str, Any], steps: tuple[Step, ...], console: Console
) -> Parameters:
    """The parameters with audits, evenly spread over the planned cycles; without, where "auto" cannot afford them.

    Raises:
        ValueError: where audits that were asked for by name cannot be had.
    """
    planned = numbers.planned_cycles
    cycles = tuple(sorted({max(1, planned * (i + 1) // (count + 1)) for i in range(count)}))
    try:
        if not steps:
            raise ValueError(f"no setting here is dearer than {numbers.setting}, so it cannot be audited")
        auditing = Auditing(mode="escalate" if mode == "escalate" else "warn", cycles=cycles, ladder=steps, **rules)
        return replace(numbers, audit=auditing)
    except ValueError as error:
        if mode != "auto":
            raise
        console.print(f"no audits: {error}", style="dim", markup=False)
        return numbers


def _search(
    out: Path, command: list[str], plan: Plan, placement: Placement, seconds: float | None, console: Console
) -> Any:
    """Run the search; the strategy where it has ended, None where the time was up first."""
    strategy, numbers = plan.strategy(), plan.parameters

    def price(trial: Trial) -> float:
        assert trial.setting is not None
        return numbers.price(trial.setting) * (trial.stop - trial.start)

    with locked(out), closing(open_run(out, plan.identity(), command)) as journal:
        said = len(journal.get("audits") or [])

        def listen(above: Console) -> None:
            nonlocal said
            verdicts = strategy.verdicts if isinstance(strategy, HierarchicalSearch) else ()
            if len(verdicts) > said:
                said = len(verdicts)
                journal.set("audits", [verdict.to_dict() for verdict in verdicts])
                above.print(f"audit: {verdicts[-1].sentence}", style="cyan", markup=False)

        finished = run(
            out,
            journal,
            strategy,
            lambda: placement.executor(plan.evaluator, plan.bench.images, plan.bench.setup.threads),
            group=plan.group,
            total=lambda: strategy.total if isinstance(strategy, HierarchicalSearch) else numbers.total,
            price=price,
            console=console,
            seconds=seconds,
            listen=listen,
        )
        listen(console)  # what a killed process had heard and not written
    return strategy if finished else None


def _finish(out: Path, plan: Plan, strategy: Any, console: Console, as_json: bool) -> None:
    """Choose the winner by validation accuracy, test it once, and write model, genotype and report."""
    with closing(Journal.open(out, readonly=True)) as journal:
        trials, records = journal.trials(), journal.records()
        finalists = [trial for _, trial in strategy.finalists]
        if not finalists:
            failed = [record.reason for record in records.values() if not record.ok]
            raise ValueError(f"no network was trained to the end; the last failure: {failed[-1] if failed else 'none'}")
        best = min(finalists, key=lambda index: (-records[index].metrics["accuracy"], index))
    device = opt.local_device(plan.final.precision)
    model = trained_model(
        trials[best], records[best], WeightStore(out / WEIGHTS), plan.final, plan.bench.images, device
    )
    summary = keep_model(model, out)
    write_json(out / "genotype.json", model.genotype.to_dict())
    report_search(out, console, as_json=False)  # to standard error where JSON is asked for
    if as_json:
        print(json.dumps(summary))
        return
    say_how_to_use(out, console)


def _estimate(plan: Plan, placement: Placement) -> dict[str, float]:
    """Trials, epochs, hours and megabytes at most, from timing a few steps at every setting that is certain."""
    numbers, bench = plan.parameters, plan.bench
    genotype = require_cells(GenotypeSequence(cell_space(plan.space), plan.seed)[0])
    images = bench.images_at([numbers.setting, numbers.final])
    cheap = seconds_per_image(bench.setup, bench.images, numbers.setting, genotype)
    full = seconds_per_image(plan.final, bench.images, numbers.final, genotype)
    validation, stage = len(bench.images.validation), numbers.stages[0]
    jobs = numbers.search_total / stage
    search = numbers.search_total * cheap.training * images[numbers.setting.s] + jobs * cheap.validation * validation
    retraining = numbers.retrained * numbers.final.e * (
        full.training * images[numbers.final.s] + full.validation * validation
    )  # fmt: skip
    skeleton = numbers.setting.skeleton(bench.setup.skeleton)
    held = (numbers.start + numbers.ageing * numbers.children) * network_cost(genotype, skeleton).params
    trials = jobs + numbers.retrained * numbers.final.e
    return {
        "trials": round(trials),
        "search_epochs": numbers.search_total,
        "retraining_epochs": numbers.retrained * numbers.final.e,
        "hours": search / 3600 / placement.workers + retraining / 3600 / min(placement.workers, numbers.retrained),
        "disk_mb": (trials * JOURNAL_BYTES + held * BYTES_PER_PARAMETER) / 1e6,
    }


def _say(price: Mapping[str, float], as_json: bool) -> None:
    if as_json:
        print(json.dumps(price))
        return
    for name, value in price.items():
        print(f"{name:<18} {value:,.2f}" if name in ("hours", "disk_mb") else f"{name:<18} {value:,.0f} at most")
