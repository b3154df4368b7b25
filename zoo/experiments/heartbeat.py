"""A heartbeat: what the journal says of the process that runs it, so that others see how far it is."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from zoo.experiments.rate import Rate
from zoo.population.journal import Journal

RUNNING, PROGRESS = "running", "progress"
"""Names of the journal's values: who runs it, None once that ended in order; and how far it was when last written."""
GAP = 10.0
"""Seconds between two writings: each waits for the disk."""


class Heartbeat:
    """Writes how far a run is, now and then.

    Args:
        journal: of the run, open for writing.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._rate, self._written = Rate(time.time), 0.0
        self._latest: tuple[float, float] | None = None

    def beat(self, done: float, total: float) -> None:
        """Note the price of what is measured, and of everything."""
        self._rate.note(done)
        self._latest = done, total
        if time.monotonic() - self._written >= GAP:
            self.write()

    def write(self) -> None:
        """Put the latest into the journal."""
        if self._latest is None or self._rate.base is None:
            return
        (done, total), (began, first) = self._latest, self._rate.base
        state = {"done": done, "total": total, "first": first, "began": began, "at": time.time()}
        self._journal.set(PROGRESS, state)
        self._written = time.monotonic()


@contextmanager
def heartbeat(journal: Journal) -> Iterator[Heartbeat]:
    """While it lasts, the journal says that this process runs it; a process that is killed leaves that behind."""
    found = Heartbeat(journal)
    journal.set(RUNNING, {"host": platform.node(), "pid": os.getpid(), "since": time.time()})
    try:
        yield found
    finally:
        with suppress(Exception):  # what ends the run is said, and not that this could not be written
            found.write()
            journal.set(RUNNING, None)
