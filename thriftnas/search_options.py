"""The options of searches, by name and type: those of the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from thriftnas.job_options import CellOptions, ComputeOptions, DeviceOptions, RateOptions, RunOptions, WorkerOptions
from thriftnas.material import Progress


class EcoNASOptions(CellOptions, total=False):
    """Of EcoNAS and what it is compared with; on a table those of training have no use."""

    columns: str
    method: str
    setting: str
    surrogate: str
    budget: float
    generations: int
    start: int
    stages: int
    parents: Sequence[int]
    promotions: Sequence[int]
    ageing: int
    signal: str
    asynchronous: bool
    reference: str
    finalists: int
    compare: int
    final_share: float
    metric: str
    limit: str | Sequence[str]
    latency: Path | str
    final_batch: int
    auxiliary: bool
    audit: str
    audits: int
    audit_networks: int
    audit_limit: float
    audit_share: float


class SupernetOptions(RunOptions, RateOptions, total=False):
    """Of a supernet's training."""

    space: str
    sampling: str
    stabilizers: bool
    stabilizer_start: str
    shared_squeeze: bool
    channels: int
    epochs: int
    stream: bool
    loaders: int
    every: int


class GoalOptions(DeviceOptions, total=False):
    """Of what a front is measured by and on."""

    train: int
    validation: int
    signal: str
    recalibrate: int
    latency: Path | str
    maximize: str | Sequence[str]
    minimize: str | Sequence[str]
    metric: str
    limit: str | Sequence[str]
    group: int


class FrontOptions(WorkerOptions, GoalOptions, total=False):
    """Of a weighted search."""

    weights: str | Mapping[str, float]
    population: int
    generations: int
    budget: int
    mutation: float
    random: float
    reinforced: float
    prior: float
    single: float
    several: int
    rounds: int
    surrogate: str
    audit: int
    audit_epochs: int
    compare: int


class ProblemOptions(GoalOptions, total=False):
    """Of a search as a problem of pymoo's."""

    progress: Progress


class AlgorithmOptions(WorkerOptions, ProblemOptions, total=False):
    """Of a search by an algorithm of pymoo."""

    population: int
    budget: int


class DartsOptions(RunOptions, ComputeOptions, total=False):
    """Of a differentiable search; ``lam`` is the command line's ``--lambda``."""

    stream: bool
    loaders: int
    update: str
    lam: float
    sampler: str
    bilevel_until: int
    split: int
    topology: str
    nodes: int
    operations: str | Sequence[str]
    keep: int
    cells: int
    channels: int
    epochs: int
    expected_size: int
    batch: int
    lr: float
    arch_lr: float
    arch_decay: float
    eigenvalue: bool
    every: int
    final_cells: int
    final_channels: int
    params: float
    finalists: int
    final_epochs: int
    compare: int
    metric: str
