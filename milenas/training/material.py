"""Where a search's images come from: held in memory, or a stream that is decoded while it searches."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from milenas.supernet.supernet import Supernet
from milenas.training.batches import Feed, HeldFeed, StreamedFeed, divide_images
from milenas.training.setup import SearchSetup
from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet
from zoo.data.stream import ImageStream, Reader
from zoo.population.trial import Evaluator
from zoo.training.distributed import ALONE, ProcessGroup
from zoo.training.epoch import Examples, Stage, batch_slices
from zoo.training.evaluator import TrainingEvaluator
from zoo.training.setup import TrainingSetup
from zoo.training.stream import StreamEvaluator, measure_stream
from zoo.training.trainer import EVALUATION_BATCH, measure


class Material(Protocol):
    """The images of a search; the test images are never touched."""

    ranks: ProcessGroup
    """Whose processes share every batch."""
    steps: int
    """Of w in an epoch."""

    def feed(self, stage: Stage, epoch: int, ranks: ProcessGroup) -> Feed:
        """The batches of an epoch, from 0."""
        ...

    def measured(self, supernet: Supernet) -> dict[str, float]:
        """Accuracy, balanced accuracy and loss on the validation images."""
        ...

    def retrainer(self, setup: TrainingSetup) -> Evaluator:
        """Trains derived genotypes on all training images."""
        ...


class HeldImages:
    """Images in memory, on the device.

    Args:
        setup: of the search.
        images: the set.
        ranks: whose processes share every batch.

    Raises:
        ValueError: for images that cannot be split as asked, or too few of them.
    """

    def __init__(self, setup: SearchSetup, images: ImageSet, ranks: ProcessGroup = ALONE) -> None:
        device = setup.precision.device
        self.ranks, self.steps = ranks, steps_per_epoch(setup, images, ranks.size)
        self._setup, self._images = setup, images
        self._owned = [
            Examples(
                images=torch.tensor(images.train.images[part], device=device),
                labels=torch.tensor(images.train.labels[part], device=device),
                resolution=images.resolution,
                mean=images.mean,
                std=images.std,
                flip=images.flip,
            )
            for part in divide_images(images.train.labels, images.classes, setup.split, setup.seed)
        ]
        self._validation = torch.tensor(images.validation.images, device=device)  # bytes, prepared chunk by chunk
        self._labels = torch.tensor(images.validation.labels, device=device)

    def feed(self, stage: Stage, epoch: int, ranks: ProcessGroup) -> HeldFeed:
        """As :meth:`Material.feed`."""
        return HeldFeed(self._owned, self._setup.recipe, stage, epoch, ranks)

    def measured(self, supernet: Supernet) -> dict[str, float]:
        """As :meth:`Material.measured`."""
        precision, count, images = self._setup.precision, len(self._labels), self._images

        def batches() -> Iterator[tuple[Tensor, Tensor]]:
            for first in range(0, count, EVALUATION_BATCH):
                part = self.ranks.share(slice(first, min(first + EVALUATION_BATCH, count)))
                pixels = prepare(self._validation[part], images.resolution, images.mean, images.std)
                yield pixels, self._labels[part]

        return measure(supernet, batches(), supernet.skeleton.classes, precision.device, precision, self.ranks)

    def retrainer(self, setup: TrainingSetup) -> TrainingEvaluator:
        """As :meth:`Material.retrainer`."""
        return TrainingEvaluator(setup, self._images, self.ranks)


class StreamedImages:
    """Images that are decoded when they are needed.

    Args:
        setup: of the search.
        images: the stream.
        reader: reads it.
        ranks: whose processes share every batch.

    Raises:
        ValueError: for images that cannot be split as asked, or too few of them.
    """

    def __init__(self, setup: SearchSetup, images: ImageStream, reader: Reader, ranks: ProcessGroup = ALONE) -> None:
        self.ranks, self.steps = ranks, steps_per_epoch(setup, images, ranks.size)
        self._setup, self._stream, self._reader = setup, images, reader
        labels = images.labels[images.train]
        parts = divide_images(labels, images.classes, setup.split, setup.seed)
        self._owned = [images.train[part] for part in parts]

    def feed(self, stage: Stage, epoch: int, ranks: ProcessGroup) -> StreamedFeed:
        """As :meth:`Material.feed`."""
        resolution = self._setup.skeleton.resolution
        return StreamedFeed(self._stream, self._reader, self._owned, self._setup, resolution, stage, epoch, ranks)

    def measured(self, supernet: Supernet) -> dict[str, float]:
        """As :meth:`Material.measured`."""
        precision, seen = self._setup.precision, (self._stream, self._stream.validation, self._reader)
        return measure_stream(supernet, supernet.skeleton, *seen, precision, self.ranks)

    def retrainer(self, setup: TrainingSetup) -> StreamEvaluator:
        """As :meth:`Material.retrainer`."""
        return StreamEvaluator(setup, self._stream, self._reader, self.ranks)


def steps_per_epoch(setup: SearchSetup, images: ImageSet | ImageStream, processes: int = 1) -> int:
    """Steps of w in an epoch.

    Raises:
        ValueError: for images that cannot be split as asked, or too few of them.
    """
    labels = images.train.labels if isinstance(images, ImageSet) else images.labels[images.train]
    shares = divide_images(labels, images.classes, setup.split, setup.seed)
    steps, *_ = [len(batch_slices(len(one), setup.recipe.batch, processes)) for one in shares]  # all must have batches
    return steps
