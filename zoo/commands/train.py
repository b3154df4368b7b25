"""`thriftnas zoo train`: train one genotype at an original setting and keep it as a model."""

import dataclasses
import json
import time as clock
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console

from zoo.commands import options as opt
from zoo.commands.build import keep_model, say_how_to_use
from zoo.commands.zoo import read_genotype
from zoo.data.image_set import ImageSet, Split
from zoo.data.stream import ImageStream, Reader, Request, open_stream
from zoo.export.trained import trained_model
from zoo.launch import WEIGHTS, check_folder, locked, open_run, run_ranks, write_text
from zoo.networks.cell_network import CellNetwork
from zoo.networks.chain_network import ChainNetwork
from zoo.population.journal import Journal
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Evaluator
from zoo.population.weights import WeightStore
from zoo.spaces.chain_cost import chain_skeleton
from zoo.spaces.genotype import CellGenotype, ChainGenotype
from zoo.spaces.skeleton import Skeleton
from zoo.training import Precision, Recipe, TrainingEvaluator, TrainingSetup
from zoo.training.distributed import ProcessGroup, joined_ranks, process_place
from zoo.training.epoch import batch_slices
from zoo.training.originals import AUXILIARY, ORIGINALS, Original
from zoo.training.retraining import VERSION, Retraining
from zoo.training.speed import STEPS, seconds_per_image
from zoo.training.stream import StreamEvaluator

JOURNAL_BYTES, TIMED_IMAGES = 2_500, 192
"""What an epoch takes in the journal, and how many images of a stream are read to time it."""


def _rate(text: str) -> Any:
    return typer.Option(help=f"{text}; the recipe's by default.", rich_help_panel="Training")


def _shape(text: str) -> Any:
    return typer.Option(help=f"{text}; the recipe's by default.", rich_help_panel="Network")


def train(
    ctx: typer.Context,
    genotype: Annotated[
        str,
        typer.Argument(help="A JSON file, DARTS_V1, DARTS_V2, PC_DARTS, NASNET_A, AMOEBANET_A, SCARLET_A, _B or _C."),
    ],
    recipe: Annotated[
        str, typer.Option(help="cifar, or imagenet (always streamed).", rich_help_panel="Training")
    ] = "cifar",
    data: Annotated[
        str,
        typer.Option(
            help="digits, cifar10, cifar100, svhn, fashion-mnist, or imagefolder:DIR.", rich_help_panel="Data"
        ),
    ] = "cifar10",
    stream: Annotated[
        bool,
        typer.Option("--stream", help="Decode images while training (random resized crops).", rich_help_panel="Data"),
    ] = False,
    loaders: Annotated[int, typer.Option(help="Processes that decode streamed images.", rich_help_panel="Data")] = 2,
    train: opt.Train = None,
    validation: opt.Validation = None,
    epochs: Annotated[int | None, _rate("Epochs of the schedule")] = None,
    batch: Annotated[int | None, _rate("Images per step, of all processes together")] = None,
    lr: Annotated[float | None, _rate("Learning rate at the start of the cosine")] = None,
    lr_min: Annotated[float | None, _rate("Learning rate at its end")] = None,
    warmup: Annotated[int | None, _rate("Epochs of linear warm-up")] = None,
    warmup_lr: Annotated[float | None, _rate("Learning rate the warm-up starts from")] = None,
    momentum: Annotated[float | None, _rate("Momentum")] = None,
    weight_decay: Annotated[float | None, _rate("Weight decay")] = None,
    clip: Annotated[float | None, _rate("Largest gradient norm")] = None,
    cutout: Annotated[float | None, _rate("Side of the blanked square as a share of the image's, 0 for none")] = None,
    path_dropout: Annotated[float | None, _rate("Path dropout at the end of its linear ramp")] = None,
    smoothing: Annotated[float | None, _rate("Label smoothing")] = None,
    auxiliary: Annotated[
        bool, typer.Option("--auxiliary", help="Train with an auxiliary head.", rich_help_panel="Training")
    ] = False,
    auxiliary_weight: Annotated[
        float, typer.Option(help="Weight of its loss.", rich_help_panel="Training")
    ] = AUXILIARY,
    sync_bn: Annotated[
        bool,
        typer.Option("--sync-bn", help="Batch normalisation over all processes (CUDA).", rich_help_panel="Workers"),
    ] = False,
    channels: Annotated[int | None, _shape("Initial channels")] = None,
    cells: Annotated[int | None, _shape("Cells; two of them reduce")] = None,
    resolution: Annotated[int | None, _shape("Pixels a side")] = None,
    seed: opt.Seed = 0,
    threads: opt.Threads = 1,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "float32",
    channels_last: opt.ChannelsLast = True,
    out: opt.Out = Path("runs/train"),
    time: opt.Time = None,
    dry_run: opt.DryRun = False,
    as_json: opt.Json = False,
) -> None:
    """Train a genotype at an original setting, as long as papers do; write the network as a model file.

    The weights are those of the last epoch; validation accuracy is measured every epoch and chooses nothing,
    the test images are read once, at the end. Killed or stopped, the same command continues from the last epoch.
    Several GPUs: torchrun --nproc-per-node N --no-python thriftnas zoo train ...
    """
    rank, size, _ = process_place()
    console = Console(stderr=as_json, quiet=rank > 0)
    seconds, original = opt.parse_time(time), _original(recipe)
    if rank == 0:
        check_folder(out)
    cell = read_genotype(genotype)
    if isinstance(cell, ChainGenotype):
        if auxiliary or cells is not None:
            raise ValueError(f"{genotype}: a chain has no cells and no auxiliary head, expected neither option")
        usual = chain_skeleton(cell.space)
        original = dataclasses.replace(original, channels=usual.channels, cells=usual.cells)
    changes = {
        "batch": batch, "lr": lr, "lr_min": lr_min, "warmup": warmup, "warmup_lr": warmup_lr, "momentum": momentum,
        "weight_decay": weight_decay, "clip": clip, "cutout": cutout, "path_dropout": path_dropout,
        "smoothing": smoothing, "auxiliary": auxiliary_weight if auxiliary else 0.0,
    }  # fmt: skip
    schedule = ProxySetting(0, 0, 0, original.epochs if epochs is None else epochs)
    plan = _prepare(
        cell, schedule, _recipe(original, changes, schedule),
        original=original, data=data, streamed=stream or original.streamed, loaders=loaders, train=train,
        validation=validation, channels=channels, cells=cells, resolution=resolution, seed=seed, threads=threads,
        precision=_precision(device, dtype, channels_last, sync_bn), processes=size, sync_norm=sync_bn,
        console=console,
    )  # fmt: skip
    if rank:
        if not dry_run:
            with plan.ranks() as (ranks, evaluator):
                ranks.follow(evaluator)
    elif dry_run:
        _say(_estimate(plan), as_json)
    elif _train(out, ctx.obj, plan, seconds, console, as_json) is None:
        opt.say_stopped(out, time, console, as_json)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is trained, on what, and by how many processes."""

    cell: CellGenotype | ChainGenotype
    schedule: ProxySetting
    images: ImageSet | ImageStream
    setup: TrainingSetup
    loaders: int
    processes: int
    sync_norm: bool

    def identity(self) -> dict[str, Any]:
        """What makes the run this run: also the number of processes, which changes what batch normalisation sees."""
        return {
            "strategy": {
                "name": "train",
                "version": VERSION,
                "genotype": self.cell.to_json(),
                "setting": str(self.schedule),
                "seed": self.setup.seed,
            },
            "data": self.images.fingerprint,
            "setup": self.setup.identity(),
            "group": 1,
            "processes": self.processes,
            "sync_bn": self.sync_norm,
        }

    @contextmanager
    def ranks(self) -> Iterator[tuple[ProcessGroup, Evaluator]]:
        """The processes that train together, and this one's evaluator."""
        with joined_ranks(self.setup.precision.device, sync_norm=self.sync_norm) as ranks:
            if isinstance(self.images, ImageSet):
                yield ranks, TrainingEvaluator(self.setup, self.images, ranks)
                return
            pin = self.setup.precision.device.startswith("cuda")
            with Reader(self.images, self.loaders, pin=pin) as reader:
                yield ranks, StreamEvaluator(self.setup, self.images, reader, ranks)


def _original(name: str) -> Original:
    if name not in ORIGINALS:
        raise ValueError(f"unknown recipe {name!r}, expected {' or '.join(ORIGINALS)}")
    return ORIGINALS[name]


def _recipe(original: Original, changes: dict[str, Any], schedule: ProxySetting) -> Recipe:
    given = {name: value for name, value in changes.items() if value is not None}
    recipe = dataclasses.replace(original.recipe, **given)
    if recipe.warmup >= schedule.e:
        raise ValueError(f"the warm-up must be shorter than the {schedule.e} epochs, got {recipe.warmup}")
    return recipe


def _precision(device: str, dtype: str, channels_last: bool, sync_norm: bool) -> Precision:
    """This process's precision, once it is known that synchronised normalisation can be had where it is wanted."""
    precision, (_, size, _) = opt.process_precision(device, dtype, channels_last), process_place()
    if sync_norm and (size == 1 or not precision.device.startswith("cuda")):
        raise ValueError(f"--sync-bn needs several processes on GPUs, got {size} on {precision.device}")
    return precision


def _prepare(
    cell: CellGenotype | ChainGenotype,
    schedule: ProxySetting,
    recipe: Recipe,
    *,
    original: Original,
    data: str,
    streamed: bool,
    loaders: int,
    train: int | None,
    validation: int | None,
    channels: int | None,
    cells: int | None,
    resolution: int | None,
    seed: int,
    threads: int,
    precision: Precision,
    processes: int,
    sync_norm: bool,
    console: Console,
) -> _Plan:
    """Open the images and make the setup that fits them; everything out of range is found here."""
    channels = original.channels if channels is None else channels
    cells = original.cells if cells is None else cells
    resolution = original.resolution if resolution is None else resolution
    if loaders < 0:
        raise ValueError(f"loaders must be at least 0, got {loaders}")
    images: ImageSet | ImageStream
    if streamed:
        if threads < 1 or seed < 0:
            raise ValueError(f"threads must be at least 1 and the seed at least 0, got {threads} and {seed}")
        side = 32 if resolution is None else resolution
        form = original.form
        skeleton = Skeleton(channels=channels, cells=cells, resolution=side, form=form)  # before anything is read
        with console.status("listing the images"):
            images = open_stream(data, resolution=side, train=train, validation=validation, seed=seed)
        skeleton = dataclasses.replace(skeleton, classes=len(images.classes))
        setup = TrainingSetup(skeleton=skeleton, recipe=recipe, precision=precision, seed=seed, threads=threads)
        count = len(images.train)
    else:
        bench = opt.prepare_bench(
            data=data, train=train, validation=validation, channels=channels, cells=cells, resolution=resolution,
            recipe=recipe, precision=precision, seed=seed, threads=threads, console=console, form=original.form,
            engine="plain",
        )  # fmt: skip
        images, setup, count = bench.images, bench.setup, len(bench.images.train)
    batch_slices(count, recipe.batch, processes)  # complains where there are too few images
    return _Plan(
        cell=cell,
        schedule=schedule,
        images=images,
        setup=setup,
        loaders=loaders,
        processes=processes,
        sync_norm=sync_norm,
    )


def _train(
    out: Path, command: list[str], plan: _Plan, seconds: float | None, console: Console, as_json: bool
) -> dict[str, Any] | None:
    """Train as the process that keeps the journal; None where the time was up first."""
    strategy = Retraining([plan.cell], plan.schedule)
    with locked(out), closing(open_run(out, plan.identity(), command)) as journal:
        finished = run_ranks(
            out, journal, strategy, plan.ranks(), total=plan.schedule.e, console=console, seconds=seconds
        )
        return _finish(out, journal, strategy, plan, console, as_json) if finished else None


def _finish(
    out: Path, journal: Journal, strategy: Retraining, plan: _Plan, console: Console, as_json: bool
) -> dict[str, Any]:
    frame = journal.frame().rename(columns={"stop": "epoch"})
    columns = ["epoch", "ok", "train_loss", "loss", "accuracy", "balanced_accuracy", "seconds"]
    write_text(out / "epochs.csv", frame.reindex(columns=columns).to_csv(index=False, lineterminator="\n"))
    if not strategy.finished:
        raise ValueError(f"the training failed in epoch {frame['epoch'].iloc[-1]}: {frame['reason'].iloc[-1]}")
    last = strategy.finished[0]
    device = opt.local_device(plan.setup.precision)
    store = WeightStore(out / WEIGHTS)
    model = trained_model(
        journal.trials()[last], journal.records()[last], store, plan.setup, plan.images, device, plan.loaders
    )
    summary = keep_model(model, out)
    if as_json:
        print(json.dumps(summary))
        return summary
    notes = model.notes
    console.print(f"{notes['params']:,} parameters, {notes['macs']:,} MACs per image")
    console.print(
        f"after {plan.schedule.e} epochs: validation {notes['accuracy']:.4f}, test {notes['test_accuracy']:.4f}"
    )
    say_how_to_use(out, console)
    return summary


def _estimate(plan: _Plan) -> dict[str, float]:
    """Networks, epochs, hours and megabytes, from timing a few steps (and, of a stream, reading a few images)."""
    images, setup, epochs = plan.images, plan.setup, plan.schedule.e
    reading = 0.0
    if isinstance(images, ImageStream):
        reading, sample = _timed_reading(images, min(TIMED_IMAGES, setup.recipe.batch * STEPS))
        counts = len(images.train), len(images.validation), len(images.test)
        reading /= max(1, plan.loaders)
    else:
        sample, counts = images, (len(images.train), len(images.validation), len(images.test))
    speed = seconds_per_image(setup, sample, plan.schedule, plan.cell)
    # Loaders read while the network learns, so the slower of the two decides.
    training, validation = max(speed.training, reading), max(speed.validation, reading)
    seconds = (counts[0] * training + counts[1] * validation) * epochs / plan.processes + counts[2] * validation
    with torch.device("meta"):  # with the auxiliary head, which the closed form leaves out
        network = (
            ChainNetwork(plan.cell, setup.skeleton)
            if isinstance(plan.cell, ChainGenotype)
            else CellNetwork(plan.cell, setup.skeleton, setup.recipe.auxiliary > 0)
        )
    params = sum(parameter.numel() for parameter in network.parameters())
    return {
        "networks": 1,
        "epochs": epochs,
        "hours": seconds / 3600,
        # two checkpoints of weights and momentum for a moment, and the model
        "disk_mb": (params * (2 * 8 + 4) + epochs * JOURNAL_BYTES) / 1e6,
    }


def _timed_reading(images: ImageStream, count: int) -> tuple[float, ImageSet]:
    """Seconds one process takes to read and crop a training image, and what it read as a small image set."""
    numbers = images.train[:count].tolist()
    with Reader(images) as reader:
        began = clock.perf_counter()
        requests = [Request(number, images.resolution, (0, number)) for number in numbers]
        ((pixels, labels),) = reader.batches([requests])
        took = clock.perf_counter() - began
    split = Split(images=pixels.numpy(), labels=np.asarray(labels, dtype=np.int64))
    sample = ImageSet(
        name=images.name, classes=images.classes, train=split, validation=split, test=split, mean=images.mean,
        std=images.std, flip=images.flip,
    )  # fmt: skip
    return took / len(numbers), sample


def _say(price: dict[str, float], as_json: bool) -> None:
    if as_json:
        print(json.dumps(price))
        return
    hours = price["hours"]
    print(f"{'networks':<10} {price['networks']}")
    print(f"{'epochs':<10} {price['epochs']}")
    print(f"{'hours':<10} {f'{hours:.2f}' if hours >= 0.1 else f'{hours:.2g}'}, timed here")
    print(f"{'disk':<10} {price['disk_mb']:.1f} MB")
