"""The watch: who hears how far the running batches are, and what is said and done about them when the time is over."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from zoo.population.faults import OutOfTime
from zoo.population.patience import Patience
from zoo.population.steps import heard
from zoo.population.trial import Job

Running = Sequence[tuple[Sequence[Job], float]]
"""Batches that run, each with the share of it that is done."""


class Watch:
    """Looks at running batches.

    Args:
        patience: when the run's time is over.
        running: hears of every step.
        say: hears that a batch is waited for although the time is over, or ended.
    """

    def __init__(
        self,
        patience: Patience | None = None,
        running: Callable[[Running], None] = lambda batches: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.patience = Patience() if patience is None else patience
        self.running, self._say = running, say
        self._said = False

    @contextmanager
    def of(self, jobs: Sequence[Job], may_end: bool = True) -> Iterator[None]:
        """While it lasts, a batch runs in this process; its steps are looked at.

        Raises:
            OutOfTime: if the run's time is over, and its grace would be before the batch is done.
        """
        began, raised = time.monotonic(), list[Exception]()

        def step(share: float) -> None:
            try:
                self.running([(jobs, share)])
            except Exception as error:  # whoever hears of it has failed, and not the batch
                raised.append(error)
                raise OutOfTime from error
            if not may_end:
                self._say_if_over([(jobs, share, time.monotonic() - began)])
            elif self.is_over(began, share):
                raise OutOfTime

        with heard(step):
            try:
                yield
            except OutOfTime:
                if raised:
                    raise raised[0] from None
                raise

    def look(self, batches: Sequence[tuple[Sequence[Job], float, float]]) -> None:
        """Look at batches that run elsewhere.

        Args:
            batches: the jobs of each, the share of it that is done, and the seconds it has taken.
        """
        self.running([(jobs, share) for jobs, share, _ in batches])
        self._say_if_over(batches)

    def _say_if_over(self, batches: Sequence[tuple[Sequence[Job], float, float]]) -> None:
        """That the time is over, once, and how long batches that run on take."""
        ends = self.patience.ends
        if self._said or not batches or ends is None or time.monotonic() < ends:
            return
        self._said = True
        left = max((taken * (1 - share) / share for _, share, taken in batches if share > 0), default=None)
        takes = "" if left is None else f"; it takes about {left:.0f} s more"
        batch = "the running batch" if len(batches) == 1 else f"the longest of {len(batches)} running batches"
        self._say(f"Time is over: {batch} has taken {max(taken for *_, taken in batches):.0f} s{takes}.")

    def is_over(self, began: float, share: float) -> bool:
        """Whether a batch that runs since ``began`` is to be ended; says so, or that it is waited for."""
        now, patience = time.monotonic(), self.patience
        if patience.ends is None or now < patience.ends:
            return False
        left = (now - began) * (1 - share) / share if share > 0 else 0.0
        takes = f"the running batch has taken {now - began:.0f} s and takes about {left:.0f} s more"
        ended = now + left >= patience.ends + patience.grace
        if ended:
            self._say(
                f"Time is over: {takes}; it is ended, and begins again when the run goes on; smaller batches, "
                "or --every where a command has it, lose less."
            )
        elif left and not self._said:
            self._say(f"Time is over: {takes}.")
        self._said = True
        return ended
