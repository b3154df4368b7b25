"""Networks of a search that are trained alone, beside those that inherit weights."""

from collections.abc import Callable, Sequence

from zoo.population.trial import ALONE, Evaluator, Job, Outcome


class WithTraining:
    """Measures networks on inherited weights, and trains those that a search asks for alone.

    Args:
        inherited: measures the others.
        make: makes the evaluator that trains, with the first network to train: images and modules take memory.
    """

    def __init__(self, inherited: Evaluator, make: Callable[[], Evaluator]) -> None:
        self._inherited, self._make = inherited, make
        self._trains: Evaluator | None = None

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order; a batch is of one kind."""
        if all(job.trial.role != ALONE for job in jobs):
            return self._inherited(jobs)
        if self._trains is None:
            self._trains = self._make()
        return self._trains(jobs)
