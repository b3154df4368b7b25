"""How long a training takes on this machine: from timing a few steps and, of a stream, reading a few images."""

import time

import numpy as np
import torch

from zoo.data.image_set import ImageSet, Split
from zoo.data.stream import ImageStream, Reader, Request
from zoo.networks.cell_network import CellNetwork
from zoo.networks.chain_network import ChainNetwork
from zoo.population.proxy import ProxySetting
from zoo.spaces.genotype import CellGenotype, ChainGenotype
from zoo.training.setup import TrainingSetup
from zoo.training.speed import STEPS, seconds_per_image

TIMED_IMAGES = 192
"""Images of a stream that are read to time it."""


def training_seconds(
    setup: TrainingSetup,
    images: ImageSet | ImageStream,
    setting: ProxySetting,
    genotype: CellGenotype | ChainGenotype,
    loaders: int,
    processes: int,
) -> float:
    """Seconds of a whole training with its validations and the final test.

    Args:
        setup: of the training.
        images: it trains on.
        setting: whose epochs it trains.
        genotype: of the network.
        loaders: processes that decode the images of a stream.
        processes: that train together.
    """
    reading = 0.0
    if isinstance(images, ImageStream):
        reading, timed = timed_reading(images, min(TIMED_IMAGES, setup.recipe.batch * STEPS))
        reading /= max(1, loaders)
    else:
        timed = images
    speed = seconds_per_image(setup, timed, setting, genotype)
    # Loaders read while the network learns, so the slower of the two decides.
    training, validation = max(speed.training, reading), max(speed.validation, reading)
    epoch = len(images.train) * training + len(images.validation) * validation
    return epoch * setting.e / processes + len(images.test) * validation


def network_parameters(genotype: CellGenotype | ChainGenotype, setup: TrainingSetup) -> int:
    """Parameters of a network in training, with the auxiliary head, which the closed form leaves out."""
    with torch.device("meta"):
        network = (
            ChainNetwork(genotype, setup.skeleton)
            if isinstance(genotype, ChainGenotype)
            else CellNetwork(genotype, setup.skeleton, setup.recipe.auxiliary > 0)
        )
    return sum(parameter.numel() for parameter in network.parameters())


def timed_reading(images: ImageStream, count: int) -> tuple[float, ImageSet]:
    """Seconds one process takes to read and crop a training image, and what it read as a small image set."""
    numbers = images.train[:count].tolist()
    with Reader(images) as reader:
        began = time.perf_counter()
        requests = [Request(number, images.resolution, (0, number)) for number in numbers]
        ((pixels, labels),) = reader.batches([requests])
        took = time.perf_counter() - began
    split = Split(images=pixels.numpy(), labels=np.asarray(labels, dtype=np.int64))
    timed = ImageSet(
        name=images.name, classes=images.classes, train=split, validation=split, test=split, mean=images.mean,
        std=images.std, flip=images.flip,
    )  # fmt: skip
    return took / len(numbers), timed
