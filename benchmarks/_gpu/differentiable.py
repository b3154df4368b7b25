"""Group 5: differentiable search: gradients of α in float64 against the CPU, time of a step, how often it waits."""

import copy
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks._gpu.images import image_set
from benchmarks._gpu.lines import Numbers, judged, main, within
from benchmarks._gpu.place import Place, tf32
from milenas.supernet.config import SupernetConfig, paper_config
from milenas.supernet.supernet import Supernet, build_supernet
from milenas.supernet.topology import Kind, penalty
from milenas.training.batches import Feed
from milenas.training.material import HeldImages
from milenas.training.rules import Update
from milenas.training.setup import SEARCH_RECIPE, Method, Sampler, SearchSetup
from milenas.training.training import Learners, Progress, make_learners, train_steps
from milenas.training.updates import Problem, direction
from zoo.spaces.skeleton import Skeleton
from zoo.training.distributed import ALONE
from zoo.training.epoch import Stage
from zoo.training.recipe import Precision

LIMIT, REPLAYED, STEPS, WARM = 1e-8, 1e-6, 10, 3
STAGE = Stage(start=0, stop=1, epochs=1, seed=0, root=0)
FEW = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")
"""Operations of a dry run, one of each kind."""


def shape_of(place: Place, topology: Kind) -> SupernetConfig:
    """The cells of the papers; in a dry run smaller ones."""
    if not place.dry:
        return paper_config(topology)
    kept = FEW if topology == "fixed" else FEW[1:]
    return paper_config(topology, nodes=4 if topology == "fixed" else 5, operations=kept)


def gradients(place: Place, *, update: Update, topology: Kind) -> Numbers:
    """The direction of α and β at the same weights on both devices, and the gradient of w."""
    shape = shape_of(place, topology)
    skeleton = Skeleton(channels=place.size(4, 2), cells=3, resolution=place.size(16, 8))
    here = build_supernet(shape, skeleton, torch.Generator().manual_seed(0), dtype=torch.float64)
    there = copy.deepcopy(here).to(place.device)
    generator, count = torch.Generator().manual_seed(1), place.size(8, 4)
    pairs = [
        (torch.randn(count, 3, skeleton.resolution, skeleton.resolution, generator=generator).double(),
         torch.randint(skeleton.classes, (count,), generator=generator))
        for _ in range(2)
    ]  # fmt: skip
    with tf32(False):
        wanted = _slopes(here, pairs, update)
        got = _slopes(there, [(x.to(place.device), y.to(place.device)) for x, y in pairs], update)
    gaps = {name: _gap(got[name], wanted[name]) for name in wanted}
    return judged({**gaps}, within(gaps, LIMIT))


def _slopes(net: Supernet, pairs: list[tuple[Tensor, Tensor]], update: Update) -> dict[str, Tensor]:
    """The direction of the architecture, and the gradient of w, flat on the CPU."""
    net.train()
    net.track(False)

    def loss(pair: tuple[Tensor, Tensor]) -> Callable[[], Tensor]:
        return lambda: functional.cross_entropy(net(pair[0]), pair[1])

    def paid() -> Tensor:
        return 10 * torch.stack([penalty(net.shape.cell, beta) for beta in net.betas()]).sum()

    problem = Problem(
        weights=net.weights(), alphas=net.alphas(), betas=net.betas(), train=loss(pairs[0]), validation=loss(pairs[1]),
        penalty=paid if net.betas() else None,
    )  # fmt: skip
    found = {"architecture": direction(update, problem, lam=1.0, rate=0.025)}
    found["weights"] = problem.gradient(problem.train(), net.weights())
    return {name: torch.cat([slope.detach().cpu().flatten() for slope in slopes]) for name, slopes in found.items()}


def _gap(got: Tensor, wanted: Tensor) -> float:
    return float((got - wanted).norm() / wanted.norm())


def replayed(place: Place, *, update: Update, topology: Kind) -> Numbers:
    """Steps in float64, captured and launched one by one: where α and w end, the rate being float32 in a graph."""
    setup = _setup(place, update, topology, "mixed", "float64", small=True)
    images, found, captured = image_set(place, 4 * place.size(40, 40), 10), list[Tensor](), list[Learners]()
    with tf32(False):
        for eager in ("asked for", ""):
            learners = _learners(place, setup, torch.float64, eager)
            _taken(learners, setup, HeldImages(setup, images).feed(STAGE, 0, ALONE), range(place.size(6, 3)))
            state = [tensor.detach().double().flatten() for tensor in learners.supernet.parameters()]
            found.append(torch.cat(state).cpu())
            captured.append(learners)
    gap = {"after some steps": _gap(found[1], found[0])}
    return judged({**gap, "graphs": len(captured[1].graphs)}, within(gap, REPLAYED) | _eager(place, captured[1]))


def _learners(place: Place, setup: SearchSetup, dtype: torch.dtype, eager: str) -> Learners:
    """A supernet with its optimizers, whose steps are never captured where there is a reason."""
    generator = torch.Generator().manual_seed(0)
    net = build_supernet(setup.shape, setup.skeleton, generator, device=place.device, dtype=dtype)
    learners = make_learners(net.to(memory_format=torch.channels_last), setup.recipe, setup.method)
    learners.graphs.eager = learners.graphs.eager or eager
    return learners


def _taken(learners: Learners, setup: SearchSetup, feed: Feed, steps: range) -> float:
    """Steps as the evaluator takes them; their mean loss."""
    progress = Progress()
    train_steps(learners, feed, setup, STAGE, 0, steps, progress, ALONE)
    return progress.loss / max(1, progress.images)


def _eager(place: Place, learners: Learners) -> dict[str, bool]:
    """What speaks against steps that should have been captured."""
    graphs = learners.graphs
    return {f"steps were eager: {graphs.fallback or 'none came twice'}": place.cuda and not len(graphs)}


def timed_steps(
    place: Place,
    *,
    update: Update,
    topology: Kind = "fixed",
    sampler: Sampler = "mixed",
    dtype: str = "float32",
    eager: str = "",
) -> Numbers:
    """Steps of a search as the evaluator takes them: milliseconds, and how often the host waited for the device."""
    setup = _setup(place, update, topology, sampler, dtype)
    images = image_set(place, place.size(5000, 40), 10)
    learners = _learners(place, setup, torch.float32, eager)
    feed = HeldImages(setup, images).feed(STAGE, 0, ALONE)
    some = partial(_taken, learners, setup, feed)
    warm, count = place.size(WARM, 0), place.size(STEPS, 1)
    some(range(warm))
    loss, seconds = place.timed(lambda: some(range(warm, warm + count)))
    waits, where = _waits(place, lambda: some(range(warm, warm + 1)))
    found: Numbers = {
        "ms_per_step": round(1e3 * seconds / count, 2),
        "waits_per_step": waits,
        "where": where,
        "loss": loss,
        "dtype": dtype,
        "seconds_per_epoch": round(seconds / count * 25_000 / setup.recipe.batch, 1),
        "peak_gb": place.peak_gb(),
        "graphs": len(learners.graphs),
    }
    return judged(found, {} if eager or sampler == "gumbel" else _eager(place, learners))


def _setup(
    place: Place, update: Update, topology: Kind, sampler: Sampler, dtype: str, *, small: bool = False
) -> SearchSetup:
    recipe = replace(SEARCH_RECIPE, batch=place.size(SEARCH_RECIPE.batch, 4))
    cells = 3 if place.dry or small else 12 if topology == "stretchable" else 8
    return SearchSetup(
        shape=shape_of(place, topology),
        skeleton=Skeleton(channels=2 if small else place.size(16, 2), cells=cells, resolution=place.size(32, 8)),
        recipe=recipe,
        method=Method(update=update, sampler=sampler),
        epochs=1,
        precision=Precision(device=place.device, dtype=dtype),
    )


def _waits(place: Place, work: Callable[[], Any]) -> tuple[int, list[str]]:
    """How often the host waits in some work, and from which lines; the one at the end of every part is among them."""
    if not place.cuda:
        return 0, ["needs CUDA"]
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            work()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    found = [w for w in caught if "synchroniz" in str(w.message)]
    places = [f"{'/'.join(w.filename.split('/')[-2:])}:{w.lineno}" for w in found]
    return len(found), [f"{place_} × {places.count(place_)}" for place_ in dict.fromkeys(places)]


CHECKS = (
    ("gradients of milenas1", partial(gradients, update="milenas1", topology="fixed")),
    ("gradients of darts2", partial(gradients, update="darts2", topology="fixed")),
    ("gradients of stretchable cells", partial(gradients, update="milenas1", topology="stretchable")),
    ("milenas1, captured against launched", partial(replayed, update="milenas1", topology="fixed")),
    ("milenas2, captured against launched", partial(replayed, update="milenas2", topology="stretchable")),
    ("steps of milenas1", partial(timed_steps, update="milenas1")),
    ("steps of milenas1, eager", partial(timed_steps, update="milenas1", eager="asked for")),
    ("steps of darts2", partial(timed_steps, update="darts2")),
    ("steps of darts2, eager", partial(timed_steps, update="darts2", eager="asked for")),
    ("steps of Gumbel's sampler", partial(timed_steps, update="milenas1", sampler="gumbel")),
    ("steps of stretchable cells", partial(timed_steps, update="milenas1", topology="stretchable")),
    ("steps of milenas1, bfloat16", partial(timed_steps, update="milenas1", dtype="bfloat16")),
)

if __name__ == "__main__":
    sys.exit(main(CHECKS))
