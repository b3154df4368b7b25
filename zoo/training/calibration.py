"""Calibration: what number of workers, of threads and of networks a batch suits this machine, by trying."""

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from zoo.data.image_set import ImageSet
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Job, Trial
from zoo.spaces.cell_space import ECONAS_SEARCH
from zoo.training.evaluator import TrainingEvaluator, TrainingSetup

SETTING = ProxySetting(4, 4, 0, 1)
GROUPS = (1, 4, 8)
MARGIN = 1.05  # more workers or networks a batch must pay at least so much: they also cost memory


@dataclass(frozen=True, slots=True)
class Placed:
    """A placement and what it gave; a rate of 0: it did not run."""

    workers: int
    threads: int
    group: int
    networks_per_hour: float


def calibrate(setup: TrainingSetup, images: ImageSet, cores: int) -> list[Placed]:
    """Time the same networks under every placement worth trying, one after the other; a minute or two.

    Workers are plain processes here; the number of them changes nothing about results, threads and group do.
    """
    tried = [(1, 1, group) for group in GROUPS]
    if cores > 1:
        tried += [(1, cores, 1), (cores, 1, 1), (cores, 1, GROUPS[-1])]
    return [Placed(*place, _networks_per_hour(setup, images, *place)) for place in tried]


def recommended(placements: Sequence[Placed]) -> Placed:
    """The fastest placement, or the first of the list that is nearly as fast: fewer workers, smaller batches.

    Raises:
        ValueError: if there are none.
    """
    if not placements:
        raise ValueError("expected at least one placement, got none")
    best = max(placed.networks_per_hour for placed in placements)
    return next(placed for placed in placements if placed.networks_per_hour * MARGIN >= best)


def _networks_per_hour(setup: TrainingSetup, images: ImageSet, workers: int, threads: int, group: int) -> float:
    """All workers train a group at once; the time is that of the slowest, start of the processes left out."""
    setup = replace(setup, threads=threads)
    if workers == 1:
        return 3600 * group / _seconds(setup, images, group)
    context = multiprocessing.get_context("spawn")  # a forked process cannot use threads that torch has started
    with context.Pool(workers) as pool:
        slowest = max(pool.starmap(_seconds, [(setup, images, group)] * workers, chunksize=1))
    return 3600 * workers * group / slowest


def _seconds(setup: TrainingSetup, images: ImageSet, group: int) -> float:
    """Wall-clock seconds of a group of trainings, after a first network that does not count."""
    evaluator = TrainingEvaluator(setup, images)
    jobs = [_job(number) for number in range(group)]
    evaluator(jobs[:1])
    began = time.perf_counter()
    evaluator(jobs)
    return time.perf_counter() - began


def _job(number: int) -> Job:
    genotype = ECONAS_SEARCH.sample(np.random.default_rng(number))
    return Job(Trial(index=number, genotype=genotype, setting=SETTING, start=0, stop=1), number, None)
