"""Patience: how long a batch may take, from what others have taken, and when a run's time is over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zoo.population.trial import Job, Trial

FIRST_SECONDS = 6 * 3600.0
"""How long a batch may take as long as nothing has been measured."""
LEAST_SECONDS = 300.0
TIMES = 10.0
"""How many times longer than expected it may take; at least :data:`LEAST_SECONDS`."""
GRACE_SECONDS = 60.0
"""How long what is running is waited for after a run's time, at least."""


def _epochs(trial: Trial) -> float:
    return float(trial.stop - trial.start)


@dataclass(kw_only=True)
class Patience:
    """How long to wait for batches.

    Attributes:
        price: of a trial, in whatever unit.
        ends: when nothing new is started any more, by the monotonic clock; None: never.
        grace: seconds after that for which what is running is waited for, at least.
    """

    price: Callable[[Trial], float] = _epochs
    ends: float | None = None
    grace: float = GRACE_SECONDS
    _rate: float | None = None  # seconds for a unit of price, of the slowest batch so far

    def learn(self, jobs: Sequence[Job], seconds: float) -> None:
        """Note how long a batch has taken."""
        rate = seconds / max(self._price(jobs), 1e-12)
        self._rate = rate if self._rate is None else max(rate, self._rate)

    def expected(self, jobs: Sequence[Job]) -> float | None:
        """Seconds that a batch takes as a slow one does; None where nothing is known."""
        return None if self._rate is None else self._rate * self._price(jobs)

    def limit(self, jobs: Sequence[Job]) -> float:
        """Seconds after which a batch is given up."""
        expected = self.expected(jobs)
        return FIRST_SECONDS if expected is None else max(LEAST_SECONDS, TIMES * expected)

    def over(self, now: float, running: Sequence[Sequence[Job]]) -> bool:
        """Whether the run's time is over, and for what is still running its grace as well."""
        if self.ends is None or now < self.ends:
            return False
        expected = [seconds for jobs in running if (seconds := self.expected(jobs)) is not None]
        return not running or now >= self.ends + max(self.grace, *(2 * seconds for seconds in expected), 0.0)

    def _price(self, jobs: Sequence[Job]) -> float:
        return sum(self.price(job.trial) for job in jobs)
