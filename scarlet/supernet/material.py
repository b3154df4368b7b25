"""Where a supernet's images come from: held in memory, or a stream that is decoded while it trains."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scarlet.evaluation.tree import PathScores, evaluate_paths
from scarlet.supernet.supernet import Supernet
from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet
from zoo.data.stream import ImageStream, Reader, Request
from zoo.training.distributed import ALONE, ProcessGroup
from zoo.training.epoch import Batches, EpochBatches, Examples, Stage, batch_slices
from zoo.training.evaluator import sample
from zoo.training.recipe import Recipe
from zoo.training.setup import TrainingSetup
from zoo.training.stream import StreamBatches

CHUNK = 256
"""Validation images of a stream that are held at a time."""


@dataclass(frozen=True, slots=True)
class Epochs:
    """The epochs of a training.

    Attributes:
        images: of an epoch.
        steps: of an epoch.
        batches: gives those of an epoch of a stage, the first being 0.
    """

    images: int
    steps: int
    batches: Callable[[Stage, int], Batches]


class Material(Protocol):
    """Training and validation images of a supernet; the test images are never touched."""

    labels: NDArray[np.int64]
    """Of the validation images."""

    def epochs(self, level: int) -> Epochs:
        """The epochs at a sample level."""
        ...

    def scores(self, network: Supernet, paths: NDArray[np.int64]) -> PathScores:
        """What paths (P, layers) do on the validation images."""
        ...

    def compared(self, count: int) -> Tensor:
        """The first validation images, prepared, (count, C, H, W)."""
        ...


def held_epochs(examples: Examples, recipe: Recipe, ranks: ProcessGroup = ALONE) -> Epochs:
    """The epochs of a training on images in memory.

    Raises:
        ValueError: for too few images.
    """

    def batches(stage: Stage, epoch: int) -> EpochBatches:
        return EpochBatches(examples, recipe, stage, epoch, ranks)

    count = len(examples.labels)
    return Epochs(count, len(batch_slices(count, recipe.batch, ranks.size)), batches)


class HeldImages:
    """Images in memory, on the device.

    Args:
        setup: device, resolution, batch, seed.
        images: the set.
        ranks: whose processes share every batch.
    """

    def __init__(self, setup: TrainingSetup, images: ImageSet, ranks: ProcessGroup = ALONE) -> None:
        device, self._resolution = setup.precision.device, setup.skeleton.resolution
        self._setup, self._set, self._ranks = setup, images, ranks
        self._train = torch.tensor(images.train.images, device=device)  # copies: shared arrays are read-only
        self._train_labels = torch.tensor(images.train.labels, device=device)
        self._validation = torch.tensor(images.validation.images, device=device)  # bytes, prepared chunk by chunk
        self._validation_labels = torch.tensor(images.validation.labels, device=device)
        self.labels = images.validation.labels

    def examples(self, level: int) -> Examples:
        """The training images at a sample level."""
        images, labels, held = self._train, self._train_labels, self._set
        if level:
            chosen = torch.from_numpy(sample(held.train.labels, level, self._setup.seed)).to(labels.device)
            images, labels = images[chosen], labels[chosen]
        return Examples(
            images=images, labels=labels, resolution=self._resolution, mean=held.mean, std=held.std, flip=held.flip
        )

    def epochs(self, level: int) -> Epochs:
        """As :meth:`Material.epochs`."""
        return held_epochs(self.examples(level), self._setup.recipe, self._ranks)

    def scores(self, network: Supernet, paths: NDArray[np.int64]) -> PathScores:
        """As :meth:`Material.scores`."""
        return evaluate_paths(network, self._validation, self._validation_labels, paths, prepared=self._prepared)

    def compared(self, count: int) -> Tensor:
        """As :meth:`Material.compared`."""
        return self._prepared(self._validation[:count])

    def _prepared(self, pixels: Tensor) -> Tensor:
        return prepare(pixels, self._resolution, self._set.mean, self._set.std)


class StreamedImages:
    """Images that are decoded when they are needed; none is held longer than a batch, or a chunk of a validation.

    Args:
        setup: device, resolution, batch, seed.
        images: the stream.
        reader: reads it.
        ranks: whose processes share every batch.
    """

    def __init__(self, setup: TrainingSetup, images: ImageStream, reader: Reader, ranks: ProcessGroup = ALONE) -> None:
        self._setup, self._stream, self._reader, self._ranks = setup, images, reader, ranks
        self._resolution = setup.skeleton.resolution
        self.labels = images.labels[images.validation]

    def epochs(self, level: int) -> Epochs:
        """As :meth:`Material.epochs`."""
        setup, numbers = self._setup, self._stream.train
        if level:
            numbers = numbers[sample(self._stream.labels[numbers], level, setup.seed)]

        def batches(stage: Stage, epoch: int) -> StreamBatches:
            return StreamBatches(
                self._stream, self._reader, numbers, setup, self._resolution, stage, epoch, self._ranks
            )

        return Epochs(len(numbers), len(batch_slices(len(numbers), setup.recipe.batch, self._ranks.size)), batches)

    def scores(self, network: Supernet, paths: NDArray[np.int64]) -> PathScores:
        """As :meth:`Material.scores`, of one chunk of images after another, each read once for all paths."""
        predictions, losses = [], np.zeros(len(paths))
        for pixels, labels in self._chunks(self._stream.validation):
            found = evaluate_paths(network, pixels, labels, paths, prepared=self._prepared)
            predictions.append(found.predictions)
            losses += found.losses * len(labels)
        return PathScores(np.concatenate(predictions, axis=1), losses / len(self.labels))

    def compared(self, count: int) -> Tensor:
        """As :meth:`Material.compared`."""
        chunks = [pixels for pixels, _ in self._chunks(self._stream.validation[:count])]
        return self._prepared(torch.cat(chunks))

    def _chunks(self, numbers: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        device = self._setup.precision.device
        plan = [
            [Request(number, self._resolution) for number in numbers[first : first + CHUNK].tolist()]
            for first in range(0, len(numbers), CHUNK)
        ]
        for pixels, labels in self._reader.batches(plan):
            yield pixels.to(device), torch.as_tensor(labels).to(device)

    def _prepared(self, pixels: Tensor) -> Tensor:
        return prepare(pixels, self._resolution, self._stream.mean, self._stream.std)
