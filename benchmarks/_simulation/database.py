"""A connection to a journal of which a disk hears: commits that waited, checkpoints, room that is missing."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks._simulation.disk import PAGE, WAL, Disk
from zoo.population import journal as journals

FULL = 2  # PRAGMA synchronous: commits wait for the disk


class Connection:
    """A connection as the journal uses it; everything it does not watch it hands on.

    Args:
        inner: the real one.
        path: of the database.
        disk: that hears of it.
        pages: of the log after which SQLite writes them into the database. It does so here when asked, not by itself.
    """

    def __init__(self, inner: sqlite3.Connection, path: Path, disk: Disk, pages: int) -> None:
        self._inner, self._path, self._disk, self._pages = inner, path, disk, pages
        inner.execute("PRAGMA wal_autocheckpoint = 0")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def execute(self, statement: str, values: Any = ()) -> sqlite3.Cursor:
        """As a connection does."""
        if statement.startswith("PRAGMA wal_checkpoint"):
            return self._checkpoint(statement)
        if statement != "COMMIT":
            return self._inner.execute(statement, values)
        try:
            self._disk.moment(writing=True)
        except OSError:
            self._inner.execute("ROLLBACK")  # SQLite has done so when it says that the disk is full
            raise sqlite3.OperationalError("database or disk is full") from None
        found = self._inner.execute(statement)
        self._committed()
        return found

    def executescript(self, statements: str) -> sqlite3.Cursor:
        """As a connection does; the script is one transaction."""
        found = self._inner.executescript(statements)
        self._committed()
        return found

    def close(self) -> None:
        """Close it; the last one of a database writes its log into it and syncs that."""
        try:
            self._inner.execute("SELECT 1")
        except sqlite3.ProgrammingError:
            return  # closed already
        log = self._disk.log(self._path)
        self._inner.close()
        if self._disk.log(self._path) is None:
            self._disk.closed(self._path, log)

    def _committed(self) -> None:
        if self._synchronous() >= FULL:
            self._disk.synced_log(self._path)
        log = self._path.with_name(self._path.name + WAL)
        if log.exists() and log.stat().st_size > self._pages * PAGE:
            self._checkpoint("PRAGMA wal_checkpoint(PASSIVE)")
        self._disk.moment()

    def _checkpoint(self, statement: str) -> sqlite3.Cursor:
        """SQLite syncs the log only if there is something that it may write: a reader may be in the way."""
        self._disk.moment()
        found = self._inner.execute(statement)
        row = _, frames, written = found.fetchone()
        if self._synchronous() and (written == frames or self._disk.differs(self._path)):
            self._disk.synced_log(self._path)
            self._disk.checkpointed(self._path)
        self._disk.moment()
        return self._inner.execute("SELECT ?, ?, ?", row)

    def _synchronous(self) -> int:
        return int(self._inner.execute("PRAGMA synchronous").fetchone()[0])


@contextmanager
def watched(disk: Disk, pages: int) -> Iterator[list[Connection]]:
    """Every journal opened meanwhile has such a connection; yields them."""
    connect: Callable[..., sqlite3.Connection] = journals._connect
    opened: list[Connection] = []

    def watching(path: Path, *, readonly: bool = False) -> Any:
        inner = connect(path, readonly=readonly)
        if readonly:
            return inner
        opened.append(Connection(inner, path, disk, pages))
        return opened[-1]

    with mock.patch.object(journals, "_connect", watching):
        yield opened
