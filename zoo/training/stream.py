"""Training on a stream: the evaluator of images that do not fit in memory, decoded while the network learns."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zoo.data.augmentation import Augmentation, prepare
from zoo.data.stream import ImageStream, Reader, Request
from zoo.networks.network import Network
from zoo.population.proxy import ProxySetting
from zoo.population.steps import stretch
from zoo.population.trial import Job, Outcome
from zoo.purposes import IMAGE_DRAWS, IMAGE_ORDER, STREAM_CROP
from zoo.spaces.skeleton import Skeleton
from zoo.training.device import prepare_process
from zoo.training.distributed import ALONE, ProcessGroup
from zoo.training.epoch import Stage, View, batch_slices, cutout_pixels, draw_epoch, portions
from zoo.training.evaluator import run_job, sample
from zoo.training.recipe import Precision, Recipe
from zoo.training.setup import TrainingSetup
from zoo.training.trainer import (
    EVALUATION_BATCH,
    Learner,
    measure,
    train_portion,
)


class Fed(Protocol):
    """The part of a setup that decides batches."""

    @property
    def recipe(self) -> Recipe:
        """Batch and cutout."""
        ...

    @property
    def precision(self) -> Precision:
        """The device."""
        ...


class StreamEvaluator:
    """Trains every job's network on random resized crops of a stream and measures it on its validation images.

    Order and crops come from (seed, root, purpose, epoch), so neither the number of loaders nor that of
    processes changes what an epoch shows. The test images are never touched.

    Args:
        setup: as for images in memory.
        images: the stream.
        reader: reads it.
        process group: whose processes share every batch.
    """

    def __init__(self, setup: TrainingSetup, images: ImageStream, reader: Reader, ranks: ProcessGroup = ALONE) -> None:
        prepare_process(setup.threads)
        self._setup, self._stream, self._reader, self._ranks = setup, images, reader, ranks

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order; divergence and lack of memory are failed records."""
        return [run_job(job, self._setup, self, self._ranks) for job in jobs]

    def train(
        self, network: Network, optimizer: torch.optim.Optimizer, setting: ProxySetting, stage: Stage
    ) -> tuple[list[float], int]:
        """Train for a stage; the mean loss of every epoch, and the images of an epoch."""
        setup, numbers = self._setup, self._stream.train
        if setting.s:
            numbers = numbers[sample(self._stream.labels[numbers], setting.s, setup.seed)]
        learner = Learner.of(network, optimizer, setup.recipe, self._ranks)
        count, recipe = len(numbers), setup.recipe
        asked = portions(stage, len(batch_slices(count, recipe.batch, self._ranks.size)), setup.every)
        losses = []
        for number, portion in enumerate(asked):
            batches = StreamBatches(
                self._stream, self._reader, numbers, setup, network.skeleton.resolution, portion.stage, portion.epoch,
                self._ranks,
            ).part(portion.steps)  # fmt: skip
            with stretch(number, len(asked)):
                losses.append(train_portion(learner, batches, count, recipe, setup.precision, portion))
        return losses, count

    def validate(self, network: Network) -> dict[str, float]:
        """Accuracy, balanced accuracy and loss on the validation images, each processes' share of them here."""
        seen = self._stream, self._stream.validation, self._reader
        return measure_stream(network, network.skeleton, *seen, self._setup.precision, self._ranks)


class StreamBatches:
    """The batches of an epoch of a stream: cropped by the loaders, the rest done on the device.

    Args:
        images: the stream.
        reader: reads it.
        numbers: of the images of an epoch.
        setup: batch, cutout, device.
        resolution: pixels a side.
        stage: whose seed and root the random numbers come from.
        epoch: of its schedule, from 0.
        ranks: whose processes share every batch.

    Raises:
        ValueError: for too few images.
    """

    purposes: ClassVar[tuple[int, int, int]] = (IMAGE_ORDER, IMAGE_DRAWS, STREAM_CROP)
    """Of the random streams of the order, of what augments on the device, and of the crops."""

    def __init__(
        self,
        images: ImageStream,
        reader: Reader,
        numbers: NDArray[np.int64],
        setup: Fed,
        resolution: int,
        stage: Stage,
        epoch: int,
        ranks: ProcessGroup = ALONE,
    ) -> None:
        self.slices = batch_slices(len(numbers), setup.recipe.batch, ranks.size)
        self._reader, self._ranks, self._device = reader, ranks, setup.precision.device
        self._view = View(
            augmentation=Augmentation(padding=0, flip=images.flip, cutout=cutout_pixels(setup.recipe, resolution)),
            base=resolution,
            resolution=resolution,
            mean=images.mean,
            std=images.std,
        )
        order, draws, crop = self.purposes
        drawn = draw_epoch(len(numbers), self._view, stage, epoch, (order, draws))
        self._order, self._draws = numbers[drawn.order], drawn.draws.to(self._device)
        self._crop = (stage.seed, stage.root, crop, epoch)

    def part(self, steps: range) -> Iterator[tuple[Tensor, Tensor]]:
        """As :meth:`zoo.training.epoch.Batches.part`."""
        plan = (self.requests(step) for step in steps)
        for step, read in zip(steps, self._reader.batches(plan), strict=True):
            yield self.seen(step, *read)

    def requests(self, step: int) -> list[Request]:
        """What a reader is asked for: this process's share of a step's batch, each image with its crop."""
        resolution, mine = self._view.resolution, self._ranks.share(self.slices[step])
        return [Request(number, resolution, (*self._crop, number)) for number in self._order[mine].tolist()]

    def seen(self, step: int, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """What was read for a step, augmented on the device: pixels (b, C, r, r) and labels (b,)."""
        shown = self._view.augmented(
            pixels.to(self._device, non_blocking=True), self._draws[self._ranks.share(self.slices[step])]
        )
        return shown, labels.to(self._device, non_blocking=True)


def measure_stream(
    network: nn.Module,
    skeleton: Skeleton,
    images: ImageStream,
    numbers: NDArray[np.int64],
    reader: Reader,
    precision: Precision,
    ranks: ProcessGroup = ALONE,
) -> dict[str, float]:
    """Accuracy, balanced accuracy and loss on some images of a stream: squares, as `thriftnas predict` sees them.

    Args:
        network: maps images to logits.
        skeleton: its pixels a side and its classes.
        images: the stream.
        numbers: of the images measured on.
        reader: reads them.
        precision: device, dtype, memory format.
        ranks: whose processes share the images.

    Raises:
        Diverged: if the loss is not finite.
        ValueError: naming the file, if one cannot be read.
    """
    resolution, count = skeleton.resolution, len(numbers)
    shares = (
        ranks.share(slice(first, min(first + EVALUATION_BATCH, count))) for first in range(0, count, EVALUATION_BATCH)
    )
    # A share may be empty where the last batch has fewer images than there are processes.
    plan = (
        [Request(number, resolution) for number in numbers[mine].tolist()] for mine in shares if mine.stop > mine.start
    )

    def prepared() -> Iterator[tuple[Tensor, Tensor]]:
        for pixels, labels in reader.batches(plan):
            seen = pixels.to(precision.device, non_blocking=True)
            yield prepare(seen, resolution, images.mean, images.std), labels.to(precision.device)

    return measure(network, prepared(), skeleton.classes, precision.device, precision, ranks)
