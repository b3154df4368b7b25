"""The options of studies, zoos and trainings, by name and type: those of the command line."""

from collections.abc import Sequence
from typing import TypedDict

from thriftnas.material import Progress


class RunOptions(TypedDict, total=False):
    """Of every job: for how many seconds it goes on at most, and what hears its progress."""

    deadline: float
    progress: Progress


class WorkerOptions(RunOptions, total=False):
    """Where its workers are."""

    workers: int
    gpus: float
    address: str


class DeviceOptions(TypedDict, total=False):
    """Where networks are computed, and in which numbers."""

    seed: int
    threads: int
    device: str
    dtype: str


class ComputeOptions(DeviceOptions, total=False):
    """Where networks are trained, and in which memory format; on how many images, and how large."""

    channels_last: bool
    train: int
    validation: int
    resolution: int
    skip_bad: bool


class RateOptions(ComputeOptions, total=False):
    """What differs from a recipe; cutout is a share of the image's side, or whether half of it is blanked."""

    batch: int
    lr: float
    lr_min: float
    warmup: int
    warmup_lr: float
    momentum: float
    weight_decay: float
    clip: float
    cutout: float | bool
    smoothing: float


class CellOptions(WorkerOptions, RateOptions, total=False):
    """Which cells, and how a batch of them is trained."""

    space: str
    channels: int
    cells: int
    path_dropout: float
    group: int
    engine: str
    streams: int


class StudyOptions(CellOptions, total=False):
    """Of a study."""

    models: int
    until: str
    at_least: float
    setting: str
    reference: str
    repeats: int
    target: float
    metric: str
    cost: str
    signals: str | Sequence[str]
    scores: str | Sequence[str]


class BuildOptions(CellOptions, total=False):
    """Of a zoo."""

    models: int
    metric: str
    setting: str


class TrainOptions(RunOptions, RateOptions, total=False):
    """Of a training as long as papers'."""

    recipe: str
    epochs: int
    channels: int
    cells: int
    path_dropout: float
    auxiliary: bool
    auxiliary_weight: float
    stream: bool
    loaders: int
    sync_bn: bool
    every: int
    compare: int
