"""The evaluator of a search: cheap trainings and final ones, each with its own recipe, on the same images."""

from collections.abc import Sequence
from functools import partial

from econas.history.trajectory import RETRAIN
from zoo.data.image_set import ImageSet
from zoo.population.trial import Job, Outcome, Trial
from zoo.training.by_setup import BySetup
from zoo.training.comparison import compared_setup, is_compared
from zoo.training.evaluator import make_evaluator
from zoo.training.setup import TrainingSetup


class SearchEvaluator:
    """Trains retrained networks and those of the comparison by the final setup, all others by the search's.

    Args:
        search: of children, promotions, audits.
        final: of retraining.
        images: of the run; the test images are never touched.
    """

    def __init__(self, search: TrainingSetup, final: TrainingSetup, images: ImageSet) -> None:
        self._search, self._final = search, final
        self._trained = BySetup(partial(make_evaluator, images=images))

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job; a batch is of one kind, as all batches are."""
        return self._trained(self._setup(jobs[0].trial))(jobs)

    def _setup(self, trial: Trial) -> TrainingSetup:
        if is_compared(trial):
            return compared_setup(self._final, trial)
        return self._final if trial.role == RETRAIN else self._search
