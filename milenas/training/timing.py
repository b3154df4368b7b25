"""The estimate of a search: what it will cost, from timing a few steps."""

import time

import torch

from milenas.supernet.supernet import Supernet, build_supernet
from milenas.training.material import HeldImages, Material, StreamedImages, steps_per_epoch
from milenas.training.setup import SearchSetup
from milenas.training.training import Progress, make_learners, train_steps
from zoo.data.image_set import ImageSet
from zoo.data.stream import ImageStream, Reader
from zoo.experiments.estimate import Estimate
from zoo.training.device import prepare_process
from zoo.training.distributed import ALONE
from zoo.training.epoch import Stage

TIMED = 3
"""Steps that are timed, after one to warm up."""


def search_estimate(setup: SearchSetup, images: ImageSet | ImageStream, processes: int, loaders: int = 0) -> Estimate:
    """Steps, hours and megabytes of a search; retraining is not in it.

    Args:
        setup: fitted to the images.
        images: of the run.
        processes: that share the steps.
        loaders: processes that decode the images of a stream.
    """
    prepare_process(setup.threads)
    supernet = _supernet(setup)
    if isinstance(images, ImageSet):
        per_step = _seconds_per_step(supernet, setup, HeldImages(setup, images))
    else:
        with Reader(images, loaders) as reader:
            per_step = _seconds_per_step(supernet, setup, StreamedImages(setup, images, reader))
    steps = steps_per_epoch(setup, images, processes) * setup.epochs
    weights = sum(parameter.numel() for parameter in supernet.parameters())
    numbers = {
        "steps": steps,
        "seconds/step": per_step,
        "hours": steps * per_step / 3600 / processes,
        "parameters": weights,
        "disk_mb": weights * 3 * 2 * 4 / 1e6,  # three checkpoints of weights and momentum for a moment
    }
    lines = tuple((name, f"{n:.3g}" if isinstance(n, float) else str(n)) for name, n in numbers.items())
    return Estimate(numbers=numbers, lines=lines)


def _seconds_per_step(supernet: Supernet, setup: SearchSetup, material: Material) -> float:
    learners = make_learners(supernet, setup.recipe, setup.method)
    stage = Stage(start=0, stop=setup.epochs, epochs=setup.epochs, seed=setup.seed, root=0)
    feed = material.feed(stage, 0, ALONE)
    epoch = setup.epochs - 1  # the rule that is used in the end
    count = min(TIMED, len(feed))
    train_steps(learners, feed, setup, stage, epoch, range(1), Progress(), ALONE)
    began = time.perf_counter()
    train_steps(learners, feed, setup, stage, epoch, range(count), Progress(), ALONE)
    return (time.perf_counter() - began) / count


def _supernet(setup: SearchSetup) -> Supernet:
    precision = setup.precision
    supernet = build_supernet(
        setup.shape,
        setup.skeleton,
        torch.Generator().manual_seed(setup.seed),
        device=precision.device,
        dtype=precision.storage,
    )
    return supernet.to(memory_format=torch.channels_last) if precision.channels_last else supernet
