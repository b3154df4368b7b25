"""The manager: asks a strategy, journals, hands batches to an executor, tells. The loop is the whole story."""

from collections.abc import Callable, Sequence

from zoo.population.executor import Executor
from zoo.population.journal import Journal
from zoo.population.schema_1 import same_requests
from zoo.population.strategy import Recalling, Strategy
from zoo.population.trial import Job, Outcome, Record, Trial
from zoo.population.weights import WeightStore

Listener = Callable[[Trial, Record], None]


class Manager:
    """Runs one strategy on one executor, with everything in the journal before it counts.

    It knows no strategy by name. A journal that already has a history is replayed first: the strategy is
    asked and told as it was, must answer the same, and what was pending is sent again. One that decides by floating
    point recalls its decisions before that.

    Args:
        strategy: fresh, however far the journal is.
        journal: of this run.
        weights: where checkpoints are stored; None where no trial keeps any.
        batch: trials asked for at a time; part of the run's identity.
    """

    def __init__(
        self, strategy: Strategy, journal: Journal, weights: WeightStore | None = None, batch: int = 1
    ) -> None:
        if batch < 1:
            raise ValueError(f"the batch size must be at least 1, got {batch}")
        self._strategy, self._journal, self._weights, self._batch = strategy, journal, weights, batch
        self._trials: list[Trial] = []
        self._records: dict[int, Record] = {}
        self._open: dict[int, Trial] = {}  # asked, not told
        self._pending = self._replay()

    @property
    def trials(self) -> Sequence[Trial]:
        """Every trial asked so far, by index."""
        return self._trials

    @property
    def records(self) -> Sequence[Record]:
        """Every record so far, by index."""
        return [record for _, record in sorted(self._records.items())]

    def run(
        self,
        executor: Executor,
        *,
        listen: Listener = lambda trial, record: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Run until the strategy is finished, or until ``stop()`` and everything sent has come back.

        ``listen`` is called once per record, after it is in the journal.

        Returns:
            Whether the strategy is finished.
        """
        for batch in self._pending:
            while not executor.free:
                self._absorb(executor.collect(), listen)
            executor.submit([self._job(trial) for trial in batch])
        self._pending = []
        while True:
            exhausted = False
            while executor.free and not exhausted and not stop():
                trials = self._ask()
                exhausted = not trials
                if trials:
                    self._journal.append_ask(self._batch, trials)
                    self._note(trials)
                    executor.submit([self._job(trial) for trial in trials])
            if not self._open:
                return exhausted
            self._absorb(executor.collect(), listen)

    def _ask(self) -> list[Trial]:
        first = len(self._trials)
        trials = self._strategy.ask(self._batch, first)
        if [trial.index for trial in trials] != list(range(first, first + len(trials))):
            numbers = ", ".join(str(trial.index) for trial in trials)
            raise ValueError(f"the strategy must number its trials from {first}, got {numbers}")
        return trials

    def _absorb(self, outcomes: Sequence[Outcome], listen: Listener) -> None:
        """Store, journal and tell what came back, batch by batch."""
        batches: dict[int, list[Outcome]] = {}
        for outcome in outcomes:
            batches.setdefault(outcome[0].batch, []).append(outcome)
        for _, batch in sorted(batches.items()):
            records = sorted((self._stored(*outcome) for outcome in batch), key=lambda record: record.index)
            self._journal.append_tell(records)
            self._strategy.tell(records)
            for record in records:
                self._records[record.index] = record
                listen(self._open.pop(record.index), record)
        self._forget()

    def _stored(self, record: Record, weights: bytes | None) -> Record:
        if weights is None or self._weights is None:
            return record
        return Record(**{**record.to_dict(), "checkpoint": self._weights.put(weights)})

    def _forget(self) -> None:
        """Delete the weights nobody can resume from, except what pending trials are about to read."""
        if self._weights is None:
            return
        needed = self._strategy.resumable() | {t.resumes for t in self._open.values() if t.resumes is not None}
        held = (self._records[index].checkpoint for index in needed if index in self._records)
        self._weights.keep_only(name for name in held if name is not None)

    def _job(self, trial: Trial) -> Job:
        if trial.resumes is None:
            return Job(trial, trial.index, None)
        root = trial
        while root.resumes is not None:
            root = self._trials[root.resumes]
        name = self._records[trial.resumes].checkpoint
        return Job(trial, root.index, self._weights.get(name) if self._weights and name else None)

    def _note(self, trials: Sequence[Trial]) -> None:
        self._trials.extend(trials)
        self._open.update((trial.index, trial) for trial in trials)

    def _replay(self) -> list[list[Trial]]:
        """Take the strategy to where the journal ends; returns the batches that were never told."""
        trials, records = self._journal.trials(), self._journal.records()
        old = self._journal.schema_1_trials
        waiting: dict[int, list[Trial]] = {}
        if trials and isinstance(self._strategy, Recalling):
            self._strategy.recall(trials)
        for event in self._journal.events():
            if event.kind == "ask":
                held = [trials[number] for number in event.numbers]
                batch = self._strategy.ask(event.asked, event.numbers[0])
                if not (same_requests(batch, held) if held[0].index < old else batch == held):
                    raise ValueError(
                        f"the journal cannot be continued: the strategy no longer asks for trial {event.numbers[0]} "
                        "as it did; it was written by another version"
                    )
                self._note(batch)
                waiting[batch[0].index] = batch
            else:
                told = [records[number] for number in event.numbers]
                self._strategy.tell(told)
                for record in told:
                    self._records[record.index] = record
                    del self._open[record.index]
                del waiting[told[0].batch]
        return list(waiting.values())
