"""Group 3: seconds of a network-epoch by `train_together`, augmentation and validation included, and other costs.

An epoch is timed as one call less a call of four batches, which has the same eager steps and captures: what is left is
the pace of a second epoch. Its seconds are those of 50,000 training and 10,000 validation images, shared by networks.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from benchmarks._gpu.cells import PAPER, TINY, batches, build, built, fallbacks, genotypes, placed
from benchmarks._gpu.images import examples_of, pictures
from benchmarks._gpu.lines import Numbers, judged, main
from benchmarks._gpu.place import Place, tf32
from zoo.networks.cell_network import CellNetwork
from zoo.networks.engine.program import Program
from zoo.spaces.skeleton import Skeleton
from zoo.training.captured import CapturedStep
from zoo.training.checkpoint import save_checkpoint
from zoo.training.cotraining import (
    Trained,
    evaluate_together,
    load_momenta,
    make_program,
    store_momenta,
    train_together,
)
from zoo.training.epoch import Stage
from zoo.training.evaluator import side_by_side
from zoo.training.recipe import Precision, Recipe
from zoo.training.trainer import evaluate, make_optimizer, train_stage

TRAIN, VALIDATION, LIMIT = 50_000, 10_000, 0.2  # images of an epoch; seconds of a network-epoch that are wanted
WARM, DRY_WARM = 3, 1  # full batches of the call that is subtracted: eager, captured, replayed


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of what is timed here.

    Attributes:
        skeleton: of the networks.
        recipe: batch and rates.
        train: images of the call that is timed.
        validation: images.
        warm: images of the call that is subtracted.
    """

    skeleton: Skeleton
    recipe: Recipe
    train: int
    validation: int
    warm: int

    @classmethod
    def of(cls, place: Place, share: int = 1) -> "Sizes":
        """An epoch, or a part of it that is timed for all."""
        recipe = Recipe(batch=place.size(384, 4), lr=0.1, lr_min=0.0, cutout=0.0)
        # the last batch is as short as an epoch's, 80 images
        rest = place.size(TRAIN % 384, 2)
        full, warm = (recipe.batch * place.size(*sizes) for sizes in ((TRAIN // 384 // share, 2), (WARM, DRY_WARM)))
        skeleton, validation = TINY if place.dry else PAPER, place.size(VALIDATION, 8)
        return cls(skeleton, recipe, train=full + rest, validation=validation, warm=warm + rest)

    def epoch(self, seconds: float) -> float:
        """Seconds of an epoch of the paper, from those that its additional images took here."""
        return max(0.0, seconds) * TRAIN / (self.train - self.warm)


def together(place: Place, *, count: int, streams: int, dtype: str, rounded: bool = False, share: int = 1) -> Numbers:
    """A group of networks, shared out to programs on streams of their own."""
    sizes, count = Sizes.of(place, share), place.size(count, min(count, 2))
    precision = Precision(device=place.device, dtype=dtype)
    errors = place.out_of_memory_errors()
    with tf32(rounded):
        networks, building = built(count, sizes.skeleton, place.device)
        parts = side_by_side(count, streams)
        programs, planning = place.timed(lambda: [make_program(networks[p], precision, sizes.recipe) for p in parts])
        seconds, trained = _trained(place, sizes, programs, parts, precision)
        prepared, labels = pictures(place, sizes.validation, sizes.skeleton.resolution)

        def validate() -> None:
            for program in programs:
                evaluate_together(program, prepared, labels, sizes.skeleton.classes)

        validate()  # sizes of batches are tried once
        _, validating = place.timed(validate)
        _, keeping = place.timed(lambda: _kept(networks, programs, parts, sizes.recipe))
    epoch = sizes.epoch(seconds["whole"] - seconds["warm"])
    validation = validating * VALIDATION / sizes.validation
    found: Numbers = {
        "seconds_per_network_epoch": round((epoch + validation) / count, 4),
        "training": round(epoch / count, 4),
        "validation": round(validation / count, 4),
        "networks": count,
        "streams": len(parts),
        "dtype": "tf32" if rounded else dtype,
        "wanted": LIMIT,
        "seconds_build": round(building, 3),
        "seconds_plan": round(planning, 3),
        "seconds_checkpoints": round(keeping, 3),
        "seconds_first_call": round(seconds["first"], 3),
        "seconds_warm_call": round(seconds["warm"], 3),
        "peak_gb": place.peak_gb(),
        "out_of_memory_errors": place.out_of_memory_errors() - errors,
        "images": sizes.train,
    }
    return judged(found, fallbacks(place, trained))


def _trained(
    place: Place, sizes: Sizes, programs: list[Program], parts: Sequence[slice], precision: Precision
) -> tuple[dict[str, float], list[Trained]]:
    """Seconds of the first call, of a warm one, and of one with all images; what became of all of them."""
    seconds, trained = {}, list[Trained]()
    for number, (name, images) in enumerate((("first", sizes.warm), ("warm", sizes.warm), ("whole", sizes.train))):
        examples = examples_of(place, images, sizes.skeleton.resolution)
        stage = Stage(start=number, stop=number + 1, epochs=3, seed=0, root=0)
        stages = [[replace(stage, root=root) for root in range(part.start, part.stop)] for part in parts]
        work = partial(train_together, programs, examples, sizes.recipe, precision, stages)
        found, seconds[name] = place.timed(work)
        trained += found
    return seconds, trained


def _kept(networks: list[CellNetwork], programs: list[Program], parts: Sequence[slice], recipe: Recipe) -> int:
    """Checkpoints of all networks, as the evaluator makes them; their bytes."""
    optimizers = [make_optimizer(network, recipe) for network in networks]
    for program, part in zip(programs, parts, strict=True):
        store_momenta(program, optimizers[part])
        program.close()
    return sum(len(save_checkpoint(*each, 1)) for each in zip(networks, optimizers, strict=True))


def steps(place: Place, *, count: int, dtype: str) -> Numbers:
    """One step of a program, in parts: eager, captured, replayed; the time to launch beside the time it takes."""
    sizes, count = Sizes.of(place), place.size(count, min(count, 2))
    networks, _ = built(count, sizes.skeleton, place.device)
    program = make_program(networks, Precision(device=place.device, dtype=dtype), sizes.recipe)
    load_momenta(program, [make_optimizer(network, sizes.recipe) for network in networks])
    ((images, labels),) = placed(batches(count, [sizes.recipe.batch], sizes.skeleton), place.device)
    step = CapturedStep(program, sizes.recipe)

    def once() -> torch.Tensor:
        return step(images, labels, 0.01)

    _, first = place.timed(once)
    _, second = place.timed(once)
    replayed = place.per_call(once, 20)
    began = time.perf_counter()
    once()
    launching = time.perf_counter() - began  # the host's share: the device still runs
    place.wait()
    found: Numbers = {
        "ms_replayed": round(1e3 * replayed, 3),
        "ms_to_launch_it": round(1e3 * launching, 3),
        "ms_first_eager": round(1e3 * first, 1),
        "ms_capture": round(1e3 * (second - replayed), 1),
        "networks": count,
        "peak_gb": place.peak_gb(),
    }
    program.close()
    return judged(found, fallbacks(place, [step]))


def plain(place: Place, *, channels_last: bool, dtype: str, rounded: bool = False) -> Numbers:
    """One network as modules, by `train_stage`; a part of an epoch, timed for all."""
    sizes = Sizes.of(place, share=6)
    precision = Precision(device=place.device, dtype=dtype, channels_last=channels_last)
    (network,) = build(genotypes(1), sizes.skeleton, place.device)
    network = network.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    optimizer, seconds = make_optimizer(network, sizes.recipe), []
    stage = Stage(start=0, stop=1, epochs=1, seed=0, root=0)
    with tf32(rounded):
        for images in (sizes.warm, sizes.warm, sizes.train):
            examples, stage = (
                examples_of(place, images, sizes.skeleton.resolution),
                Stage(start=0, stop=1, epochs=1, seed=0, root=0),
            )
            work = partial(train_stage, network, optimizer, examples, sizes.recipe, precision, stage)
            seconds.append(place.timed(work)[1])
        prepared, labels = pictures(place, sizes.validation, sizes.skeleton.resolution)
        _, validating = place.timed(lambda: evaluate(network, prepared, labels, sizes.skeleton.classes, precision))
    epoch, validation = sizes.epoch(seconds[2] - seconds[1]), validating * VALIDATION / sizes.validation
    return {
        "seconds_per_network_epoch": round(epoch + validation, 4),
        "training": round(epoch, 4),
        "validation": round(validation, 4),
        "memory": "channels last" if channels_last else "channels first",
        "dtype": "tf32" if rounded else dtype,
        "peak_gb": place.peak_gb(),
        "images": sizes.train,
    }


CHECKS = (
    ("28 networks, bfloat16", partial(together, count=28, streams=1, dtype="bfloat16")),
    ("a step of 28 networks, bfloat16", partial(steps, count=28, dtype="bfloat16")),
    ("28 networks, bfloat16, 4 streams", partial(together, count=28, streams=4, dtype="bfloat16")),
    ("one network, bfloat16", partial(together, count=1, streams=1, dtype="bfloat16", share=2)),
    ("a step of one network, bfloat16", partial(steps, count=1, dtype="bfloat16")),
    ("modules, channels last, bfloat16", partial(plain, channels_last=True, dtype="bfloat16")),
    ("modules, channels first, bfloat16", partial(plain, channels_last=False, dtype="bfloat16")),
    ("28 networks, float32", partial(together, count=28, streams=1, dtype="float32", share=3)),
    ("28 networks, TF32", partial(together, count=28, streams=1, dtype="float32", rounded=True, share=3)),
    ("28 networks, bfloat16, 8 streams", partial(together, count=28, streams=8, dtype="bfloat16", share=2)),
    ("one network, float32", partial(together, count=1, streams=1, dtype="float32", share=4)),
    ("modules, channels last, float32", partial(plain, channels_last=True, dtype="float32")),
    ("modules, channels first, float32", partial(plain, channels_last=False, dtype="float32")),
    ("modules, channels first, TF32", partial(plain, channels_last=False, dtype="float32", rounded=True)),
)

if __name__ == "__main__":
    sys.exit(main(CHECKS))
