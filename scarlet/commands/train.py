"""`thriftnas scarlet train`: train a supernet epoch by epoch and keep it as one file."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from scarlet.supernet.file import NAME, TrainedSupernet, save_supernet
from scarlet.supernet.form import STARTS, SupernetForm
from scarlet.supernet.paths import SAMPLINGS
from scarlet.supernet.setup import VERSION, SupernetSetup
from scarlet.supernet.training import SupernetEvaluator, new_supernet, supernet_optimizer
from zoo.commands import options as opt
from zoo.data.image_set import ImageSet
from zoo.launch import WEIGHTS, check_folder, locked, open_run, run_ranks, write_text
from zoo.population.journal import Journal
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Evaluator
from zoo.population.weights import WeightStore
from zoo.spaces.chain import CHAINS, chain_of
from zoo.training import Recipe
from zoo.training.checkpoint import load_checkpoint
from zoo.training.distributed import ProcessGroup, joined_ranks, process_place
from zoo.training.epoch import batch_slices
from zoo.training.retraining import Retraining

ROLE = "supernet"
"""Role of a supernet's epochs as trials."""

RECIPE = Recipe(batch=128, lr=0.045, lr_min=0.0, weight_decay=4e-5, cutout=0.0)
"""Ours: SGD with the published momentum and batch of 128; the image is seen whole."""


def _rate(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel="Training")


def train(
    ctx: typer.Context,
    space: Annotated[str, typer.Option(help=f"{', '.join(CHAINS)}.", rich_help_panel="Network")] = "scarlet-s2-cifar",
    sampling: Annotated[str, _rate("Paths of a step: fair (each choice once) or uniform (one path).")] = "fair",
    stabilizers: Annotated[
        bool,
        typer.Option(
            "--stabilizers/--plain-skips", help="Skips as linear 1×1 convolutions, or plain.", rich_help_panel="Network"
        ),
    ] = True,
    stabilizer_start: Annotated[
        str,
        typer.Option(help="Stabilizers begin as plain skips (identity), or random.", rich_help_panel="Network"),
    ] = "identity",
    shared_squeeze: Annotated[
        bool,
        typer.Option(
            "--shared-squeeze", help="One squeeze-excitation per layer and expansion.", rich_help_panel="Network"
        ),
    ] = False,
    data: opt.Data = "cifar10",
    train: opt.Train = None,
    validation: opt.Validation = None,
    channels: Annotated[
        int | None, typer.Option(help="Channels of the stem, the others in proportion.", rich_help_panel="Network")
    ] = None,
    resolution: opt.Resolution = None,
    epochs: Annotated[int, _rate("Epochs of the schedule.")] = 60,
    batch: opt.Batch = RECIPE.batch,
    lr: Annotated[float, _rate("Learning rate at the start of the cosine.")] = RECIPE.lr,
    lr_min: Annotated[float, _rate("Learning rate at its end.")] = RECIPE.lr_min,
    warmup: Annotated[int, _rate("Epochs of linear warm-up.")] = 0,
    momentum: Annotated[float, _rate("Momentum.")] = RECIPE.momentum,
    weight_decay: Annotated[float, _rate("Weight decay, of what a step's paths use.")] = RECIPE.weight_decay,
    clip: Annotated[float, _rate("Largest norm of the gradient summed over a step's paths.")] = RECIPE.clip,
    cutout: Annotated[float, _rate("Side of the blanked square as a share of the image's, 0 for none.")] = 0.0,
    smoothing: Annotated[float, _rate("Label smoothing.")] = 0.0,
    seed: opt.Seed = 0,
    threads: opt.Threads = 1,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "float32",
    channels_last: opt.ChannelsLast = True,
    out: opt.Out = Path("runs/supernet"),
    time: opt.Time = None,
    as_json: opt.Json = False,
) -> None:
    """Train a supernet; write it as one file that `thriftnas scarlet search` and `scarlet extract` read.

    Every epoch is a trial: killed or stopped, the same command continues. Its accuracy is the mean of a few fixed
    random paths on validation images; test images are never read. Several GPUs:
    torchrun --nproc-per-node N --no-python thriftnas scarlet train ...
    """
    rank, size, _ = process_place()
    console = Console(stderr=as_json, quiet=rank > 0)
    seconds, chain = opt.parse_time(time), chain_of(space)
    if sampling not in SAMPLINGS:
        raise ValueError(f"unknown sampling {sampling!r}, expected {' or '.join(SAMPLINGS)}")
    if stabilizer_start not in STARTS:
        raise ValueError(f"unknown start {stabilizer_start!r} of stabilizers, expected {' or '.join(STARTS)}")
    if rank == 0:
        check_folder(out)
    recipe = Recipe(
        batch=batch, lr=lr, lr_min=lr_min, warmup=warmup, momentum=momentum, weight_decay=weight_decay, clip=clip,
        cutout=cutout, smoothing=smoothing,
    )  # fmt: skip
    schedule = ProxySetting(0, 0, 0, epochs)
    if warmup >= epochs:
        raise ValueError(f"the warm-up must be shorter than the {epochs} epochs, got {warmup}")
    bench = opt.prepare_bench(
        data=data, train=train, validation=validation, channels=chain.stem if channels is None else channels,
        cells=chain.starts[-1], resolution=resolution, recipe=recipe, seed=seed, threads=threads, console=console,
        precision=opt.process_precision(device, dtype, channels_last),
    )  # fmt: skip
    batch_slices(len(bench.images.train), batch, size)  # complains where there are too few images
    form = SupernetForm(space=space, stabilizers=stabilizers, shared_squeeze=shared_squeeze)
    setup = SupernetSetup(training=bench.setup, sampling=sampling, start=stabilizer_start)  # type: ignore[arg-type]
    plan = _Plan(form=form, schedule=schedule, setup=setup, images=bench.images, processes=size)
    if rank:
        with plan.ranks() as (ranks, evaluator):
            ranks.follow(evaluator)
    elif not _train(out, ctx.obj, plan, seconds, console, as_json):
        opt.say_stopped(out, time, console, as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is trained, on what, and by how many processes."""

    form: SupernetForm
    schedule: ProxySetting
    setup: SupernetSetup
    images: ImageSet
    processes: int

    def identity(self) -> dict[str, Any]:
        """What makes the run this run."""
        return {
            "strategy": {
                "name": "supernet",
                "version": VERSION,
                "genotype": self.form.genotype.to_json(),
                "setting": str(self.schedule),
                "seed": self.setup.training.seed,
            },
            "data": self.images.fingerprint,
            "setup": self.setup.identity(),
            "group": 1,
            "processes": self.processes,
        }

    @contextmanager
    def ranks(self) -> Iterator[tuple[ProcessGroup, Evaluator]]:
        """The processes that train together, and this one's evaluator."""
        with joined_ranks(self.setup.training.precision.device) as ranks:
            yield ranks, SupernetEvaluator(self.setup, self.images, ranks)


def _train(out: Path, command: list[str], plan: _Plan, seconds: float | None, console: Console, as_json: bool) -> bool:
    """Train as the process that keeps the journal; whether the schedule is finished."""
    strategy = Retraining([plan.form.genotype], plan.schedule, role=ROLE)
    with locked(out), closing(open_run(out, plan.identity(), command)) as journal:
        finished = run_ranks(
            out, journal, strategy, plan.ranks(), total=plan.schedule.e, console=console, seconds=seconds
        )
        if finished:
            _finish(out, journal, strategy, plan, console, as_json)
        return finished


def _finish(out: Path, journal: Journal, strategy: Retraining, plan: _Plan, console: Console, as_json: bool) -> None:
    frame = journal.frame().rename(columns={"stop": "epoch"})
    columns = ["epoch", "ok", "train_loss", "loss", "accuracy", "balanced_accuracy"]
    columns += ["block_similarity", "skip_similarity", "seconds"]
    write_text(out / "epochs.csv", frame.reindex(columns=columns).to_csv(index=False, lineterminator="\n"))
    if not strategy.finished:
        raise ValueError(f"the training failed in epoch {frame['epoch'].iloc[-1]}: {frame['reason'].iloc[-1]}")
    record = journal.records()[strategy.finished[0]]
    weights = WeightStore(out / WEIGHTS).get(record.checkpoint) if record.checkpoint else None
    if weights is None:
        raise ValueError(f"the weights of the last epoch are missing or damaged in {out / WEIGHTS}")
    held = trained_supernet(plan.form, plan.setup, plan.images, weights, {"accuracy": record.metrics["accuracy"]})
    save_supernet(held, out / NAME)
    count = sum(parameter.numel() for parameter in held.network.parameters())
    if as_json:
        print(json.dumps({"supernet": str(out / NAME), "params": count, **held.notes}))
        return
    console.print(f"{count:,} parameters; after {plan.schedule.e} epochs random paths have a validation accuracy of")
    console.print(f"{record.metrics['accuracy']:.4f} on average. Supernet: {out / NAME}", markup=False)


def trained_supernet(
    form: SupernetForm, setup: SupernetSetup, images: ImageSet, weights: bytes, notes: dict[str, Any]
) -> TrainedSupernet:
    """The supernet of a training's last checkpoint.

    Args:
        form: of the supernet.
        setup: it was trained with.
        images: it was trained on.
        weights: the checkpoint.
        notes: to keep with it, besides the images, the seed, the epochs and the sampling.

    Raises:
        ValueError: if the checkpoint is damaged or of another supernet.
    """
    network = new_supernet(form, setup)
    epochs = load_checkpoint(weights, network, supernet_optimizer(network, setup.training.recipe))
    known = {"data": images.fingerprint, "seed": setup.training.seed, "epochs": epochs, "sampling": setup.sampling}
    return TrainedSupernet(
        network=network.to(torch.device("cpu")).eval(),
        classes=images.classes,
        mean=images.mean,
        std=images.std,
        notes={**known, **notes},
    )
