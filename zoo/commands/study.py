"""`thriftnas zoo study`: which reduced setting ranks networks as the reference does, and what it saves."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from zoo.commands import options as opt
from zoo.commands.report import report_study
from zoo.launch import Placement, check_folder, locked, open_run, run
from zoo.population.proxy import ProxySetting, merge_coinciding, parse_grid
from zoo.population.strategy import GenotypeSequence
from zoo.reliability.study import VERSION, Study
from zoo.spaces.cell_space import cell_space
from zoo.spaces.genotype import require_cells
from zoo.training import Recipe
from zoo.training.speed import seconds_per_image

Models = Annotated[
    int, typer.Option(help="Random networks; raise it later to extend the study.", rich_help_panel="Study")
]
Settings = Annotated[
    str,
    typer.Option(
        help="Grid of reduced settings: levels of c, r, s from 0 to 4, and epochs e.", rich_help_panel="Study"
    ),
]
Reference = Annotated[str, typer.Option(help="The setting whose ranking counts.", rich_help_panel="Study")]
Repeats = Annotated[
    int,
    typer.Option(help="Trainings per network at the reference, each with its own seed.", rich_help_panel="Study"),
]
Target = Annotated[float, typer.Option(help="Spearman correlation a setting must reach.", rich_help_panel="Study")]

JOURNAL_BYTES, REPORT_BYTES = 2_000, 3_000_000
"""What a trial and its record take in the journal, and what tables and page take at most."""


def study(
    ctx: typer.Context,
    data: opt.Data = "digits",
    models: Models = 24,
    settings: Settings = "c{0,2,4}r{0,2,4}s{0,1}e{3,6}",
    reference: Reference = "c0r0s0e12",
    repeats: Repeats = 2,
    target: Target = 0.8,
    space: opt.Space = "econas-zoo",
    channels: opt.Channels = 8,
    cells: opt.Cells = 5,
    resolution: opt.Resolution = None,
    train: opt.Train = None,
    validation: opt.Validation = None,
    batch: opt.Batch = 32,
    cutout: opt.Cutout = True,
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
    out: opt.Out = Path("runs/study"),
    time: opt.Time = None,
    dry_run: opt.DryRun = False,
    as_json: opt.Json = False,
) -> None:
    """Train a zoo of random networks at a reference and at reduced settings; say which one to trust.

    A setting is written c4r4s0e60: levels of channels, resolution and samples (0 is the original, every level
    halves the cost) and epochs. The defaults fit a laptop; the paper's study is --channels 36 --cells 20
    --reference c0r0s0e600 --settings "c{0,1,2,3,4}r{0,1,2,3,4}s{0,1}e{30,60,90,120}" --batch 96 on cifar10.
    """
    console = Console(stderr=as_json)
    if models < 1 or group < 1:
        raise ValueError(f"models and group must be at least 1, got {models} and {group}")
    if not 0 < target < 1:
        raise ValueError(f"the target must lie between 0 and 1, got {target:g}")
    check_folder(out)
    grid, goal, seconds = parse_grid(settings), ProxySetting.parse(reference), opt.parse_time(time)
    precision = opt.choose_precision(device, dtype, channels_last, gpus=gpus, address=address)
    placement = opt.choose_placement(workers, gpus, address, threads, console)
    _Plan(space, grid, goal, repeats, models, group, seed)  # complains before the images load
    bench = opt.prepare_bench(
        data=data,
        train=train,
        validation=validation,
        channels=channels,
        cells=cells,
        resolution=resolution,
        recipe=Recipe(batch=batch, cutout=0.5 if cutout else 0.0),
        precision=precision,
        seed=seed,
        threads=threads,
        console=console,
        engine=engine,
        streams=streams,
    )
    grid, notices = merge_coinciding(grid, bench.setup.skeleton)
    for notice in notices:
        console.print(notice, style="dim", markup=False)
    plan = _Plan(space, grid, goal, repeats, models, group, seed)
    if dry_run:
        _say(_estimate(bench, plan, placement), plan, placement, as_json)
    elif _train(out, ctx.obj, bench, plan, placement, target, seconds, console):
        report_study(out, target, "accuracy", console, as_json)
    else:
        opt.say_stopped(out, time, console, as_json)


class _Plan:
    """What a study asks for, apart from the images."""

    def __init__(
        self,
        space: str,
        grid: list[ProxySetting],
        reference: ProxySetting,
        repeats: int,
        models: int,
        group: int,
        seed: int,
    ) -> None:
        self.space, self.grid, self.reference = cell_space(space), grid, reference
        self.repeats, self.models, self.group, self.seed = repeats, models, group, seed
        self.strategy([models])  # complains now about what is out of range

    def strategy(self, growth: list[int]) -> Study:
        """A fresh study with a history of sizes."""
        return Study(
            self.space,
            self.grid,
            self.reference,
            repeats=self.repeats,
            growth=growth,
            batch=self.group,
            seed=self.seed,
        )

    def identity(self, bench: opt.Bench) -> dict[str, Any]:
        """What makes the run this run; the number of models may grow."""
        return {
            "strategy": {
                "name": "study",
                "version": VERSION,
                "space": self.space.name,
                "settings": [str(setting) for setting in self.grid],
                "reference": str(self.reference),
                "repeats": self.repeats,
                "seed": self.seed,
            },
            "data": bench.images.fingerprint,
            "setup": bench.setup.identity(),
            "group": self.group,
        }

    def settings_each(self) -> list[ProxySetting]:
        """Every training of one network."""
        return [self.reference] * self.repeats + self.grid


def _train(
    out: Path,
    command: list[str],
    bench: opt.Bench,
    plan: _Plan,
    placement: Placement,
    target: float,
    seconds: float | None,
    console: Console,
) -> bool:
    with locked(out), closing(open_run(out, plan.identity(bench), command, plan.models)) as journal:
        journal.set("target", target)
        images = bench.images_at(plan.settings_each())
        journal.set("data", _describe(bench, images))
        strategy = plan.strategy(journal.get("growth"))
        total = sum(bench.price(trial, images) for trial in strategy.everything())
        return run(
            out,
            journal,
            strategy,
            lambda: placement.executor(bench.evaluator, bench.images, bench.setup.threads),
            group=plan.group,
            total=lambda: total,
            price=lambda trial: bench.price(trial, images),
            console=console,
            seconds=seconds,
        )


def _describe(bench: opt.Bench, images: dict[int, int]) -> dict[str, Any]:
    held = bench.images
    return {
        "name": held.name,
        "classes": list(held.classes),
        "train": len(held.train),
        "validation": len(held.validation),
        "images": {str(level): count for level, count in images.items()},
        "resolution": held.resolution,
        "channels": held.channels,
    }


def _estimate(bench: opt.Bench, plan: _Plan, placement: Placement) -> dict[str, float]:
    """Networks, trainings, epochs, hours and megabytes, from timing a few steps of one network at every size."""
    genotype = require_cells(GenotypeSequence(plan.space, plan.seed)[0])
    each = plan.settings_each()
    images = bench.images_at(each)
    seconds = 0.0
    for setting in each:
        speed = seconds_per_image(bench.setup, bench.images, setting, genotype)
        seconds += speed.training * images[setting.s] * setting.e + speed.validation * len(bench.images.validation)
    trainings = plan.models * len(each)
    return {
        "networks": plan.models,
        "trainings": trainings,
        "epochs": plan.models * sum(setting.e for setting in each),
        "hours": seconds * plan.models / 3600 / placement.workers,
        "disk_mb": (trainings * JOURNAL_BYTES + REPORT_BYTES) / 1e6,
    }


def _say(price: dict[str, float], plan: _Plan, placement: Placement, as_json: bool) -> None:
    if as_json:
        print(json.dumps(price))
        return
    hours, workers = price["hours"], f"{placement.workers} worker{'' if placement.workers == 1 else 's'}"
    for name, value in (
        ("networks", f"{plan.models}: {plan.repeats} × {plan.reference} and {len(plan.grid)} settings each"),
        ("trainings", f"{price['trainings']}"),
        ("epochs", f"{price['epochs']}"),
        (
            "hours",
            (f"{hours:.2f}" if hours >= 0.1 else f"{hours:.2g}") + f" with {workers}, timed here on the first network",
        ),
        ("disk", f"{price['disk_mb']:.1f} MB; a study keeps no weights"),
    ):
        print(f"{name:<10} {value}")
