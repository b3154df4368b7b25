"""The manager: asks a strategy, journals, hands batches to an executor, tells. The loop is the whole story."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from zoo.population.executor import Executor
from zoo.population.faults import MachineFault, OutOfTime, raised
from zoo.population.journal import Journal
from zoo.population.schema_1 import same_requests
from zoo.population.strategy import Recalling, Strategy
from zoo.population.trial import AGAIN, TRAIN_LOSSES, Job, Outcome, Record, Trial
from zoo.population.weights import WeightStore

Listener = Callable[[Trial, Record], None]

LEFT_OUT = "left_out"
"""Name of the journal's value with the indices of trials that are never sent: their processes would end with them."""
NEVER_SENT = "left out: its process would have ended"
"""Reason of their records."""

RESTORED = "restored"
"""Name of the journal's value with records of trials whose weights were lost after their run had ended, by index."""

FAILURES_IN_A_ROW = 10
"""Trials that fail with the same exception one after the other, after which a run stops."""

SETTLE_SECONDS = 0.1
"""Records that took less, all together, may wait for one another before the disk is waited for: a power cut costs no
more work than that. Who listens hears of a record when it is on the disk."""


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
        self._longer: dict[int, Trial] = {}  # by index what is sent in a trial's place, where weights are missing
        self._unheard: list[tuple[Trial, Record]] = []  # journaled, not yet waited for
        self._settled = time.monotonic() if journal.on_disk else -math.inf  # in memory everything is settled at once
        self._failing: str | None = None  # which exception the last trials have failed with, and how many of them
        self._alike = 0
        self._needed: set[str] | None = None  # names of weights, and those of before they last changed
        self._before: set[str] = set()
        self._left_out = frozenset[int](journal.get(LEFT_OUT) or ())
        self._parts: dict[int, Sequence[Trial]] = {}  # by the first trial sent its batch, where not all of it was
        self._pending = self._replay()

    @property
    def trials(self) -> Sequence[Trial]:
        """Every trial asked so far, by index."""
        return self._trials

    @property
    def records(self) -> Sequence[Record]:
        """Every record so far, by index."""
        return [record for _, record in sorted(self._records.items())]

    @property
    def needed(self) -> set[str]:
        """Names of the weights that the strategy may ask for, or that a pending trial is about to read."""
        needed = self._strategy.resumable() | {t.resumes for t in self._open.values() if t.resumes is not None}
        held = (self._records[index].checkpoint for index in needed if index in self._records)
        return {name for name in held if name is not None}

    def run(
        self,
        executor: Executor,
        *,
        listen: Listener = lambda trial, record: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Run until the strategy is finished, or until ``stop()`` and everything sent has come back.

        ``listen`` is called once per record, after it is in the journal and on the disk.

        Returns:
            Whether the strategy is finished.
        """
        try:
            finished = self._loop(executor, listen, stop)
        except OutOfTime:
            finished = False
        except BaseException:
            with suppress(Exception):  # of the two, the first is the cause
                self._settle(listen)
            raise
        self._settle(listen)
        return finished

    def _loop(self, executor: Executor, listen: Listener, stop: Callable[[], bool]) -> bool:
        for batch in self._pending:
            while not executor.free:
                self._absorb(executor.collect(), listen)
            self._send(batch, executor, listen)
        self._pending = []
        while True:
            exhausted = False
            while executor.free and not exhausted and not stop():
                trials = self._ask()
                exhausted = not trials
                if trials:
                    self._journal.append_ask(self._batch, trials)
                    self._note(trials)
                    self._send(trials, executor, listen)
            if not self._open:
                return exhausted
            self._absorb(executor.collect(), listen)

    def restore(self, index: int, executor: Executor) -> Record:
        """Train the lost weights of a trial that was told again; the journal's value "restored" has what it measured.

        Its own record stays what it is. On a processor that computes otherwise the weights are others than they were:
        what is said of them must be what they measure, which is in this record.

        Raises:
            ValueError: if they cannot be trained again.
        """
        trial = self._trials[index]
        self._open[index] = trial
        executor.submit([self._job(trial)])
        outcomes: list[Outcome] = []
        while not outcomes:
            outcomes = executor.collect()
        record = self._stored(*outcomes[0])
        del self._open[index]
        if record.checkpoint is None:
            raise ValueError(f"the weights of trial {index} are missing, and training it again failed: {record.reason}")
        self._journal.set(RESTORED, {**(self._journal.get(RESTORED) or {}), str(index): record.to_dict()})
        return record

    def _send(self, batch: Sequence[Trial], executor: Executor, listen: Listener) -> None:
        """Hand a batch on without what is left out; one of which nothing is left is told at once."""
        sent = [trial for trial in batch if trial.index not in self._left_out]
        if not sent:
            self._absorb(_never_sent(batch, batch), listen)
            return
        if len(sent) < len(batch):
            self._parts[sent[0].index] = batch
        executor.submit([self._job(trial) for trial in sent])

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
        for sent in [first for first in batches if first in self._parts]:
            whole, part = self._parts.pop(sent), batches.pop(sent)
            told = [(replace(record, batch=whole[0].index), weights) for record, weights in part]
            batches[whole[0].index] = told + _never_sent([one for one in whole if one.index in self._left_out], whole)
        for _, batch in sorted(batches.items()):
            records = sorted((self._stored(*outcome) for outcome in batch), key=lambda record: record.index)
            took = sum(record.seconds for record in records) + sum(record.seconds for _, record in self._unheard)
            settling = max(took, time.monotonic() - self._settled) >= SETTLE_SECONDS
            settling = settling or any(record.checkpoint for record in records)
            self._journal.append_tell(records, synced=settling)
            self._strategy.tell(records)
            for record in records:
                self._records[record.index] = record
                self._unheard.append((self._open.pop(record.index), record))
            if settling:
                self._heard(listen)
                self._forget()
            self._watch(records)

    def _watch(self, records: Sequence[Record]) -> None:
        """Stop where trial after trial fails in the same way: that is none of their networks."""
        for record in records:
            name = None if record.ok else raised(record.reason)
            self._alike = self._alike + 1 if name is not None and name == self._failing else int(name is not None)
            self._failing = name
            if self._alike == FAILURES_IN_A_ROW:
                raise MachineFault(
                    f"the last {self._alike} trials failed in the same way, of which no network is the cause: "
                    f"{record.reason}; `thriftnas run retry` asks them again"
                )

    def _settle(self, listen: Listener) -> None:
        """Wait for the disk, where a record does."""
        if self._unheard:
            self._journal.sync()
            self._heard(listen)

    def _heard(self, listen: Listener) -> None:
        if self._journal.on_disk:
            self._settled = time.monotonic()
        while self._unheard:
            listen(*self._unheard.pop(0))

    def _stored(self, record: Record, weights: bytes | None) -> Record:
        """The record with the name of its weights, which are on the disk before the journal names them."""
        if (longer := self._longer.pop(record.index, None)) is not None:
            record = _of_own_stage(record, self._open[record.index], longer)
        if weights is None or self._weights is None:
            return record
        return replace(record, checkpoint=self._weights.put(weights))

    def _forget(self) -> None:
        """Delete the weights nobody can resume from, except what pending trials are about to read.

        Weights that were needed until the last step stay too: a copy of the journal that is a little older than that of
        the weights goes on, and where the newest are damaged, the chain goes back one stage instead of all.
        """
        if self._weights is None:
            return
        names = self.needed
        if names != self._needed:
            self._before = self._weights.names if self._needed is None else self._needed
            self._needed = names
        self._weights.keep_only(names | self._before)

    def forget_older(self) -> None:
        """Delete the generation before, once the run has ended and kept what it ends with."""
        if self._weights is not None and self._needed is not None:
            self._weights.keep_only(self._needed)

    def _job(self, trial: Trial) -> Job:
        """The trial with the weights it resumes; a longer one in its place where they are missing or damaged."""
        root = trial
        while root.resumes is not None:
            root = self._trials[root.resumes]
        before, weights = trial.resumes, None
        while before is not None and weights is None:
            name = self._records[before].checkpoint
            weights = self._weights.get(name) if self._weights and name else None
            if weights is None:
                before = self._trials[before].resumes
        if before == trial.resumes:
            return Job(trial, root.index, weights)
        # of the whole chain, a job without weights says by itself that it begins at epoch 0
        longer = trial if before is None else replace(trial, start=self._trials[before].stop, resumes=before)
        self._longer[trial.index] = longer
        return Job(longer, root.index, weights)

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
                if waiting.pop(told[0].batch, None) is None:
                    raise ValueError(
                        f"the journal cannot be continued: trial {told[0].index} is of batch {told[0].batch}, "
                        "which was told before or is none"
                    )
        return list(waiting.values())


def _never_sent(trials: Sequence[Trial], batch: Sequence[Trial]) -> list[Outcome]:
    """Failed records of trials of a batch that are left out."""
    return [(Record(index=one.index, ok=False, reason=NEVER_SENT, batch=batch[0].index), None) for one in trials]


def _of_own_stage(record: Record, trial: Trial, longer: Trial) -> Record:
    """What a longer trial measured, as the record of the trial it was sent for; the epochs it paid stay."""
    begun = 0 if longer is trial else longer.start
    notes = dict(record.notes)
    own, losses = trial.stop - trial.start, notes.pop(TRAIN_LOSSES, None)
    if isinstance(losses, list) and own > 1:  # of a single epoch the metric says it all
        notes[TRAIN_LOSSES] = losses[-own:]
    notes[AGAIN] = f"the weights of trial {trial.resumes} are missing or damaged: trained again from epoch {begun} on"
    return replace(record, notes=notes)
