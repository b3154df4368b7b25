"""Options that commands share: their names, defaults and help, and what they build together.

What needs torch is imported where it is used: commands that only read do without the seconds that takes.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from zoo.launch import Placement, counting_bar, usable_cores
from zoo.population.journal import Journal
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Evaluator, Trial
from zoo.spaces.cost import cost
from zoo.spaces.genotype import CellGenotype, require_cells
from zoo.spaces.skeleton import Form, Skeleton

if TYPE_CHECKING:
    from zoo.data import ImageSet
    from zoo.training import Precision, Recipe, TrainingSetup

Data = Annotated[
    str,
    typer.Option(help="digits, cifar10, cifar100, svhn, fashion-mnist, or imagefolder:DIR.", rich_help_panel="Data"),
]
Train = Annotated[
    int | None,
    typer.Option(help="Training images in total, class-balanced; all by default.", rich_help_panel="Data"),
]
Validation = Annotated[
    int | None,
    typer.Option("--val", help="Validation images, taken from training; a fifth by default.", rich_help_panel="Data"),
]
Channels = Annotated[int, typer.Option(help="Initial channels of the original setting.", rich_help_panel="Network")]
Cells = Annotated[int, typer.Option(help="Cells of a network; two of them reduce.", rich_help_panel="Network")]
Resolution = Annotated[
    int | None,
    typer.Option(help="Pixels a side of the original setting; the data's own by default.", rich_help_panel="Network"),
]
Batch = Annotated[int, typer.Option(help="Images per training step.", rich_help_panel="Training")]
Cutout = Annotated[bool, typer.Option(help="Blank a square of half the side.", rich_help_panel="Training")]
Seed = Annotated[
    int,
    typer.Option(help="Of everything random: networks, weights, splits, order.", rich_help_panel="Training"),
]
Space = Annotated[
    str, typer.Option(help="Search space: econas-zoo, econas-search or darts.", rich_help_panel="Network")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel="Workers")]
Dtype = Annotated[str, typer.Option(help="float32, float64, or bfloat16 (autocast).", rich_help_panel="Workers")]
ChannelsLast = Annotated[bool, typer.Option(help="Memory format of the maps.", rich_help_panel="Workers")]
Threads = Annotated[
    int,
    typer.Option(
        help="CPU threads per worker; changes the last bits, so it is part of the run.",
        rich_help_panel="Workers",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="auto: small maps as one program with the rest of the group; plain: module by module. Part of the run.",
        rich_help_panel="Workers",
    ),
]
Streams = Annotated[
    int,
    typer.Option(
        help="Small maps: a group's networks as so many programs, side by side on a GPU. Part of the run.",
        rich_help_panel="Workers",
    ),
]
Workers = Annotated[
    int, typer.Option(help="Worker processes (Ray); 1 trains in this process.", rich_help_panel="Workers")
]
Gpus = Annotated[float, typer.Option(help="GPUs per worker, may be a fraction.", rich_help_panel="Workers")]
Address = Annotated[
    str | None,
    typer.Option(help="Join a running Ray cluster: auto, host:port or ray://host:port.", rich_help_panel="Workers"),
]
Group = Annotated[
    int, typer.Option(help="Networks sent to a worker at a time; part of the run.", rich_help_panel="Workers")
]
Out = Annotated[Path, typer.Option(help="Run folder; rerunning with the same one continues.", rich_help_panel="Run")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would cost, and stop.", rich_help_panel="Run")]
Time = Annotated[
    str | None,
    typer.Option("--time", help="Stop cleanly after, e.g., 90s, 30m or 2h; rerun to continue.", rich_help_panel="Run"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Images and setup that a training command runs on."""

    images: "ImageSet"
    setup: "TrainingSetup"

    @property
    def evaluator(self) -> "Callable[[ImageSet], Evaluator]":
        """Makes a worker's evaluator from the images."""
        from zoo.training.evaluator import make_evaluator

        return partial(make_evaluator, self.setup)

    def images_at(self, settings: list[ProxySetting]) -> dict[int, int]:
        """Training images per epoch for every sample level in use."""
        from zoo.training.evaluator import sample

        labels = self.images.train.labels
        return {s: len(sample(labels, s, self.setup.seed)) if s else len(labels) for s in {x.s for x in settings}}

    def price(self, trial: Trial, images: Mapping[int, int]) -> float:
        """Training price of a trial; see :meth:`epoch_price`."""
        assert trial.setting is not None
        genotype = require_cells(trial.genotype)
        return self.epoch_price(genotype, trial.setting, images[trial.setting.s]) * (trial.stop - trial.start)

    def epoch_price(self, genotype: CellGenotype, setting: ProxySetting, images: int) -> float:
        """Price of an epoch on so many images: forward MACs, which training multiplies by about three, with a floor.

        The floor of 100,000 MACs per image stands for what the smallest networks cost in dispatch alone.
        """
        macs = cost(genotype, setting.skeleton(self.setup.skeleton)).macs
        return float((macs + 100_000) * images)


def prepare_bench(
    *,
    data: str,
    train: int | None,
    validation: int | None,
    channels: int,
    cells: int,
    resolution: int | None,
    recipe: "Recipe",
    precision: "Precision",
    seed: int,
    threads: int,
    console: Console,
    form: Form = "cifar",
    engine: str = "auto",
    streams: int = 1,
) -> Bench:
    """Load the images and make the setup that fits them.

    Raises:
        ValueError: for anything out of range, before the images are read where that is possible.
    """
    from zoo.data import load
    from zoo.training import TrainingSetup
    from zoo.training.setup import ENGINES

    if min(threads, streams) < 1:
        raise ValueError(f"threads and streams must be at least 1, got {threads} and {streams}")
    if seed < 0:
        raise ValueError(f"the seed must not be negative, got {seed}")
    Skeleton(channels=channels, cells=cells, resolution=resolution or 32, form=form)  # fails before the images load
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    with counting_bar("decoding images", console) as progress:
        images = load(data, resolution=resolution, train=train, validation=validation, seed=seed, progress=progress)
    skeleton = Skeleton(
        channels=channels,
        cells=cells,
        resolution=images.resolution,
        in_channels=images.channels,
        classes=len(images.classes),
        form=form,
    )
    setup = TrainingSetup(
        skeleton=skeleton, recipe=recipe, precision=precision, seed=seed, threads=threads, engine=engine,
        streams=streams,
    )  # fmt: skip
    return Bench(images=images, setup=setup)


def choose_precision(device: str, dtype: str, channels_last: bool, *, gpus: float, address: str | None) -> "Precision":
    """The precision asked for, "auto" being the best device at hand.

    On a cluster the device is the workers', which this machine cannot check; "auto" is then cuda where
    workers get GPUs, and the CPU otherwise.

    Raises:
        ValueError: for a device this machine does not have or a dtype it cannot compute with.
    """
    import torch

    from zoo.training import Precision

    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise ValueError(f"unknown device {device!r}, expected auto, cpu, cuda, cuda:N or mps")
    if device == "auto" and address is not None:
        device = "cuda" if gpus else "cpu"
    elif device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    elif address is None and not _has(device):
        raise ValueError(f"device {device!r} is not available here, expected auto or cpu")
    if device == "mps" and dtype == "float64":
        raise ValueError("device 'mps' cannot compute in float64, expected float32 or bfloat16")
    return Precision(device=device, dtype=dtype, channels_last=channels_last)


def process_precision(device: str, dtype: str, channels_last: bool) -> "Precision":
    """The precision of this process: under torchrun every process has a GPU of its own.

    Raises:
        ValueError: as :func:`choose_precision`, or for one numbered GPU and several processes.
    """
    from zoo.training.distributed import process_place

    _, size, local = process_place()
    precision = choose_precision(device, dtype, channels_last, gpus=0.0, address=None)
    if size > 1 and precision.device.startswith("cuda"):
        if ":" in precision.device:
            raise ValueError(f"{size} processes use one GPU each, expected --device cuda, got {device!r}")
        precision = choose_precision(f"cuda:{local}", dtype, channels_last, gpus=0.0, address=None)
    return precision


def local_device(precision: "Precision") -> str:
    """The device of ``precision`` where this machine has it, else the CPU."""
    return precision.device if _has(precision.device) else "cpu"


def _has(device: str) -> bool:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.is_available() and (torch.device(device).index or 0) < torch.cuda.device_count()
    return device == "cpu" or torch.backends.mps.is_available()


def choose_placement(workers: int, gpus: float, address: str | None, threads: int, console: Console) -> Placement:
    """Where workers run, once it is known that they can; says so where there will be fewer than asked for.

    Raises:
        ValueError: for counts out of range, GPUs this machine does not have, or a cluster that does not answer.
    """
    import torch

    if not 0 <= gpus < math.inf:
        raise ValueError(f"gpus must be a number from 0 up, got {gpus:g}")
    if gpus and address is None and not torch.cuda.is_available():
        raise ValueError(f"gpus must be 0 on this machine, which has no CUDA device, got {gpus:g}")
    placement = Placement(workers=workers, gpus=gpus, address=address)
    placement.check()
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    fitting = placement.fitting(threads)
    if fitting != placement:
        cores = usable_cores()
        there_are = f"this machine has {cores} core{'' if cores == 1 else 's'}"
        console.print(f"{fitting.workers} of {workers} workers: {there_are}", style="dim", markup=False)
    return fitting


def say_stopped(out: Path, time: str | None, console: Console, as_json: bool) -> None:
    """Say that a run was stopped by its time limit, how far it is and how to continue."""
    journal = Journal.open(out, readonly=True)
    counts = journal.counts()
    journal.close()
    if as_json:
        print(json.dumps({"finished": False, **counts}))
    else:
        console.print(
            f"Stopped after {time} with {counts['done']} trials done; the same command continues.", markup=False
        )


def parse_time(text: str | None) -> float | None:
    """Seconds of "90s", "30m", "2h" or "1.5h"; None for None.

    Raises:
        ValueError: for another form or nothing.
    """
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh])", text.strip())
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else math.nan
    if not seconds > 0:
        raise ValueError(f"{text!r} is not a time, expected a form like 90s, 30m or 2h")
    return seconds
