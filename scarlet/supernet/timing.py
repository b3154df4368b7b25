"""How long the training of a supernet takes on this machine: from timing a few steps and a few validation images."""

import dataclasses
import time

import numpy as np
import torch

from scarlet.evaluation.tree import evaluate_paths
from scarlet.supernet.form import SupernetForm
from scarlet.supernet.material import held_epochs
from scarlet.supernet.rules import uniform_paths
from scarlet.supernet.setup import SupernetSetup
from scarlet.supernet.supernet import Supernet
from scarlet.supernet.training import COUNTED_PATHS, new_supernet, supernet_optimizer, train_supernet
from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet
from zoo.data.stream import ImageStream
from zoo.spaces.skeleton import Skeleton
from zoo.training.device import prepare_process
from zoo.training.epoch import Examples, Stage
from zoo.training.timing import TIMED_IMAGES, timed_reading

STEPS = 3
"""Steps that are timed, after one to warm up."""

VALIDATED = 64
"""Validation images that are timed."""


def epoch_seconds(
    form: SupernetForm, setup: SupernetSetup, images: ImageSet | ImageStream, loaders: int = 0
) -> tuple[float, float]:
    """Seconds of an epoch's training by one process, and of its validation.

    The learning rate is 0 here, so that a recipe that diverges can still be timed.

    Args:
        form: of the supernet.
        setup: of its training.
        images: it trains on; of a stream a few are read.
        loaders: processes that decode the images of a stream.
    """
    training = setup.training
    prepare_process(training.threads)
    still = dataclasses.replace(training.recipe, lr=0.0, lr_min=0.0, warmup=0)
    timed = dataclasses.replace(setup, training=dataclasses.replace(training, recipe=still), every=None)
    network = new_supernet(form, timed)
    optimizer = supernet_optimizer(network, still)
    stage = Stage(start=0, stop=1, epochs=1, seed=training.seed, root=0)
    reading, held = 0.0, images
    if isinstance(images, ImageStream):
        reading, held = timed_reading(images, min(TIMED_IMAGES, STEPS * still.batch))
        reading /= max(1, loaders)
    assert isinstance(held, ImageSet)

    def train(steps: int) -> tuple[float, int]:
        examples = _examples(setup, held, steps * still.batch)
        began = time.perf_counter()
        train_supernet(network, optimizer, held_epochs(examples, still), timed, stage)
        return time.perf_counter() - began, len(examples.labels)

    train(1)
    seconds, count = train(STEPS)
    # Loaders read while the supernet learns, so the slower of the two decides.
    validation = max(_validation_seconds(network, setup, held), reading) * len(images.validation)
    return max(seconds / count, reading) * len(images.train), validation


def parameter_count(form: SupernetForm, skeleton: Skeleton) -> int:
    """Parameters of a supernet."""
    with torch.device("meta"):
        network = Supernet(form, skeleton)
    return sum(parameter.numel() for parameter in network.parameters())


def _examples(setup: SupernetSetup, images: ImageSet, count: int) -> Examples:
    training = setup.training
    return Examples.of(images, slice(count), training.skeleton.resolution, training.precision.device)


def _validation_seconds(network: Supernet, setup: SupernetSetup, images: ImageSet) -> float:
    """Seconds of a validation image."""
    device, chain = setup.training.precision.device, network.chain
    pixels = torch.tensor(images.validation.images[:VALIDATED], device=device)
    labels = torch.tensor(images.validation.labels[:VALIDATED], device=device)
    paths = uniform_paths(np.random.default_rng(0), chain.starts[-1], len(chain.choices), COUNTED_PATHS)
    began = time.perf_counter()
    prepared = prepare(pixels, setup.training.skeleton.resolution, images.mean, images.std)
    evaluate_paths(network.eval(), prepared, labels, paths)
    return (time.perf_counter() - began) / max(1, len(labels))
