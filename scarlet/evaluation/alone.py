"""Networks of a search that are trained alone, beside those that inherit weights."""

from collections.abc import Callable, Sequence

from zoo.population.trial import ALONE, Evaluator, Job, Outcome
from zoo.training.by_setup import BySetup
from zoo.training.comparison import compared_setup, is_compared
from zoo.training.setup import TrainingSetup


class WithTraining:
    """Measures networks on inherited weights, and trains those that a search asks for alone.

    Args:
        inherited: measures the others.
        setup: of the trainings; a baseline's networks have channels of their own.
        make: makes the evaluator that trains by a setup, with the first network to train: images take memory.
    """

    def __init__(self, inherited: Evaluator, setup: TrainingSetup, make: Callable[[TrainingSetup], Evaluator]) -> None:
        self._inherited, self._setup, self._trained = inherited, setup, BySetup(make)

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order; a batch is of one kind."""
        first = jobs[0].trial
        if first.role != ALONE:
            return self._inherited(jobs)
        setup = compared_setup(self._setup, first) if is_compared(first) else self._setup
        return self._trained(setup)(jobs)
