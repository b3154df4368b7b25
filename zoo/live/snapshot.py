"""A snapshot: how far a run is at a moment, who runs it, and how fast it goes, read from its journal."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from zoo.experiments.overview import best_said, overview
from zoo.experiments.run import Run
from zoo.population.journal import FILE
from zoo.population.lock import is_held

WINDOW = 300.0
"""Seconds over which a rate is taken."""
FAILURES = 5
"""Newest failures that are named."""


class Snapshots:
    """Looks at one run again and again; what has not changed is not read again.

    Args:
        run: to look at.
        clock: seconds, for the rate.
    """

    def __init__(self, run: Run, clock: Callable[[], float] = time.monotonic) -> None:
        self.run, self._clock = run, clock
        self._stamp: tuple[Any, ...] = ()
        self._found: dict[str, Any] = {}
        self._seen: deque[tuple[float, int]] = deque()

    def look(self) -> Mapping[str, Any]:
        """The overview of the run with ``workers``, ``rate`` (trials a minute, null until known), ``failures``
        (trial and reason of the newest) and ``version``, which changes whenever something was written.
        """  # fmt: skip
        stamp = self.stamp()
        if stamp != self._stamp:
            found, before = overview(self.run), self._found
            told = before.get("failures", []) if found["failed"] == before.get("failed", 0) else self._failures()
            self._found = {**found, "workers": self._workers(), "failures": told}
            self._stamp = stamp
        now, done = self._clock(), int(self._found["done"])
        if not self._seen or self._seen[-1][1] != done:
            self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW:
            self._seen.popleft()
        version = "-".join(f"{part}" for part in stamp)
        return {**self._found, "rate": self._rate(now, done), "version": version}

    def stamp(self) -> tuple[Any, ...]:
        """Changes whenever something is written into the journal, or the process that runs it comes or goes."""
        parts = [path.stat() for name in (FILE, f"{FILE}-wal") if (path := self.run.folder / name).exists()]
        return (*((part.st_mtime_ns, part.st_size) for part in parts), is_held(self.run.folder))

    def _rate(self, now: float, done: int) -> float | None:
        """Trials a minute since the oldest look that still counts; the time since the newest trial is part of it."""
        if self._found["state"] != "running" or len(self._seen) < 2:
            return None
        began, before = self._seen[0]
        return 60.0 * (done - before) / (now - began) if now > began else None

    def _workers(self) -> int | None:
        try:
            return self.run.resources.workers
        except (ValueError, LookupError, TypeError):  # an older run, or one of another hand, does not say
            return None

    def _failures(self) -> list[dict[str, Any]]:
        with self.run.journal() as journal:
            failed = [record for record in journal.records().values() if not record.ok]
        newest = sorted(failed, key=lambda record: record.index)[-FAILURES:]
        return [{"trial": record.index, "reason": record.reason} for record in newest]


def facts_of(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a snapshot says, for people: name and text."""
    where = f" on {found['host']}" if found["host"] else ""
    since = f" since {found['since']}" if found["since"] else ""
    yield "State", f"{found['state']}{where}{since}"
    if found["share"] is not None:
        yield "Progress", f"{100 * found['share']:.0f} %"
    if found["eta_s"] is not None:
        yield "Left", f"about {timedelta(seconds=round(found['eta_s']))}"
    if found["rate"] is not None:
        yield "Rate", f"{found['rate']:.3g} trials a minute"
    yield "Trials", f"{found['done']:,} done, {found['failed']:,} of them failed, {found['pending']:,} out"
    if found["workers"] is not None:
        yield "Workers", f"{found['workers']}"
    if found["best"] is not None:
        yield "Best", best_said(found["best"])
    for failure in found["failures"][-2:]:
        yield "Failed", f"trial {failure['trial']}: {failure['reason']}"
    if found["result"]:
        yield "Result", str(found["result"])
    if found["next"]:
        yield "Next", str(found["next"])


def run_at(folder: Path) -> Snapshots:
    """Snapshots of the run in a folder.

    Raises:
        ValueError: if there is none, or its journal cannot be read.
    """
    return Snapshots(Run.open(folder))
