"""Group 2: networks of 20 cells at c4r4, captured against eager in float32 and bfloat16; their weights given back."""

import sys
from collections.abc import Callable, Sequence
from functools import partial

import torch

from benchmarks._gpu.cells import PAPER, TINY, Batch, batches, build, genotypes, placed
from benchmarks._gpu.lines import Numbers, judged, main, within
from benchmarks._gpu.place import Place, tf32
from zoo.networks.cell_network import CellNetwork
from zoo.networks.engine.program import Program
from zoo.training.captured import CapturedStep
from zoo.training.cotraining import evaluate_together, make_program
from zoo.training.recipe import Precision, Recipe
from zoo.training.step import train_step
from zoo.training.trainer import Diverged, evaluate

LIMITS = {"float32": 1e-4, "bfloat16": 2e-2}


def compared(place: Place, *, dtype: str) -> Numbers:
    """Losses of both ways step by step, validation, and validation by the modules that have their weights back."""
    count, steps = place.size(4, 2), place.size(30, 3)
    skeleton, recipe = (TINY if place.dry else PAPER), Recipe(batch=place.size(384, 4), lr=0.1, lr_min=0.0, cutout=0.0)
    precision = Precision(device=place.device, dtype=dtype)
    some = placed(batches(count, [recipe.batch] * min(5, steps), skeleton), place.device)

    def trained(captured: bool) -> tuple[list[CellNetwork], Program, torch.Tensor, str]:
        networks = build(genotypes(count), skeleton, place.device)
        program = make_program(networks, precision, recipe)
        step = CapturedStep(program, recipe)
        losses = []
        for number in range(steps):
            images, labels = some[number % len(some)]
            rate = 0.1 * (1 - number / steps)
            way = step if captured else _eager(program, recipe)
            losses.append(way(images, labels, rate).clone())  # the next step writes over them
        return networks, program, torch.stack(losses).double().cpu(), step.eager

    with tf32(False):
        networks, program, replayed, reason = trained(True)
        _, other, launched, _ = trained(False)
        apart = ((replayed - launched).abs() / launched.abs()).amax(dim=1)
        found: Numbers = {
            "losses": float(apart.max()),
            "losses_of_ten_steps": float(apart[:10].max()),
            "last_loss": float(replayed[-1].mean()),
            "first_loss": float(replayed[0].mean()),
            **_validated(place, networks, program, other, some, precision),
        }
    limited = {name: found[name] for name in ("losses", "validation", "given_back")}
    reasons = within(limited, LIMITS[dtype]) | {f"steps were eager: {reason}": bool(reason) and place.cuda}
    return judged(found, reasons)


def _eager(program: Program, recipe: Recipe) -> Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]:
    return lambda images, labels, rate: train_step(program, images, labels, recipe, rate)


def _validated(
    place: Place, networks: list[CellNetwork], program: Program, other: Program, some: list[Batch], precision: Precision
) -> dict[str, float]:
    """Validation losses of both programs, then of the modules: relative differences."""
    classes = networks[0].skeleton.classes
    images, labels = some[0][0].flatten(0, 1)[: place.size(1000, 8)], some[0][1].flatten()[: place.size(1000, 8)]
    ours, theirs = (_losses(evaluate_together(each, images, labels, classes)) for each in (program, other))
    program.close()
    other.close()
    alone = [evaluate(network, images, labels, classes, precision)["loss"] for network in networks]
    return {"validation": _gap(ours, theirs), "given_back": _gap(alone, ours), "validation_loss": sum(ours) / len(ours)}


def _losses(found: Sequence[dict[str, float] | Diverged]) -> list[float]:
    return [each["loss"] if isinstance(each, dict) else float("nan") for each in found]


def _gap(ours: list[float], theirs: list[float]) -> float:
    a, b = (torch.tensor(each, dtype=torch.float64) for each in (ours, theirs))
    return float(((a - b).abs() / b.abs()).max())


CHECKS = tuple((f"captured against eager, {dtype}", partial(compared, dtype=dtype)) for dtype in LIMITS)

if __name__ == "__main__":
    sys.exit(main(CHECKS))
