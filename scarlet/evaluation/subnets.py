"""Sub-networks as trials: an evaluator that measures a whole batch of them on a trained supernet's weights."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scarlet.evaluation.folded import FoldedSupernet, Folding
from scarlet.evaluation.setup import SubnetSetup
from scarlet.evaluation.tree import Statistics, evaluate_paths, recalibrated
from scarlet.supernet.file import read_supernet, require_fitting
from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet
from zoo.population.executor import failures
from zoo.population.trial import Job, Outcome, Record
from zoo.purposes import RECALIBRATION
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.chain_space import CHAIN_SPACES
from zoo.spaces.genotype import ChainGenotype
from zoo.training.device import prepare_process
from zoo.training.memory import free_memory, out_of_memory
from zoo.training.recipe import torch_dtype

ROLE = "subnet"
"""Role of trials that are measured on inherited weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance(SubnetSetup):
    """What sub-networks inherit and how they are measured; small enough to travel once to every worker.

    Attributes:
        weights: content of a supernet file.
        seed: of the choice of the images to recalibrate on.
        recalibration: as of the setup, but always known; 0: statistics are inherited.
    """

    weights: bytes
    seed: int = 0
    recalibration: int = 0

    def identity(self) -> dict[str, Any]:
        """What decides a measurement, as JSON-ready data, for a run's identity."""
        return {
            "supernet": hashlib.sha256(self.weights).hexdigest(),
            "device": torch.device(self.device).type,
            "dtype": self.dtype,
            "threads": self.threads,
            "recalibration": self.recalibration,
            "seed": self.seed,
        }


def calibration_images(
    images: ImageSet, count: int, seed: int, resolution: int, mean: Sequence[float], std: Sequence[float]
) -> Tensor:
    """``count`` training images, drawn by ``seed`` and prepared, float32 (count, C, H, W).

    Raises:
        ValueError: as :func:`require_enough`.
    """
    require_enough(images, count)
    chosen = calibration_numbers(count, seed, len(images.train))
    return prepare(torch.tensor(images.train.images[chosen]), resolution, mean, std)


def calibration_numbers(count: int, seed: int, available: int) -> NDArray[np.int64]:
    """Which of so many training images are recalibrated on, ascending; one where a search takes no statistics."""
    order = np.random.default_rng((seed, RECALIBRATION)).permutation(available)
    return np.sort(order[: max(1, count)])


def require_enough(images: ImageSet, count: int) -> None:
    """Find out early whether there are ``count`` training images to recalibrate on.

    Raises:
        ValueError: for more images than there are.
    """
    if count > len(images.train):
        raise ValueError(f"expected at most the {len(images.train)} training images to recalibrate on, got {count}")


def make_subnet_evaluator(inheritance: Inheritance, images: ImageSet) -> "SubnetEvaluator":
    """The evaluator of a worker; with the inheritance bound, what an executor's factory must be."""
    return SubnetEvaluator(inheritance, images)


class SubnetEvaluator:
    """Measures all chains of a batch on the validation images as one tree; the test images are never touched.

    Metrics: accuracy, balanced_accuracy, loss; macs and params of the extracted network; images, the number of
    validation images.

    Raises:
        ValueError: for weights that are no supernet file, or images that are not those its classes name.
    """

    def __init__(self, inheritance: Inheritance, images: ImageSet) -> None:
        prepare_process(inheritance.threads)
        held = read_supernet(inheritance.weights, device=inheritance.device)
        require_fitting(images, held.classes, held.network.skeleton)
        self._network, self._labels = held.network, images.validation.labels
        dtype = torch_dtype(inheritance.dtype)
        if dtype == torch.float64:
            self._network.double()
        self._network = self._network.to(memory_format=torch.channels_last)
        self._folded = FoldedSupernet(self._network, Folding.best(inheritance.device, dtype))
        skeleton, device = self._network.skeleton, inheritance.device

        self._validation = torch.tensor(images.validation.images, device=device)  # bytes, prepared chunk by chunk
        self._prepared = partial(prepare, resolution=skeleton.resolution, mean=held.mean, std=held.std)
        self._validation_labels = torch.tensor(self._labels, device=device)
        self._calibration: Tensor | None = None
        if inheritance.recalibration:
            chosen = calibration_images(
                images, inheritance.recalibration, inheritance.seed, skeleton.resolution, held.mean, held.std
            )
            self._calibration = chosen.to(device)
        self._costs = ChainCosts(self._network.chain, skeleton.resolution, skeleton.classes, skeleton.in_channels)

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order; lack of memory and losses that are no numbers are failed records.

        Jobs that do not fit in memory together are measured in two halves.

        Raises:
            ValueError: for a trial that is not of a chain of this supernet's space on inherited weights.
        """
        began = time.perf_counter()
        paths = np.array([self._path(job) for job in jobs])
        try:
            measured: list[dict[str, float]] | None = self._measured(paths)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            measured = None
        if measured is None:
            free_memory()  # here, where the failed attempt's tensors are gone with its traceback
            if len(jobs) == 1:
                return failures(jobs, "out of memory", time.perf_counter() - began)
            half = len(jobs) // 2
            return [*self(jobs[:half]), *self(jobs[half:])]
        seconds = (time.perf_counter() - began) / len(jobs)
        return [(self._record(job, metrics, seconds), None) for job, metrics in zip(jobs, measured, strict=True)]

    def _path(self, job: Job) -> tuple[int, ...]:
        trial, space = job.trial, self._network.form.space
        if trial.setting is not None:
            raise ValueError(f"trial {trial.index} asks for training; this evaluator measures inherited weights")
        if not isinstance(trial.genotype, ChainGenotype) or not CHAIN_SPACES[space].contains(trial.genotype):
            raise ValueError(f"trial {trial.index} is no chain of {space!r}, the supernet's space")
        return trial.genotype.choices

    def _measured(self, paths: NDArray[np.int64]) -> list[dict[str, float]]:
        statistics: Statistics | None = None
        if self._calibration is not None:
            statistics = recalibrated(self._network, self._calibration, paths)
        scores = evaluate_paths(
            self._folded, self._validation, self._validation_labels, paths,
            statistics=statistics, prepared=self._prepared,
        )  # fmt: skip
        macs, params = self._costs(paths)
        columns = {
            "accuracy": scores.accuracies(self._labels),
            "balanced_accuracy": scores.balanced(self._labels),
            "loss": scores.losses,
            "macs": macs,
            "params": params,
        }
        return [
            {name: column[i].item() for name, column in columns.items()} | {"images": len(self._labels)}
            for i in range(len(paths))
        ]

    def _record(self, job: Job, metrics: dict[str, float], seconds: float) -> Record:
        index = job.trial.index
        if not np.isfinite(metrics["loss"]):
            return Record(index=index, ok=False, reason=f"diverged: the loss is {metrics['loss']}", seconds=seconds)
        return Record(index=index, ok=True, metrics=metrics, seconds=seconds)
