"""Speed: seconds per image of a setting on this machine, from timing a few steps."""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import torch

from zoo.data.image_set import ImageSet
from zoo.networks.cell_network import CellNetwork
from zoo.networks.engine.program import Program
from zoo.networks.network import build_any
from zoo.population.proxy import ProxySetting
from zoo.spaces.genotype import Genotype
from zoo.training.cotraining import evaluate_together, make_program, prefers_program, training
from zoo.training.cuda_streams import in_turns
from zoo.training.device import prepare_process
from zoo.training.epoch import Examples, Stage, batch_slices
from zoo.training.recipe import Precision, Recipe
from zoo.training.setup import TrainingSetup
from zoo.training.trainer import evaluate, make_optimizer, train_stage

STEPS, REPLAYED, TIMED_IMAGES = 3, 10, 256
"""Steps that are timed; on a GPU, where they are short, so many times as many; images that are validated at least."""

STAGE = Stage(start=0, stop=1, epochs=1, seed=0, root=0)


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

    def shown(steps: int) -> Examples:
        return Examples.of(images, slice(0, steps * recipe.batch), skeleton.resolution, device)

    def by_modules(steps: int) -> float:
        examples, began = shown(steps), time.perf_counter()
        train_stage(network, optimizer, examples, recipe, setup.precision, STAGE)
        return (time.perf_counter() - began) / len(examples.labels)

    count = TIMED_IMAGES if torch.device(device).type == "cpu" else max(TIMED_IMAGES, len(images.validation))
    batch = torch.zeros(count, skeleton.in_channels, skeleton.resolution, skeleton.resolution, device=device)
    labels = torch.zeros(count, dtype=torch.long, device=device)
    validate: Callable[[], object]
    if program is not None:
        trained = seconds_by_programs([program], shown(STEPS), recipe, setup.precision)
        validate = partial(evaluate_together, program, batch, labels, skeleton.classes)
    else:
        by_modules(1)
        trained = by_modules(STEPS)
        validate = partial(evaluate, network, batch, labels, skeleton.classes, setup.precision)
    if torch.device(device).type != "cpu":
        validate()  # what is chosen or loaded once is no part of the time
    began = time.perf_counter()
    validate()
    return Speed(trained, (time.perf_counter() - began) / count)


def seconds_by_programs(programs: Sequence[Program], examples: Examples, recipe: Recipe, precision: Precision) -> float:
    """Seconds per image and network of programs' steps side by side, once they are as all later ones will be.

    On a GPU that is in the third epoch: every shape of batch is launched in the first and captured in the second.
    """
    count = min(len(examples.labels), STEPS * recipe.batch)
    examples = replace(examples, images=examples.images[:count], labels=examples.labels[:count])
    sizes = [each.stop - each.start for each in batch_slices(count, recipe.batch)]
    device = programs[0].buffer.device
    on_gpu = device.type == "cuda"
    warm, timed = (2 * len(sizes), REPLAYED * len(sizes)) if on_gpu else (1, STEPS)
    epochs = -(-(warm + timed) // len(sizes))
    stage = replace(STAGE, stop=epochs, epochs=epochs)
    works = [training(one, examples, recipe, precision, [stage] * len(one.networks)) for one in programs]

    def take(count: int) -> float:
        in_turns([_steps(work, count) for work in works], device)
        if on_gpu:
            torch.cuda.synchronize(device)
        return time.perf_counter()

    began, ended = take(warm), take(timed)
    for work in works:
        work.close()
    images = sum(sizes[step % len(sizes)] for step in range(warm, warm + timed))
    return float((ended - began) / images)


def _steps(work: Generator[None, None, object], count: int) -> Generator[None, None, None]:
    """The next ``count`` steps of a training."""
    for _ in range(count):
        next(work, None)
        yield
