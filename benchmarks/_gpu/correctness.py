"""Group 1: three small networks in float64, trained as a program on the GPU in every way, against modules on the CPU.

Rates and labels change from step to step, the last batch of an epoch is short, and between steps memory is filled with
garbage and given back: a graph that reads what it should not, or that is replayed without its inputs, is found.
"""

import sys
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache, partial

import torch

from benchmarks._gpu.cells import (
    Batch,
    Operators,
    batches,
    build,
    fallbacks,
    furthest,
    genotypes,
    placed,
    state_of,
)
from benchmarks._gpu.lines import Numbers, judged, main, needs_cuda, within
from benchmarks._gpu.place import Place, tf32
from zoo.networks.cell_network import CellNetwork
from zoo.networks.engine.program import Program
from zoo.spaces.genotype import CellGenotype
from zoo.spaces.skeleton import Skeleton
from zoo.training.captured import CapturedStep
from zoo.training.cotraining import evaluate_together, load_momenta, make_program, store_momenta, train_together
from zoo.training.cuda_streams import in_turns
from zoo.training.epoch import Examples, Stage
from zoo.training.evaluator import side_by_side
from zoo.training.recipe import Precision, Recipe
from zoo.training.step import train_step
from zoo.training.trainer import (
    Diverged,
    Learner,
    evaluate,
    learning_rate,
    make_optimizer,
    train_epoch,
    train_stage,
)

LIMIT, AUGMENTED_LIMIT = 1e-9, 1e-4
REPLAYED = 40  # operators that a replayed step may dispatch: copies of its inputs
SMALL, TINY = (Skeleton(channels=c, cells=3, resolution=r) for c, r in ((4, 8), (2, 4)))  # in float64 the CPU is slow
SPACES = ("econas-search", "econas-zoo")

Step = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
Way = Callable[[Program, Recipe], Step]
State = list[dict[str, torch.Tensor]]


def networks_of(place: Place) -> list[CellGenotype]:
    """Three networks, in a dry run two."""
    return genotypes(place.size(3, 2), SPACES)


def recipe_of(place: Place) -> Recipe:
    """Rates that fall by the cosine, gradients that are clipped."""
    return Recipe(batch=place.size(12, 6), lr=0.1, lr_min=0.001, clip=1.0, cutout=0.25)


def epochs_of(place: Place) -> int:
    """The first is launched, the second captured, the third replayed."""
    return place.size(3, 2)


def material(place: Place) -> tuple[Skeleton, Recipe, list[Batch]]:
    """Skeleton, recipe, and epochs of two batches and a short one, float64 on the CPU."""
    skeleton, recipe = (TINY if place.dry else SMALL), recipe_of(place)
    sizes = [recipe.batch, recipe.batch, recipe.batch // 3] * epochs_of(place)
    return skeleton, recipe, batches(len(networks_of(place)), sizes, skeleton, torch.float64)


@lru_cache(maxsize=1)
def modules_on_cpu(place: Place) -> State:
    """What the modules become, one by one on the CPU: the reference."""
    skeleton, recipe, found = material(place)
    precision, states = Precision(dtype="float64"), []
    epochs = epochs_of(place)
    stage = Stage(start=0, stop=epochs, epochs=epochs, seed=0, root=0)
    for number, network in enumerate(build(networks_of(place), skeleton, "cpu", torch.float64)):
        optimizer = make_optimizer(network, recipe)
        learner = Learner.of(network, optimizer, recipe)
        for epoch in range(epochs):
            own = [(images[number], labels[number]) for images, labels in found[3 * epoch : 3 * epoch + 3]]
            train_epoch(learner, own, sum(len(y) for _, y in own), recipe, precision, stage, epoch)
        states.append(state_of(network, optimizer))
    return states


def as_programs(place: Place, way: Way, streams: int) -> State:
    """What the networks become as programs on the device."""
    skeleton, recipe, found = material(place)
    networks = build(networks_of(place), skeleton, place.device, torch.float64)
    optimizers = [make_optimizer(network, recipe) for network in networks]
    precision, parts = Precision(device=place.device, dtype="float64"), side_by_side(len(networks), streams)
    programs = [make_program(networks[part], precision, recipe) for part in parts]
    for program, part in zip(programs, parts, strict=True):
        load_momenta(program, optimizers[part])
    work, there = [], placed(found, place.device)
    for program, part in zip(programs, parts, strict=True):
        own = [(images[part].contiguous(), labels[part].contiguous()) for images, labels in there]
        work.append(_steps(way(program, recipe), own, recipe))
    in_turns(work, place.device)
    place.wait()
    for program, part in zip(programs, parts, strict=True):
        store_momenta(program, optimizers[part])
        program.close()
    return [state_of(*each) for each in zip(networks, optimizers, strict=True)]


def _steps(step: Step, own: Sequence[Batch], recipe: Recipe) -> Generator[None, None, None]:
    for number, (images, labels) in enumerate(own):
        step(images, labels, learning_rate(recipe, number, len(own)))
        _garbage(images)
        yield


def _garbage(like: torch.Tensor) -> None:
    """Fill memory that is free with numbers that spoil whatever reads them."""
    held = [torch.full((size,), float("nan"), device=like.device) for size in (7, 1000, 100_000)]
    del held


# ---------------------------------------------------------------- ways


def eager(program: Program, recipe: Recipe) -> Step:
    """Kernels launched one by one."""
    return lambda images, labels, rate: train_step(program, images, labels, recipe, rate)


def _against_modules(place: Place, way: Way, streams: int) -> Numbers:
    with tf32(False):
        found = furthest(as_programs(place, way, streams), modules_on_cpu(place))
    return judged({**found}, within(found, LIMIT))


def captured_steps(place: Place, *, streams: int) -> Numbers:
    """As graphs, none of which may be eager unsaid: a replay dispatches a handful of operators."""
    if streams > 1 and not place.cuda:
        return _against_modules(place, eager, streams) | {"note": "without streams: needs CUDA"}
    made: list[CapturedStep] = []
    dispatched: list[int] = []

    def way(program: Program, recipe: Recipe) -> Step:
        step = CapturedStep(program, recipe)
        made.append(step)
        seen: dict[int, int] = {}

        def counted(images: torch.Tensor, labels: torch.Tensor, rate: float) -> torch.Tensor:
            size = labels.shape[1]
            seen[size] = seen.get(size, 0) + 1
            if seen[size] < 3:  # the first is eager, the second is recorded
                return step(images, labels, rate)
            with Operators() as operators:
                losses = step(images, labels, rate)
            dispatched.append(operators.count)
            return losses

        return counted

    found = _against_modules(place, way, streams) | {"operators_of_a_replay": max(dispatched)}
    if not place.cuda:
        return found | {"note": f"eager, as it must be here: {made[0].eager}"}
    reasons = fallbacks(place, made)
    reasons[f"a replay dispatched {max(dispatched)} operators"] = max(dispatched) > REPLAYED
    if found.get("wrong"):
        reasons[str(found["wrong"])] = True
    return judged(found, reasons)


def without_waiting(place: Place) -> Numbers:
    """Eager steps under torch's own alarm: nothing in a step may wait for the device."""
    if not place.cuda:
        return needs_cuda()
    skeleton, recipe, found = material(place)
    networks = build(networks_of(place), skeleton, place.device, torch.float64)
    program = make_program(networks, Precision(device=place.device, dtype="float64"), recipe)
    there = placed(found, place.device)
    train_step(program, *there[0], recipe, 0.1)  # what is made once and kept may wait
    place.wait()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for images, labels in there[1:3]:
            train_step(program, images, labels, recipe, 0.1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return {"steps": 2}


def whole_stages(place: Place, *, streams: int) -> Numbers:
    """`train_together` with its own batches, augmentation and validation, against `train_stage` on the CPU.

    Augmented images are float32, whose last bits differ between devices: the limit is wider.
    """
    wanted, recipe = stages_on_cpu(place), recipe_of(place)
    networks = build(networks_of(place), material(place)[0], place.device, torch.float64)
    precision, parts = Precision(device=place.device, dtype="float64"), side_by_side(len(networks), streams)
    programs = [make_program(networks[part], precision, recipe) for part in parts]
    examples, prepared = shown(place, place.device)
    with tf32(False):
        stages = stages_of(place)
        trained = train_together(programs, examples, recipe, precision, [stages[part] for part in parts])
    got = []
    for program, each in zip(programs, trained, strict=True):
        measured = evaluate_together(program, prepared, examples.labels, program.networks[0].skeleton.classes)
        got += [_losses(*pair) for pair in zip(each.losses, measured, strict=True)]
        program.close()
    ours, theirs = (torch.tensor(losses, dtype=torch.float64) for losses in (got, wanted))
    gap = float(((ours - theirs).abs() / theirs.abs()).max())
    return judged({"losses": gap}, within({"losses": gap}, AUGMENTED_LIMIT) | fallbacks(place, trained))


@lru_cache(maxsize=1)
def stages_on_cpu(place: Place) -> list[list[float]]:
    """Losses of all epochs and of validation, network by network: the reference."""
    recipe, precision, found = recipe_of(place), Precision(dtype="float64"), []
    examples, prepared = shown(place, "cpu")
    networks = build(networks_of(place), material(place)[0], "cpu", torch.float64)
    for network, stage in zip(networks, stages_of(place), strict=True):
        losses = train_stage(network, make_optimizer(network, recipe), examples, recipe, precision, stage)
        measured = evaluate(network, prepared, examples.labels, network.skeleton.classes, precision)
        found.append([*losses, measured["loss"]])
    return found


def stages_of(place: Place) -> list[Stage]:
    """Every network's own random numbers."""
    count, epochs = len(networks_of(place)), epochs_of(place)
    return [Stage(start=0, stop=epochs, epochs=epochs, seed=0, root=root) for root in range(count)]


def shown(place: Place, device: str) -> tuple[Examples, torch.Tensor]:
    """Training images of two batches and a short one, and prepared validation images of the same labels."""
    recipe, skeleton = recipe_of(place), material(place)[0]
    count, generator = 2 * recipe.batch + recipe.batch // 3, torch.Generator().manual_seed(5)
    examples = Examples(
        images=torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8).to(device),
        labels=(torch.arange(count) % skeleton.classes).to(device),
        resolution=skeleton.resolution,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        flip=True,
    )
    prepared = torch.randn(count, 3, skeleton.resolution, skeleton.resolution, generator=generator)
    return examples, prepared.to(device, torch.float64)


def _losses(trained: list[float] | Diverged, measured: dict[str, float] | Diverged) -> list[float]:
    """Training losses of the epochs, and the validation loss."""
    if isinstance(trained, Diverged) or isinstance(measured, Diverged):
        raise ValueError(f"a network diverged: {trained}, {measured}")
    return [*trained, measured["loss"]]


def modules_on_device(place: Place) -> Numbers:
    """The modules themselves on the device, in both memory formats: forward in float64 against the CPU."""
    skeleton, _, found = material(place)
    kinds, gap = networks_of(place), 0.0
    here, there = (build(kinds, skeleton, device, torch.float64) for device in ("cpu", place.device))
    for number, (theirs, ours) in enumerate(zip(here, there, strict=True)):
        images = found[0][0][number]
        wanted = _slopes(theirs, images)
        for memory in (torch.contiguous_format, torch.channels_last):
            moved = ours.to(memory_format=memory)
            got = _slopes(moved, images.to(place.device, memory_format=memory))
            gap = max(gap, ((got - wanted).abs().max() / wanted.abs().max()).item())
    return judged({"gradients": gap}, within({"gradients": gap}, LIMIT))


def _slopes(network: CellNetwork, images: torch.Tensor) -> torch.Tensor:
    """The gradients of the mean square of the logits, flat, on the CPU."""
    logits = network.train()(images)
    logits = logits[0] if isinstance(logits, tuple) else logits
    found = torch.autograd.grad(logits.square().mean(), list(network.parameters()), allow_unused=True)
    return torch.cat([slope.reshape(-1).cpu() for slope in found if slope is not None])


CHECKS = (
    ("program, eager", partial(_against_modules, way=eager, streams=1)),
    ("program, captured", partial(captured_steps, streams=1)),
    ("program, captured on two streams", partial(captured_steps, streams=2)),
    ("eager steps never wait", without_waiting),
    ("whole stages by train_together", partial(whole_stages, streams=1)),
    ("whole stages on two streams", partial(whole_stages, streams=2)),
    ("modules in both memory formats", modules_on_device),
)

if __name__ == "__main__":
    sys.exit(main(CHECKS))
