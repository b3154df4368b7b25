"""The tally of a run: what is measured, and what running batches have done, by the price of trials, as it is told."""

import time
from collections.abc import Iterable

from zoo.experiments.experiment import Experiment
from zoo.experiments.heartbeat import Heartbeat
from zoo.experiments.progress import Listener, Progress
from zoo.population.judged import standing
from zoo.population.strategy import Strategy
from zoo.population.trial import ALONE, Record, Trial
from zoo.population.watch import Running

TELL_SECONDS = 0.5
"""Between two words of progress inside of batches."""


class Tally:
    """Counts a run's trials, failures and prices, and tells them.

    Args:
        experiment: which prices trials.
        strategy: of the run.
        listen: hears every change.
    """

    def __init__(self, experiment: Experiment, strategy: Strategy, listen: Listener) -> None:
        self._experiment, self._strategy, self._listen = experiment, strategy, listen
        self.say = listen.said
        self.pulse: Heartbeat | None = None
        self._done, self._count, self._failed = 0.0, 0, 0
        self._best: tuple[tuple[bool, bool], float] | None = None
        self._total: float | None = None  # until it is asked for; some kinds price every trial of theirs
        self._shown = self._told = 0.0  # what was said to be done, and when

    def hold(self, measured: Iterable[tuple[Trial, Record]]) -> None:
        """Count what an earlier process has measured."""
        for trial, record in measured:
            self._count_one(trial, record)

    def add(self, trial: Trial, record: Record) -> None:
        """Count a new record and tell it."""
        self._count_one(trial, record)
        self.tell(trial, record)

    def complete(self) -> None:
        """Tell that everything is done, which may have cost less than it might have."""
        self._done = self._total = self._shown = self._experiment.total(self._strategy)
        self.tell()

    def reprice(self) -> None:
        """What the strategy has decided may have changed what the run costs."""
        self._total = None

    def running(self, batches: Running) -> None:
        """Tell how far running batches are, now and then."""
        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            self._told, price = now, self._experiment.price
            self.tell(partly=sum(share * sum(price(job.trial) for job in jobs) for jobs, share in batches))

    def tell(self, trial: Trial | None = None, record: Record | None = None, partly: float = 0.0) -> None:
        """Tell the listener, and write it into the journal now and then.

        Args:
            trial: the newest that is measured.
            record: of it.
            partly: price of what running batches have done.
        """
        if self._total is None or self._done > self._total:
            self._total = self._experiment.total(self._strategy)
        # never less than before, as where a batch begins again, nor more than there is
        self._shown = max(self._done, min(max(self._shown, self._done + partly), self._total))
        if self.pulse is not None:
            self.pulse.beat(self._shown, self._total)
        self._listen.progressed(
            Progress(
                done=self._shown, total=self._total, trials=self._count, trial=trial, record=record,
                failed=self._failed, best=None if self._best is None else self._best[1],
            )
        )  # fmt: skip

    def _count_one(self, trial: Trial, record: Record) -> None:
        self._done += self._experiment.price(trial)
        self._count += 1
        self._failed += not record.ok
        accuracy = record.metrics.get("accuracy")
        if accuracy is not None and trial.role != ALONE:
            found = standing(trial), accuracy
            self._best = found if self._best is None else max(self._best, found)
