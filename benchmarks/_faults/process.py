"""Commands as processes that are forked, so that a life of a few trials does not begin with seconds of imports."""

import contextlib
import importlib
import math
import os
import resource
import signal
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks._forked import HEAVY, command
from zoo.population.trial import Job, Outcome

FILE = "journal.sqlite"
OWN = ("zoo.cli", "zoo.commands.running", "econas.commands", "econas.table_experiment", "econas.experiment",
       "econas.history.report", "zoo.experiments.execution", "zoo.training.trainer")  # fmt: skip
PATIENCE = 240.0
"""Seconds after which a command is held to be endless."""
GRACE = 5.0
"""Seconds in which SIGTERM and Ctrl-C must have ended it."""


POISONED = 5
"""Of so many networks one has a NaN among its first weights, as a broken processor may leave one."""

TRIAL_SECONDS = 0.01
"""What looking up a trial takes here: a search of a table would be over before anything can happen to it."""


def prepare() -> None:
    """Import what commands need, once and before they are forked."""
    for name in (*HEAVY, *OWN):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _slowly() -> None:
    """In a fork: trials of a table take a moment, pictures of a report none, and some trainings meet NaNs."""
    from matplotlib.figure import Figure

    from zoo.population.table import Table
    from zoo.training import evaluator

    look_up = Table.__call__

    def slow(table: Table, jobs: Sequence[Job]) -> list[Outcome]:
        time.sleep(TRIAL_SECONDS)
        return look_up(table, jobs)

    Table.__call__ = slow  # type: ignore[method-assign,assignment]
    begin = evaluator.begin

    def poisoned(job: Job, *others: Any, **named: Any) -> Any:
        found = begin(job, *others, **named)
        if job.root % POISONED == POISONED - 1:
            next(found.network.parameters()).data.view(-1)[0] = math.nan
        return found

    evaluator.begin = poisoned
    Figure.savefig = lambda _, stream, **__: stream.write(b"<svg/>")  # type: ignore[method-assign]


class Broken(Exception):
    """A promise is broken; says which."""


class Process:
    """One command of the command line in a fork of this process, which must not have trained anything itself.

    Args:
        arguments: of the command.
        said: path of what it says, with ".out" and ".err".
        largest: bytes of the largest file it may write, as on a disk that is full; None: any.
    """

    def __init__(self, arguments: Sequence[str], said: Path, largest: int | None = None) -> None:
        self._said = said
        self.pid = os.fork()
        if not self.pid:
            with contextlib.suppress(BaseException):
                signal.signal(signal.SIGINT, signal.default_int_handler)
                if largest is not None:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
                _slowly()
                os._exit(command(list(arguments), str(said)))
            os._exit(1)
        self._code: int | None = None

    @property
    def code(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""
        if self._code is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if found else None
        return self._code

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.code is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code, once it has ended.

        Raises:
            Broken: if it does not end in time; it is killed then.
        """
        ends = time.monotonic() + seconds
        while (code := self.code) is None:
            if time.monotonic() > ends:
                self.send(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise Broken(f"a command did not end within {seconds:g} s")
            time.sleep(0.002)
        return code

    @property
    def errors(self) -> str:
        """What it said on standard error."""
        path = Path(f"{self._said}.err")
        return path.read_text(errors="replace") if path.exists() else ""


def wait_for(process: Process, run: Path, more: float) -> None:
    """Wait until a run has so many records more than now, or its process has ended."""
    while not (run / FILE).exists() and process.code is None:
        time.sleep(0.005)
    if process.code is not None:
        return
    with closing(_opened(run)) as db:
        first = None
        while process.code is None:
            with contextlib.suppress(sqlite3.OperationalError):  # it is being made, or moved
                (found,) = db.execute("SELECT COUNT(*) FROM records").fetchone()
                first = found if first is None else first
                if found >= first + more:
                    return
            time.sleep(0.004)


def records(run: Path) -> dict[int, str]:
    """The records of a run as they are written, by trial; nothing where there is no journal yet."""
    return dict(_ask(run, "SELECT number, record FROM records"))


def count(run: Path) -> int:
    """How many records there are."""
    return len(_ask(run, "SELECT number, '' FROM records"))


def _ask(run: Path, question: str) -> list[tuple[int, str]]:
    if not (run / FILE).exists():
        return []
    with closing(_opened(run)) as db:
        return db.execute(question).fetchall()


def _opened(run: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{(run / FILE).resolve().as_uri()}?mode=ro", uri=True, timeout=30)
