"""How fast a run goes: what it has done since it began to move, not since its workers began to start."""

import math
from collections.abc import Callable


class Rate:
    """The rate of a number that grows.

    What comes before the first growth, such as starting workers and building networks, says nothing of the rest of the
    run, whose ETA would be many times too long just after a start. So the first growth starts the clock;
    only until the second one the start does.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._marks: list[tuple[float, float]] = []  # (seconds, done) of the start, of the first growth, of the newest

    def note(self, done: float) -> None:
        """How much is done now."""
        if not self._marks or done > self._marks[-1][1]:
            self._marks = [*self._marks[:2], (self._clock(), done)]

    @property
    def base(self) -> tuple[float, float] | None:
        """Seconds and what was done then, from which the rate counts; None before anything was noted."""
        return self._marks[max(0, min(len(self._marks) - 2, 1))] if self._marks else None

    def left(self, total: float) -> float:
        """Seconds until everything is done; NaN while nothing has grown."""
        if self.base is None or (done := self._marks[-1][1]) <= self.base[1]:
            return math.nan
        began, before = self.base
        return (self._clock() - began) * (total - done) / (done - before)
