"""Options that commands share, in groups: a parameter annotated with a group stands for all options of the group.

Nothing here imports torch, pandas or ray: help texts must not wait for them.
"""

import dataclasses
import functools
import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from zoo.training import small

if TYPE_CHECKING:
    from zoo.experiments import ImageSource, Resources
    from zoo.training.recipe import Precision, Recipe


def require_folder(file: Path) -> None:
    """Refuse a file to be written into a folder that is not there."""
    if not file.absolute().parent.is_dir():
        raise ValueError(f"the folder of {file} does not exist")


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Run = Annotated[Path, typer.Argument(help="Run folder.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")]
Maximize = Annotated[list[str] | None, typer.Option(help="Metric to make large; may be repeated.")]
Minimize = Annotated[list[str] | None, typer.Option(help="Metric to make small; may be repeated.")]
Limits = Annotated[
    list[str] | None, typer.Option("--limit", help='Like "macs<=500e6" or "accuracy>=0.4"; may be repeated.')
]


def option(text: str, panel: str, *names: str) -> Any:
    """An option with a help text, in a panel of the help page."""
    return typer.Option(*names, help=text, rich_help_panel=panel)


def _data(text: str, *names: str) -> Any:
    return option(text, "Data", *names)


def _workers(text: str, *names: str) -> Any:
    return option(text, "Workers", *names)


@dataclass(frozen=True, kw_only=True)
class Images:
    """Which images."""

    data: Annotated[str, _data("digits, cifar10, cifar100, svhn, fashion-mnist, imagefolder:DIR, or of a plug-in.")] = (
        "digits"
    )
    train: Annotated[int | None, _data("Training images in total, class-balanced; all by default.")] = None
    validation: Annotated[int | None, _data("Validation images, taken from training; a fifth by default.", "--val")] = (
        None
    )
    skip_bad: Annotated[bool, _data("Leave out images that cannot be read, instead of naming them.", "--skip-bad")] = (
        False
    )

    def source(self, resolution: int | None = None, *, streamed: bool = False) -> "ImageSource":
        """Where they lie, for an experiment."""
        from zoo.experiments import ImageSource

        counts = {"train": self.train, "validation": self.validation, "resolution": resolution}
        return ImageSource(name=self.data, **counts, streamed=streamed, skip_bad=self.skip_bad)


Resolution = Annotated[
    int | None, option("Pixels a side of the original setting; the data's own by default.", "Network")
]
Metric = Annotated[
    str,
    option(
        "What finals and references are judged by: accuracy or balanced_accuracy; auto: the latter where the smallest "
        "class has under half of the mean number of images.",
        "Training",
    ),
]
Cost = Annotated[
    str,
    option("What the recommended setting saves most of: counted macs, or seconds as they were measured.", "Study"),
]
Seed = Annotated[int, option("Of everything random: networks, weights, splits, order.", "Training")]
Batch = Annotated[int, option("Images per training step.", "Training")]
Cutout = Annotated[bool, option("Blank a square of half the side.", "Training")]


@dataclass(frozen=True, kw_only=True)
class Network:
    """Which cells, and how many of them."""

    space: Annotated[str, option("Search space: econas-zoo, econas-search or darts.", "Network")] = "econas-zoo"
    channels: Annotated[int, option("Initial channels of the original setting.", "Network")] = small.CHANNELS
    cells: Annotated[int, option("Cells of a network; two of them reduce.", "Network")] = small.CELLS
    resolution: Resolution = None


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where networks are computed, and in which numbers."""

    threads: Annotated[int, _workers("CPU threads per worker; changes the last bits, so it is part of the run.")] = 1
    device: Annotated[str, _workers("auto, cpu, cuda, cuda:N or mps.")] = "auto"
    dtype: Annotated[str, _workers("float32 (never TF32), float64, or bfloat16 (autocast).")] = "float32"

    def precision(self, cluster: "Cluster | None" = None) -> "Precision":
        """The precision asked for: of workers on a cluster, or of this process, which torchrun may have started.

        Raises:
            ValueError: for a device that is not there, or a dtype that it cannot compute with.
        """
        from zoo.training.device import choose_precision, process_precision

        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        channels_last = getattr(self, "channels_last", True)
        if cluster is None:
            return process_precision(self.device, self.dtype, channels_last)
        return choose_precision(self.device, self.dtype, channels_last, gpus=cluster.gpus, address=cluster.address)


@dataclass(frozen=True, kw_only=True)
class Compute(Device):
    """Where networks are trained, and in which numbers and memory format."""

    channels_last: Annotated[bool, _workers("Memory format of the maps.")] = True


@dataclass(frozen=True, kw_only=True)
class Alone(Compute):
    """Where networks are trained by one process, or by those that torchrun has started together."""

    threads: Annotated[int | None, _workers("CPU threads; part of a run, which chooses them at its start.")] = None  # type: ignore[assignment]

    def chosen_threads(self, folder: Path) -> int:
        """The threads asked for, those that the run in a folder has, or those of a new one."""
        from zoo.experiments.resources import threads_of

        return threads_of(folder, self.precision().device, self.threads)


def _rate(text: str) -> Any:
    return option(f"{text}; the recipe's by default.", "Training")


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What differs from a recipe; None: nothing."""

    epochs: Annotated[int | None, _rate("Epochs of the schedule")] = None
    batch: Annotated[int | None, _rate("Images per step, of all processes together")] = None
    lr: Annotated[float | None, _rate("Learning rate at the start of the cosine")] = None
    lr_min: Annotated[float | None, _rate("Learning rate at its end")] = None
    warmup: Annotated[int | None, _rate("Epochs of linear warm-up")] = None
    warmup_lr: Annotated[float | None, _rate("Learning rate the warm-up starts from")] = None
    momentum: Annotated[float | None, _rate("Momentum")] = None
    weight_decay: Annotated[float | None, _rate("Weight decay")] = None
    clip: Annotated[float | None, _rate("Largest gradient norm of a step")] = None
    cutout: Annotated[float | None, _rate("Side of the blanked square as a share of the image's, 0 for none")] = None
    path_dropout: Annotated[float | None, _rate("Path dropout at the end of its linear ramp")] = None
    smoothing: Annotated[float | None, _rate("Label smoothing")] = None

    def changed(self, recipe: "Recipe", **more: Any) -> "Recipe":
        """The recipe with what is given here.

        Raises:
            ValueError: for a value out of range.
        """
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        given.pop("epochs", None)
        return dataclasses.replace(recipe, **given, **more)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How networks of one batch are trained together."""

    group: Annotated[int | None, _workers("Networks a worker has at a time; on a GPU tried at the start.")] = None
    engine: Annotated[
        str,
        _workers(
            "auto: small maps as one program with the rest of the group; plain: module by module. Part of the run."
        ),
    ] = "auto"
    streams: Annotated[
        int, _workers("Small maps: a group's networks as so many programs, side by side on a GPU. Part of the run.")
    ] = 1

    def grouping(self) -> dict[str, Any]:
        """The group as an experiment takes it: the one asked for, or the run's own."""
        return {"choose_group": True} if self.group is None else {"group": self.group}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """How many workers, and where."""

    workers: Annotated[int | None, _workers("Worker processes (Ray); one, or one for each GPU.")] = None
    gpus: Annotated[float, _workers("GPUs per worker, may be a fraction.")] = 0.0
    address: Annotated[str | None, _workers("Join a running Ray cluster: auto, host:port or ray://host:port.")] = None

    def resources(self, device: str | None = None) -> "Resources":
        """The workers, once it is known that they can be had, and ``device`` on them.

        Raises:
            ValueError: as :meth:`Resources.check`.
        """
        from zoo.experiments import Resources

        found = Resources.asked(self.workers, self.gpus, self.address, device)
        found.check(device)
        return found


@dataclass(frozen=True, kw_only=True)
class Running:
    """Where a run lies, for how long it goes on, and what is printed."""

    out: Annotated[Path, option("Run folder; rerunning with the same one continues.", "Run")] = Path("runs/run")
    time: Annotated[
        str | None, option("Stop cleanly after, e.g., 90s, 30m or 2h; rerun to continue.", "Run", "--time")
    ] = None
    preset: Annotated[str | None, option("Sizes: tiny, small or paper; --dry-run says the hours.", "Run")] = None
    quiet: Annotated[bool, option("No progress: neither a bar nor lines.", "Run", "--quiet")] = False
    dry_run: Annotated[bool, option("Say what it would cost, and stop.", "Run", "--dry-run")] = False
    as_json: Json = False


def spread(function: Callable[..., None]) -> Callable[..., None]:
    """Spread the groups among a command's parameters out into options; the command gets them back as groups.

    A parameter's default, an instance of its group, gives the options of this command other defaults.
    """
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        hint = hints[parameter.name]
        if not (isinstance(hint, type) and dataclasses.is_dataclass(hint)):
            parameters.append(parameter.replace(annotation=hint, kind=parameter.KEYWORD_ONLY))
            continue
        groups[parameter.name] = hint
        usual = hint() if parameter.default is parameter.empty else parameter.default
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(usual, name), annotation=kind)
            for name, kind in get_type_hints(hint, include_extras=True).items()
        ]

    @functools.wraps(function)
    def command(**given: Any) -> Any:
        given = {parameter.name: parameter.default for parameter in parameters} | given
        for name, kind in groups.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in dataclasses.fields(kind)})
        return function(**given)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del command.__wrapped__  # typer would look at it
    return command


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
