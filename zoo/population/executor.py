"""Executors: where batches of jobs run. The protocol, and the one that runs them in this process."""

import dataclasses
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from zoo.population.faults import ATTEMPTS, MachineFault, OutOfTime, is_machine_fault
from zoo.population.trial import Evaluator, Job, Outcome, Record
from zoo.population.watch import Watch


class Executor(Protocol):
    """Takes batches and gives back their outcomes, in any order; shaped like concurrent.futures."""

    @property
    def free(self) -> int:
        """How many batches it can take now."""
        ...

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take one batch.

        Raises:
            RuntimeError: if nothing is free.
        """
        ...

    def collect(self) -> list[Outcome]:
        """The outcomes of at least one whole batch, waiting for it; one per job, failures included.

        None where meanwhile it can take more batches than ever before, because workers have joined.

        Raises:
            MachineFault: if the machines cannot do it; the batch stays pending.
            OutOfTime: if the run's time and its grace are over.
        """
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class SerialExecutor:
    """Runs one batch at a time in this process.

    Args:
        evaluator: of the batches.
        watch: looks at the steps of a batch, and ends it where the time is over.
    """

    def __init__(self, evaluator: Evaluator, watch: Watch | None = None) -> None:
        self._evaluator, self._watch = evaluator, Watch() if watch is None else watch
        self._jobs: Sequence[Job] = ()

    @property
    def free(self) -> int:
        """1 until a batch is submitted."""
        return 0 if self._jobs else 1

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take the batch; it runs in :meth:`collect`."""
        if self._jobs:
            raise RuntimeError("no worker is free")
        self._jobs = jobs

    def collect(self) -> list[Outcome]:
        """Run the batch.

        Raises:
            MachineFault: if the machine fails it several times.
            OutOfTime: if the run's time is over, and its grace would be before the batch is done.
        """
        jobs, self._jobs = self._jobs, ()
        for attempt in range(1, ATTEMPTS):
            with suppress(MachineFault), self._watch.of(jobs):
                return evaluate(self._evaluator, jobs, attempt)
        with self._watch.of(jobs):
            return evaluate(self._evaluator, jobs, ATTEMPTS)

    def close(self) -> None:
        """Nothing to give back."""


class LazyExecutor:
    """An executor that is started by the first batch, so that a run with nothing left to do starts none."""

    def __init__(self, make: Callable[[], Executor], announce: Callable[[], None]) -> None:
        self._make, self._announce = make, announce
        self._executor: Executor | None = None
        self._size, self._began, self._busy = 0, 0.0, 0.0
        self._out: set[int] = set()  # batches, by their first trials

    @property
    def started(self) -> bool:
        """Whether there was anything to do."""
        return self._executor is not None

    @property
    def free(self) -> int:
        """As the executor's; one before it is started."""
        return 1 if self._executor is None else self._executor.free

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand the batch on."""
        if self._executor is None:
            self._executor = self._make()
            self._size = self._executor.free
            self._began = time.monotonic()
            self._announce()
        self._executor.submit(jobs)
        self._out.add(jobs[0].trial.index)
        self._size = max(self._size, len(self._out))  # workers may join

    def collect(self) -> list[Outcome]:
        """Outcomes of what was submitted."""
        if self._executor is None:
            raise RuntimeError("nothing was submitted")
        outcomes = self._executor.collect()
        self._busy += sum(record.seconds for record, _ in outcomes)
        self._out -= {record.batch for record, _ in outcomes}
        return outcomes

    def close(self) -> None:
        """Close what was started."""
        if self._executor is not None:
            self._executor.close()

    def session(self) -> dict[str, float]:
        """How many workers there were at most, for how many seconds, and how many seconds they worked altogether."""
        wall = time.monotonic() - self._began if self.started else 0.0
        return {"workers": self._size, "wall_s": round(wall, 3), "busy_s": round(self._busy, 3)}


def evaluate(evaluator: Evaluator, jobs: Sequence[Job], attempt: int = 1) -> list[Outcome]:
    """Run a batch where we are: an exception becomes failed records that name it, and the run goes on.

    Evaluators turn what they expect (divergence, out of memory) into records themselves.

    Raises:
        MachineFault: for an exception that speaks of the machine, such as a CUDA error or a file that cannot be read.
    """
    began = time.perf_counter()
    try:
        outcomes = evaluator(jobs)
        asked, got = [job.trial.index for job in jobs], [record.index for record, _ in outcomes]
        if sorted(got) != asked:
            raise RuntimeError(f"the evaluator answered for trials {got}, expected {asked}")
    except OutOfTime:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        if is_machine_fault(error):
            raise MachineFault(f"trial {jobs[0].trial.index} met a fault of the machine: {reason}") from error
        outcomes = failures(jobs, reason, seconds=time.perf_counter() - began)
    return [
        (
            dataclasses.replace(record, batch=jobs[0].trial.index, attempt=attempt, host=socket.gethostname()),
            weights,
        )
        for record, weights in outcomes
    ]


def failures(jobs: Sequence[Job], reason: str, seconds: float = 0.0) -> list[Outcome]:
    """A failed record for every job of a batch."""
    first = jobs[0].trial.index
    return [
        (Record(index=job.trial.index, ok=False, reason=reason, seconds=seconds, batch=first), None) for job in jobs
    ]
