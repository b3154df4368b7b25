"""The evaluator of a search: cheap trainings and final ones, each with its own recipe, on the same images."""

from collections.abc import Sequence

from econas.history.trajectory import RETRAIN
from zoo.data.image_set import ImageSet
from zoo.population.trial import Evaluator, Job, Outcome
from zoo.training.evaluator import make_evaluator
from zoo.training.setup import TrainingSetup


class SearchEvaluator:
    """Trains retrained networks by the final setup, all others by the search's.

    Args:
        search: of children, promotions, audits.
        final: of retraining.
        images: of the run; the test images are never touched.
    """

    def __init__(self, search: TrainingSetup, final: TrainingSetup, images: ImageSet) -> None:
        self._setups, self._images = {False: search, True: final}, images
        self._evaluators: dict[bool, Evaluator] = {}

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job; a batch is of one kind, as all batches are."""
        final = jobs[0].trial.role == RETRAIN
        if final not in self._evaluators:
            self._evaluators.clear()  # one set of images on the device
            self._evaluators[final] = make_evaluator(self._setups[final], self._images)
        return self._evaluators[final](jobs)
