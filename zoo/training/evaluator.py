"""The evaluator: trials to records in a worker, by training each network on the images the worker holds."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet, subset
from zoo.networks.network import Network, build_any
from zoo.population.proxy import ProxySetting, share_at
from zoo.population.trial import Job, Outcome, Record
from zoo.spaces.chain_cost import network_cost
from zoo.spaces.genotype import Genotype
from zoo.spaces.skeleton import Skeleton
from zoo.training.checkpoint import load_checkpoint, save_checkpoint
from zoo.training.distributed import ALONE, Team
from zoo.training.trainer import (
    ADDED,
    Diverged,
    Examples,
    Precision,
    Recipe,
    Stage,
    evaluate,
    make_optimizer,
    train_stage,
)

# Purposes of the random streams; every use of randomness has a number of its own.
WEIGHTS, SAMPLE = 304, 305

ENGINE = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetup:
    """Everything that decides what training a trial gives, except the images; part of a run's identity.

    Attributes:
        skeleton: of the original setting; proxy settings reduce it.
        recipe: batch, schedule, regularisation.
        precision: device, dtype, memory format.
        seed: of weights, order, augmentation and sample subsets.
        threads: CPU threads of a worker; another number gives other last bits.
    """

    skeleton: Skeleton = field(default_factory=Skeleton)
    recipe: Recipe = field(default_factory=Recipe)
    precision: Precision = field(default_factory=Precision)
    seed: int = 0
    threads: int = 1

    def identity(self) -> dict[str, Any]:
        """The setup as JSON-ready data; the device counts by its type only, and see :data:`ADDED`."""
        data = dataclasses.asdict(self)
        for field_ in dataclasses.fields(Recipe):
            if field_.name in ADDED and data["recipe"][field_.name] == field_.default:
                del data["recipe"][field_.name]
        data["precision"]["device"] = torch.device(self.precision.device).type
        return data | {"engine": ENGINE}


def make_evaluator(setup: TrainingSetup, images: ImageSet) -> "TrainingEvaluator":
    """The evaluator of a worker; with the setup bound, what an executor's factory must be."""
    return TrainingEvaluator(setup, images)


class Material(Protocol):
    """Where training and validation images come from; what differs between evaluators that train."""

    def train(
        self, network: Network, optimizer: torch.optim.Optimizer, setting: ProxySetting, stage: Stage
    ) -> tuple[float, int]:
        """Train for a stage: the mean loss of its last epoch, and the images of an epoch."""
        ...

    def validate(self, network: Network) -> dict[str, float]:
        """Accuracy, balanced accuracy and loss on the validation images."""
        ...


def run_job(job: Job, setup: TrainingSetup, material: Material, team: Team = ALONE) -> Outcome:
    """Train a job's network for its stage and measure it; divergence and lack of memory are failed records."""
    return guarded(job, lambda: _train_and_measure(job, setup, material, team))


def guarded(job: Job, work: Callable[[], tuple[dict[str, float], bytes | None, int]]) -> Outcome:
    """The outcome of ``work``, which gives metrics, weights and epochs; failures as :func:`run_job` says."""
    began = time.perf_counter()

    def record(ok: bool, epochs: int, metrics: dict[str, float], reason: str = "") -> Record:
        seconds = time.perf_counter() - began
        return Record(index=job.trial.index, ok=ok, reason=reason, metrics=metrics, epochs_paid=epochs, seconds=seconds)

    asked = job.trial.stop - job.trial.start
    try:
        metrics, weights, epochs = work()
    except Diverged as error:
        return record(False, asked, {}, str(error)), None
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return record(False, asked, {}, "out of memory"), None
    return record(True, epochs, metrics), weights


def _train_and_measure(
    job: Job, setup: TrainingSetup, material: Material, team: Team
) -> tuple[dict[str, float], bytes | None, int]:
    trial = job.trial
    if trial.setting is None:
        raise ValueError(f"trial {trial.index} has no proxy setting; this evaluator trains from scratch")
    genotype = trial.genotype
    skeleton = trial.setting.skeleton(setup.skeleton)
    network = team.prepare(_network(genotype, job.root, skeleton, setup))
    optimizer = make_optimizer(network, setup.recipe)
    start = trial.start
    if start and job.checkpoint is None:
        start = 0  # the weights were lost: the whole chain is trained again, from the same seeds
    elif job.checkpoint is not None:
        done = load_checkpoint(job.checkpoint, network, optimizer)
        if done != start:
            raise ValueError(f"trial {trial.index} resumes at epoch {start}, its checkpoint is at {done}")
    stage = Stage(start=start, stop=trial.stop, epochs=trial.setting.e, seed=setup.seed, root=job.root)
    train_loss, images = material.train(network, optimizer, trial.setting, stage)
    # in a team, the others' weights are the same and go nowhere
    weights = save_checkpoint(network, optimizer, trial.stop) if trial.keep and team.rank == 0 else None
    metrics = material.validate(network)
    price = network_cost(genotype, skeleton)
    metrics |= {"train_loss": train_loss, "macs": price.macs, "params": price.params, "images": images}
    return metrics, weights, trial.stop - start


def _network(genotype: Genotype, root: int, skeleton: Skeleton, setup: TrainingSetup) -> Network:
    precision = setup.precision
    seed = int(np.random.default_rng((setup.seed, root, WEIGHTS)).integers(2**63))
    network = build_any(
        genotype,
        skeleton,
        torch.Generator().manual_seed(seed),
        auxiliary=setup.recipe.auxiliary > 0,
        device=precision.device,
        dtype=precision.storage,
    )
    return network.to(memory_format=torch.channels_last) if precision.channels_last else network


class TrainingEvaluator:
    """Trains every job's network for its stage and measures it on the validation images.

    Holds the images on the device: the training images as they are, the validation images prepared once per
    resolution. The test images are never touched.
    """

    def __init__(self, setup: TrainingSetup, images: ImageSet, team: Team = ALONE) -> None:
        torch.set_num_threads(setup.threads)
        self._setup, self._set, self._team = setup, images, team
        device = setup.precision.device
        self._train = torch.tensor(images.train.images, device=device)  # copies: shared arrays are read-only
        self._labels = torch.tensor(images.train.labels, device=device)
        self._validation_labels = torch.tensor(images.validation.labels, device=device)
        self._validation: dict[int, Tensor] = {}

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order; divergence and lack of memory are failed records."""
        return [run_job(job, self._setup, self, self._team) for job in jobs]

    def train(
        self, network: Network, optimizer: torch.optim.Optimizer, setting: ProxySetting, stage: Stage
    ) -> tuple[float, int]:
        """Train for a stage; its last epoch's mean loss, and the images of an epoch."""
        examples = self._examples(setting.s, network.skeleton.resolution)
        loss = train_stage(network, optimizer, examples, self._setup.recipe, self._setup.precision, stage, self._team)
        return loss, len(examples.labels)

    def validate(self, network: Network) -> dict[str, float]:
        """Accuracy, balanced accuracy and loss on the validation images."""
        images, shape = self._prepared(network.skeleton.resolution), network.skeleton
        return evaluate(network, images, self._validation_labels, shape.classes, self._setup.precision, self._team)

    def _examples(self, level: int, resolution: int) -> Examples:
        images, labels = self._train, self._labels
        if level:
            chosen = torch.from_numpy(sample(self._set.train.labels, level, self._setup.seed)).to(labels.device)
            images, labels = images[chosen], labels[chosen]
        return Examples(
            images=images,
            labels=labels,
            resolution=resolution,
            mean=self._set.mean,
            std=self._set.std,
            flip=self._set.flip,
        )

    def _prepared(self, resolution: int) -> Tensor:
        if resolution not in self._validation:
            images = torch.tensor(self._set.validation.images, device=self._setup.precision.device)
            self._validation[resolution] = prepare(images, resolution, self._set.mean, self._set.std)
        return self._validation[resolution]


def sample(labels: np.ndarray[Any, np.dtype[np.int64]], level: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Indices of the training images at a sample level: class-balanced, drawn once per seed, nested."""
    return subset(labels, share_at(level), np.random.default_rng((seed, SAMPLE)))


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that a device had no memory left; torch has several ways to say so."""
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )
