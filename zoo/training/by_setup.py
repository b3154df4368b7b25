"""An evaluator for one setup at a time: the images of two would be on the device twice."""

from collections.abc import Callable

from zoo.population.trial import Evaluator
from zoo.training.setup import TrainingSetup


class BySetup:
    """Makes evaluators, and keeps the last one.

    Args:
        make: makes the evaluator that trains by a setup.
    """

    def __init__(self, make: Callable[[TrainingSetup], Evaluator]) -> None:
        self._make = make
        self._last: tuple[TrainingSetup, Evaluator] | None = None

    def __call__(self, setup: TrainingSetup) -> Evaluator:
        """The one of this setup; the one before lets go of its images first."""
        if self._last is None or self._last[0] != setup:
            self._last = None
            self._last = setup, self._make(setup)
        return self._last[1]
