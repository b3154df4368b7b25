"""Calibration: how many workers, threads and networks a batch suit this machine, by running them as runs do."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from zoo.data.image_set import ImageSet
from zoo.experiments.grouping import MARGIN
from zoo.experiments.resources import Resources, usable_cores
from zoo.experiments.source import Loading
from zoo.population.executor import Executor
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Job, Trial
from zoo.spaces.cell_space import ECONAS_SEARCH
from zoo.training.evaluator import make_evaluator
from zoo.training.setup import TrainingSetup

SETTING = ProxySetting(4, 4, 0, 1)
GPU_EPOCHS = 8
"""Epochs of a network on a GPU, where the first steps of a group are captured before they are fast."""

GROUPS = (1, 8)
NETWORKS = 8
"""Networks that every worker trains at each size of a group."""

SHARES = (1, 2, 4)
"""Workers that share a GPU."""

TOO_MANY = 4
"""How many times the largest number of workers worth trying is asked for at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A placement and what it gave.

    Attributes:
        workers: asked for.
        ran: of them; fewer where the machine has no room.
        gpus: per worker.
        threads: CPU threads per worker.
        group: networks a batch.
        epochs_per_hour: of all networks together; 0 where every one failed.
    """

    workers: int
    ran: int
    gpus: float
    threads: int
    group: int
    epochs_per_hour: float


def worth_trying(cores: int, gpus: int) -> list[tuple[Resources, int]]:
    """Resourcess with their threads per worker, fewer workers first."""
    if gpus:
        return [(Resources(workers=gpus * share, gpus=1 / share), 1) for share in SHARES]
    alone = [(Resources(workers=1), threads) for threads in sorted({1, cores})]
    return alone + [(Resources(workers=workers), 1) for workers in sorted({cores // 2, cores} - {0, 1})]


def calibrate(
    setup: TrainingSetup,
    images: ImageSet,
    places: Sequence[tuple[Resources, int]],
    *,
    groups: Sequence[int] = GROUPS,
    networks: int = NETWORKS,
    listen: Callable[[int, int], None] = lambda done, total: None,
) -> list[Placed]:
    """Time the same networks under every placement and size of a group, one after the other, then too many workers.

    The last one asks for several times as many workers as any other, with threads, group and GPUs of the best: what
    is lost by asking for too much. ``listen`` hears how many of how many are done.
    """
    placed: list[Placed] = []
    total = len(places) * len(groups) + 1
    listen(0, total)

    def attempt(placement: Resources, threads: int, sizes: Sequence[int]) -> None:
        for one in _measured(placement, replace(setup, threads=threads), images, sizes, networks):
            placed.append(one)
            listen(len(placed), total)

    for placement, threads in places:
        attempt(placement, threads, groups)
    best = recommended(placed)
    most = TOO_MANY * max(one.workers for one in placed)
    attempt(Resources(workers=most, gpus=best.gpus), best.threads, [best.group])
    return placed


def recommended(placements: Sequence[Placed]) -> Placed:
    """The fastest placement that runs as asked, or the first that is nearly as fast: fewer workers, smaller batches.

    Raises:
        ValueError: if there are none.
    """
    whole = [placed for placed in placements if placed.ran == placed.workers]
    if not whole:
        raise ValueError("expected at least one placement that runs as asked, got none")
    best = max(placed.epochs_per_hour for placed in whole)
    return next(placed for placed in whole if placed.epochs_per_hour * MARGIN >= best)


def networks_per_hour(executor: Executor, work: Sequence[Job], group: int) -> float:
    """Of an executor that is kept full with batches of ``group``; networks that fail do not count."""
    batches = [work[i : i + group] for i in range(0, len(work), group)]
    began, running, done = time.perf_counter(), 0, 0
    while batches or running:
        while batches and executor.free:
            executor.submit(batches.pop(0))
            running += 1
        outcomes = executor.collect()
        running -= len({record.batch for record, _ in outcomes})
        done += sum(record.ok for record, _ in outcomes)
    return 3600 * done / (time.perf_counter() - began)


def _measured(
    placement: Resources, setup: TrainingSetup, images: ImageSet, groups: Sequence[int], networks: int
) -> list[Placed]:
    """One placement with groups of several sizes, its workers started once."""
    fitting, epochs = placement.fitting(setup.threads), GPU_EPOCHS if placement.gpus else 1
    executor = fitting.executor(partial(make_evaluator, setup), images, setup.threads)
    try:
        ran = executor.free
        networks_per_hour(executor, _jobs(ran, ran, epochs), 1)  # the workers start, and warm up with a network each
        return [
            Placed(
                workers=placement.workers,
                ran=ran,
                gpus=placement.gpus,
                threads=setup.threads,
                group=group,
                epochs_per_hour=epochs * networks_per_hour(executor, _jobs(ran * networks, networks, epochs), group),
            )
            for group in groups
        ]
    finally:
        executor.close()


def _jobs(count: int, different: int, epochs: int) -> list[Job]:
    """Trainings of so many different networks, in turns."""
    setting = replace(SETTING, e=epochs)
    genotypes = [ECONAS_SEARCH.sample(np.random.default_rng(number)) for number in range(different)]
    return [
        Job(Trial(index=i, genotype=genotypes[i % different], setting=setting, start=0, stop=epochs), i, None)
        for i in range(count)
    ]


def calibrated(listen: Loading) -> dict[str, Any]:
    """Placements tried on embedded images, the one to use, and what asking for too many workers leaves of it."""
    import torch

    from zoo.data import load
    from zoo.spaces.skeleton import Skeleton
    from zoo.training.device import choose_precision
    from zoo.training.recipe import Recipe

    images = load("digits", resolution=32, train=576, validation=128, seed=0)
    setup = TrainingSetup(
        skeleton=Skeleton(in_channels=images.channels, classes=len(images.classes)),
        recipe=Recipe(batch=192),
        precision=choose_precision("auto", "float32", True, gpus=0.0, address=None),
        engine="auto",
    )
    gpus = torch.cuda.device_count() if setup.precision.device == "cuda" else 0
    *tried, asked = calibrate(setup, images, worth_trying(usable_cores(), gpus), listen=listen)
    best = max(placed.epochs_per_hour for placed in tried)
    return {
        "placements": [asdict(placed) for placed in tried],
        "recommended": asdict(recommended(tried)),
        "too_many": {**asdict(asked), "share": asked.epochs_per_hour / best if best else 0.0},
    }
