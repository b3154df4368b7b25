"""The evaluator of a search: cheap trainings and final ones, each with its own recipe, on the same images."""

from collections.abc import Sequence

from econas.history.trajectory import RETRAIN
from zoo.data.image_set import ImageSet
from zoo.population.trial import Evaluator, Job, Outcome, Trial
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
        self._search, self._final, self._images = search, final, images
        self._evaluators: dict[TrainingSetup, Evaluator] = {}

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job; a batch is of one kind, as all batches are."""
        setup = self._setup(jobs[0].trial)
        if setup not in self._evaluators:
            self._evaluators.clear()  # one set of images on the device
            self._evaluators[setup] = make_evaluator(setup, self._images)
        return self._evaluators[setup](jobs)

    def _setup(self, trial: Trial) -> TrainingSetup:
        if is_compared(trial):
            return compared_setup(self._final, trial)
        return self._final if trial.role == RETRAIN else self._search
