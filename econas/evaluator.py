"""The evaluator of a search: cheap trainings and final ones, each with its own recipe, on the same images."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from econas.history.trajectory import RETRAIN
from zoo.data.image_set import ImageSet
from zoo.population.cell_latency import LATENCY
from zoo.population.trial import Job, Outcome, Record, Trial
from zoo.spaces.genotype import CellGenotype, require_cells
from zoo.training.by_setup import BySetup
from zoo.training.comparison import compared_setup, is_compared
from zoo.training.evaluator import make_evaluator
from zoo.training.setup import TrainingSetup

Latency = Callable[[CellGenotype], float]


class SearchEvaluator:
    """Trains retrained networks and those of the comparison by the final setup, all others by the search's.

    Args:
        search: of children, promotions, audits.
        final: of retraining.
        images: of the run; the test images are never touched.
        latency: gives the milliseconds of a fully sized network, which records then hold; None: they are not known.
    """

    def __init__(
        self, search: TrainingSetup, final: TrainingSetup, images: ImageSet, latency: Latency | None = None
    ) -> None:
        self._search, self._final, self._latency = search, final, latency
        self._trained = BySetup(partial(make_evaluator, images=images))

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job; a batch is of one kind, as all batches are."""
        found = self._trained(self._setup(jobs[0].trial))(jobs)
        if self._latency is None or is_compared(jobs[0].trial):  # a baseline has other sizes than the table
            return found
        cells = {job.trial.index: require_cells(job.trial.genotype) for job in jobs}
        return [(self._timed(record, cells[record.index]), weights) for record, weights in found]

    def _timed(self, record: Record, genotype: CellGenotype) -> Record:
        if self._latency is None or not record.ok:
            return record
        return replace(record, metrics={**record.metrics, LATENCY: self._latency(genotype)})

    def _setup(self, trial: Trial) -> TrainingSetup:
        if is_compared(trial):
            return compared_setup(self._final, trial)
        return self._final if trial.role == RETRAIN else self._search
