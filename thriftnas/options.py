"""The options of every job by name and type, and how they are shared out to what they belong to."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from thriftnas.material import Progress, listener, source_of
from zoo.experiments import Experiment, Resources, Run, Source, execute
from zoo.spaces.skeleton import Skeleton
from zoo.training.recipe import Recipe
from zoo.training.setup import TrainingSetup

if TYPE_CHECKING:
    from zoo.training.recipe import Precision


class RunOptions(TypedDict, total=False):
    """Of every job: where it runs, for how many seconds at most, and what hears its progress."""

    workers: int
    gpus: float
    address: str
    deadline: float
    progress: Progress


class ImageOptions(RunOptions, total=False):
    """How many images, and how large."""

    train: int
    validation: int
    resolution: int


class ComputeOptions(ImageOptions, total=False):
    """In which numbers networks are trained, and where."""

    seed: int
    threads: int
    device: str
    dtype: str
    channels_last: bool


class RateOptions(ComputeOptions, total=False):
    """What differs from a recipe."""

    batch: int
    lr: float
    lr_min: float
    warmup: int
    warmup_lr: float
    momentum: float
    weight_decay: float
    clip: float
    cutout: float
    path_dropout: float
    smoothing: float


class CellOptions(RateOptions, total=False):
    """Which cells, and how a batch of them is trained."""

    space: str
    channels: int
    cells: int
    group: int
    engine: str
    streams: int


class StudyOptions(CellOptions, total=False):
    """Of a study."""

    models: int
    setting: str
    reference: str
    repeats: int
    target: float


class BuildOptions(CellOptions, total=False):
    """Of a zoo."""

    models: int
    setting: str


class Given:
    """The options that a job was given, taken out one after the other; what is left at the end was no option.

    Args:
        job: name of the function.
        options: as given.
    """

    def __init__(self, job: str, options: Mapping[str, Any]) -> None:
        self._job, self._rest = job, dict(options)

    def take(self, name: str, usual: Any) -> Any:
        """An option, or what is usual."""
        return self._rest.pop(name, usual)

    def fields(self, kind: Any, **usual: Any) -> dict[str, Any]:
        """The options that are fields of a dataclass, beside what is usual."""
        names = {field.name for field in dataclasses.fields(kind)} & set(self._rest)
        return usual | {name: self._rest.pop(name) for name in names}

    def source(self, data: Any) -> Source:
        """Where the images lie.

        Raises:
            ValueError: for anything but a name, a folder, arrays or an image set.
        """
        return source_of(data, self.take("train", None), self.take("validation", None), self.take("resolution", None))

    def precision(self) -> "Precision":
        """Device, dtype and memory format.

        Raises:
            ValueError: for a device that is not there, or a dtype that it cannot compute with.
        """
        from zoo.training.device import choose_precision

        chosen = {"device": "auto", "dtype": "float32", "channels_last": True}
        chosen |= {name: self._rest.pop(name) for name in list(chosen) if name in self._rest}
        places = {"gpus": self._rest.get("gpus", 0.0), "address": self._rest.get("address")}
        return choose_precision(**chosen, **places)

    def setup(self, *, channels: int, cells: int, engine: str = "auto", **recipe: Any) -> TrainingSetup:
        """How networks of cells are trained.

        Args:
            channels: usual ones.
            cells: usual number of them.
            engine: usual one.
            recipe: usual fields of it.

        Raises:
            ValueError: for a value out of range.
        """
        skeleton = {"channels": self.take("channels", channels), "cells": self.take("cells", cells)}
        rates = Recipe(**self.fields(Recipe, **recipe))
        precision = self.precision()
        return TrainingSetup(
            skeleton=Skeleton(**skeleton), recipe=rates, precision=precision,
            **self.fields(TrainingSetup, engine=engine),
        )  # fmt: skip

    def run(self, experiment: Experiment, source: Source, folder: "Path | str") -> Run:
        """Run the experiment; with its report written, where it has come to its end.

        Raises:
            ValueError: for an option that does not exist, or as :func:`zoo.experiments.execute`.
        """
        resources = Resources(**self.fields(Resources))
        deadline, progress = self.take("deadline", None), self.take("progress", True)
        if self._rest:
            raise ValueError(f"{self._job} has no option {', '.join(sorted(self._rest))}")
        resources.check()
        with listener(progress) as listen:
            run = execute(
                experiment, source, Path(folder), resources.fitting(experiment.threads), deadline=deadline,
                listen=listen,
            )  # fmt: skip
        if run.finished:
            run.report().write(run.folder)
        return run
