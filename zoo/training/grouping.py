"""Grouping: how fast a worker's device trains batches of several sizes, shared out to programs side by side."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from zoo.data.image_set import ImageSet
from zoo.networks.cell_network import CellNetwork
from zoo.population.trial import Job, Outcome
from zoo.training.cotraining import make_program
from zoo.training.evaluator import Begun, Measurement, TrainingEvaluator, begin, measured, side_by_side
from zoo.training.memory import free_memory, out_of_memory
from zoo.training.setup import TrainingSetup
from zoo.training.speed import seconds_by_programs

SECONDS = 60.0
"""After which no further way is tried."""
STREAMS = (1, 4, 2)

_log = logging.getLogger("thriftnas")


def sizes(most: int) -> list[int]:
    """Sizes of a batch worth trying: so many networks, half of them, and so on down to one."""
    found = [most]
    while found[-1] > 1:
        found.append(found[-1] // 2)
    return found


class GroupTimer(TrainingEvaluator):
    """Trains a batch for some steps in every way, and says how fast; it is asked once, and keeps nothing.

    Args:
        setup: of the training; with more than one stream no other number is tried.
        images: to train on.
    """

    def __init__(self, setup: TrainingSetup, images: ImageSet) -> None:
        still = replace(setup.recipe, lr=0.0, lr_min=0.0, warmup=0)  # nothing diverges that does not move
        super().__init__(replace(setup, recipe=still), images)

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job; the first has the images a second of all networks together, by :func:`way`.

        Empty where the networks are not run as programs, whose batches have no effect.
        """
        began = time.perf_counter()
        rates = self._rates(jobs) if self._as_program(jobs[0].trial) else {}
        free_memory()
        outcomes = []
        for job in jobs:
            found = Measurement(metrics=rates if job is jobs[0] else {}, epochs=0, weights=None)
            outcomes.append(measured(job, found, time.perf_counter() - began))
        return outcomes

    def _rates(self, jobs: Sequence[Job]) -> dict[str, float]:
        began, setup = time.perf_counter(), self._setup
        networks = [begin(job, setup, device="cpu") for job in jobs]
        rates: dict[str, float] = {}
        for size in sizes(len(networks)):
            for streams in STREAMS if setup.streams == 1 else [setup.streams]:
                if streams > size or (rates and time.perf_counter() - began > SECONDS):
                    continue
                try:
                    rates[way(size, streams)] = self._rate(networks[:size], streams)
                except (RuntimeError, MemoryError) as error:
                    if not out_of_memory(error):
                        raise
                    _log.info("%d networks in %d programs do not fit in memory", size, streams)
                    free_memory()
        return rates

    def _rate(self, begun: Sequence[Begun], streams: int) -> float:
        """Images a second of networks trained together, augmentation included, validation not."""
        setup, setting, skeleton = self._setup, begun[0].setting, begun[0].network.skeleton
        cells = [one.network for one in begun if isinstance(one.network, CellNetwork)]  # all: see _as_program
        parts = side_by_side(len(cells), streams)
        programs = [make_program(cells[part], setup.precision, setup.recipe) for part in parts]
        try:
            examples = self._examples(setting.s, skeleton.resolution)
            return len(cells) / seconds_by_programs(programs, examples, setup.recipe, setup.precision)
        finally:
            for program in programs:
                program.close()


def way(group: int, streams: int) -> str:
    """Name of a way of training: networks a batch, and the programs they are shared out to."""
    return f"{group}/{streams}"


def make_timer(setup: TrainingSetup, images: ImageSet) -> GroupTimer:
    """The timer of a worker; with the setup bound, what an executor's factory must be."""
    return GroupTimer(setup, images)
