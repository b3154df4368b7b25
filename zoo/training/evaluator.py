"""The evaluator: trials to records in a worker, by training each network on the images the worker holds."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet, subset
from zoo.networks.cell_network import CellNetwork, build_network
from zoo.population.proxy import share_at
from zoo.population.trial import Job, Outcome, Record, Trial
from zoo.spaces.cost import cost
from zoo.spaces.skeleton import Skeleton
from zoo.training.checkpoint import load_checkpoint, save_checkpoint
from zoo.training.trainer import (
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
        """The setup as JSON-ready data; the device counts by its type only."""
        data = dataclasses.asdict(self)
        data["precision"]["device"] = torch.device(self.precision.device).type
        return data | {"engine": ENGINE}


def make_evaluator(setup: TrainingSetup, images: ImageSet) -> "TrainingEvaluator":
    """The evaluator of a worker; with the setup bound, what an executor's factory must be."""
    return TrainingEvaluator(setup, images)


class TrainingEvaluator:
    """Trains every job's network for its stage and measures it on the validation images.

    Holds the images on the device: the training images as they are, the validation images prepared once per
    resolution. The test images are never touched.
    """

    def __init__(self, setup: TrainingSetup, images: ImageSet) -> None:
        torch.set_num_threads(setup.threads)
        self._setup, self._set = setup, images
        device = setup.precision.device
        self._train = torch.tensor(images.train.images, device=device)  # copies: shared arrays are read-only
        self._labels = torch.tensor(images.train.labels, device=device)
        self._validation_labels = torch.tensor(images.validation.labels, device=device)
        self._validation: dict[int, Tensor] = {}

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order; divergence and lack of memory are failed records."""
        return [self._run(job) for job in jobs]

    def _run(self, job: Job) -> Outcome:
        began = time.perf_counter()
        try:
            metrics, weights, epochs = self._train_and_measure(job)
        except Diverged as error:
            return self._failed(job, str(error), began), None
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return self._failed(job, "out of memory", began), None
        record = Record(
            index=job.trial.index,
            ok=True,
            metrics=metrics,
            epochs_paid=epochs,
            seconds=time.perf_counter() - began,
        )
        return record, weights

    def _failed(self, job: Job, reason: str, began: float) -> Record:
        return Record(
            index=job.trial.index,
            ok=False,
            reason=reason,
            epochs_paid=job.trial.stop - job.trial.start,
            seconds=time.perf_counter() - began,
        )

    def _train_and_measure(self, job: Job) -> tuple[dict[str, float], bytes | None, int]:
        trial, setup = job.trial, self._setup
        if trial.setting is None:
            raise ValueError(f"trial {trial.index} has no proxy setting; this evaluator trains from scratch")
        skeleton = trial.setting.skeleton(setup.skeleton)
        network = self._network(trial, job.root, skeleton)
        optimizer = make_optimizer(network, setup.recipe)
        start = trial.start
        if start and job.checkpoint is None:
            start = 0  # the weights were lost: the whole chain is trained again, from the same seeds
        elif job.checkpoint is not None:
            done = load_checkpoint(job.checkpoint, network, optimizer)
            if done != start:
                raise ValueError(f"trial {trial.index} resumes at epoch {start}, its checkpoint is at {done}")
        examples = self._examples(trial.setting.s, skeleton.resolution)
        stage = Stage(start=start, stop=trial.stop, epochs=trial.setting.e, seed=setup.seed, root=job.root)
        train_loss = train_stage(network, optimizer, examples, setup.recipe, setup.precision, stage)
        weights = save_checkpoint(network, optimizer, trial.stop) if trial.keep else None
        metrics = evaluate(
            network,
            self._prepared(skeleton.resolution),
            self._validation_labels,
            skeleton.classes,
            setup.precision,
        )
        price = cost(trial.genotype, skeleton)
        metrics |= {
            "train_loss": train_loss,
            "macs": price.macs,
            "params": price.params,
            "images": len(examples.labels),
        }
        return metrics, weights, trial.stop - start

    def _network(self, trial: Trial, root: int, skeleton: Skeleton) -> CellNetwork:
        precision = self._setup.precision
        seed = int(np.random.default_rng((self._setup.seed, root, WEIGHTS)).integers(2**63))
        network = build_network(
            trial.genotype,
            skeleton,
            torch.Generator().manual_seed(seed),
            auxiliary=self._setup.recipe.auxiliary > 0,
            device=precision.device,
            dtype=precision.storage,
        )
        return network.to(memory_format=torch.channels_last) if precision.channels_last else network

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


def _out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )
