"""Speed: seconds per image of a setting on this machine, from timing a few steps."""

import time
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from zoo.data.image_set import ImageSet
from zoo.networks.cell_network import CellNetwork
from zoo.networks.network import build_any
from zoo.population.proxy import ProxySetting
from zoo.spaces.genotype import Genotype
from zoo.training.cotraining import evaluate_together, make_program, prefers_program, train_together
from zoo.training.device import prepare_process
from zoo.training.epoch import Examples, Stage
from zoo.training.setup import TrainingSetup
from zoo.training.trainer import evaluate, make_optimizer, train_stage

STEPS = 3


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds per image, training and validating."""

    training: float
    validation: float


def seconds_per_image(setup: TrainingSetup, images: ImageSet, setting: ProxySetting, genotype: Genotype) -> Speed:
    """Time a few training steps and one validation batch of ``genotype`` at ``setting``, after a warm-up step.

    Sample share and epochs do not matter and settings that differ in them only are timed once. The learning
    rate is 0 here, so that a recipe that diverges can still be timed.
    """
    return _timed(setup, images, replace(setting, s=0, e=1), genotype)


@lru_cache(maxsize=256)
def _timed(setup: TrainingSetup, images: ImageSet, setting: ProxySetting, genotype: Genotype) -> Speed:
    prepare_process(setup.threads)
    device, skeleton = setup.precision.device, setting.skeleton(setup.skeleton)
    recipe = replace(setup.recipe, lr=0.0, lr_min=0.0, warmup=0)
    network = build_any(
        genotype,
        skeleton,
        torch.Generator().manual_seed(0),
        auxiliary=recipe.auxiliary > 0,
        device=device,
        dtype=setup.precision.storage,
    )
    if setup.precision.channels_last:
        network = network.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(network, recipe)
    fast = prefers_program(setup.engine, skeleton.resolution, device)
    program = make_program([network], setup.precision, recipe) if fast and isinstance(network, CellNetwork) else None

    def step(count: int) -> float:
        part = slice(0, count * recipe.batch)
        examples = Examples(
            images=torch.tensor(images.train.images[part], device=device),
            labels=torch.tensor(images.train.labels[part], device=device),
            resolution=skeleton.resolution,
            mean=images.mean,
            std=images.std,
            flip=images.flip,
        )
        began = time.perf_counter()
        stage = Stage(start=0, stop=1, epochs=1, seed=0, root=0)
        if program is not None:
            train_together([program], examples, recipe, setup.precision, [[stage]])
        else:
            train_stage(network, optimizer, examples, recipe, setup.precision, stage)
        return (time.perf_counter() - began) / len(examples.labels)

    step(1)
    training = step(STEPS)
    batch = torch.zeros(256, skeleton.in_channels, skeleton.resolution, skeleton.resolution, device=device)
    began = time.perf_counter()
    labels = torch.zeros(256, dtype=torch.long, device=device)
    if program is not None:
        evaluate_together(program, batch, labels, skeleton.classes)
    else:
        evaluate(network, batch, labels, skeleton.classes, setup.precision)
    return Speed(training, (time.perf_counter() - began) / 256)
