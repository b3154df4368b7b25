"""The journal of a run: one SQLite file with its identity, trials, records and the order of events."""

import hashlib
import json
import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from zoo.files import make_folder, parsed_json, sync_folder
from zoo.population.damage import (
    DamagedError,
    add_sums,
    checked_rows,
    has_sums,
    numbers_of,
    require_whole,
    row_of,
    row_sum,
)
from zoo.population.identity import difference
from zoo.population.judged import Judged
from zoo.population.reading import connect_to_read
from zoo.population.schema_1 import converted
from zoo.population.trial import INCIDENTAL, INCIDENTAL_NOTES, Record, Trial
from zoo.population.write_ahead import WriteAhead

if TYPE_CHECKING:
    import pandas as pd

FILE = "journal.sqlite"
SCHEMA = 2
READABLE = (1, SCHEMA)

Parsed = TypeVar("Parsed")

_SUFFIXES = ("", "-wal", "-shm")
_OURS = {".lock", *(".new" + suffix for suffix in _SUFFIXES)}  # what a start that was killed leaves behind

_TABLES = """
CREATE TABLE run (name TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER);
CREATE TABLE trials (number INTEGER PRIMARY KEY, trial TEXT NOT NULL, sum INTEGER);
CREATE TABLE records (number INTEGER PRIMARY KEY REFERENCES trials, record TEXT NOT NULL, sum INTEGER);
CREATE TABLE events (place INTEGER PRIMARY KEY, kind TEXT NOT NULL, asked INTEGER, numbers TEXT NOT NULL, sum INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run's history: a batch was asked for (``asked`` trials at most), or records were told."""

    kind: Literal["ask", "tell"]
    asked: int
    numbers: tuple[int, ...]


class Journal:
    """Append-only history of a run; every append is one transaction, and reading never changes it.

    A journal of schema 1 is read like any other; the first append makes it one of schema 2.

    Use :meth:`create`, :meth:`open` or :meth:`memory`.

    Attributes:
        lost: what a damaged write-ahead log has lost, in one line; empty where nothing is.
    """

    lost = ""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._sums, self._sound = has_sums(connection), False
        weakref.finalize(self, _release, connection)  # a journal that nobody closed: Python 3.13 warns of its file

    @classmethod
    def memory(cls, identity: Mapping[str, Any]) -> "Journal":
        """A journal that is gone with the process, for simulations."""
        journal = cls(sqlite3.connect(":memory:", isolation_level=None))
        journal._start(identity)
        return journal

    @classmethod
    def create(cls, folder: Path, identity: Mapping[str, Any]) -> "Journal":
        """Start or continue the run in ``folder``.

        A new journal appears in the folder only once it is complete.

        Raises:
            ValueError: if the folder holds something else, or a run with another identity; names the difference.
            OSError, sqlite3.Error: if the folder or the file cannot be written.
        """
        path = folder / FILE
        if not path.exists():
            if folder.exists() and (not folder.is_dir() or any(p.name not in _OURS for p in folder.iterdir())):
                raise ValueError(f"{folder} holds something else than a run, expected a new or empty folder")
            make_folder(folder)
            _write_new(folder / ".new", identity)
            os.replace(folder / ".new", path)
        sync_folder(folder)  # whoever made it may have been killed before its name was on the disk
        journal = cls.open(folder)
        held = journal.identity
        wanted = json.loads(json.dumps(identity))
        for name in {**held, **wanted}:
            if held.get(name) != wanted.get(name):
                journal.close()
                raise ValueError(f"{folder} holds another run: {difference(name, held.get(name), wanted.get(name))}")
        return journal

    @classmethod
    def open(cls, folder: Path, *, readonly: bool = False) -> "Journal":
        """The journal of the run in ``folder``.

        Raises:
            ValueError: if there is none, it is not a journal, or it was written by another schema.
        """
        path = folder / FILE
        if not path.is_file():
            raise ValueError(f"{folder} holds no run: {FILE} is missing")
        db = _connect(path, readonly=True)  # whatever the file is, looking does not change it
        try:
            schema = cls(db).get("schema")
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path} is not a journal: {error}") from None
        finally:
            db.close()
        if schema not in READABLE:
            raise ValueError(f"{path} has schema {schema}, expected {' or '.join(map(str, READABLE))}")
        log = None if readonly else WriteAhead.look(path)
        journal = cls(_connect(path, readonly=readonly))
        journal.lost = "" if log is None else log.lost(journal._db)
        return journal

    def _start(self, identity: Mapping[str, Any]) -> None:
        self._db.executescript(f"BEGIN;{_TABLES}COMMIT;")
        self._sums = True
        self.update({"schema": SCHEMA, "identity": dict(identity)})

    def copy(self, path: Path) -> None:
        """Write what it holds to another file, which is replaced."""
        _drop(path)
        with closing(sqlite3.connect(path)) as other:
            self._db.backup(other)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    # -------------------------------------------------------------- what the run is

    @property
    def on_disk(self) -> bool:
        """Whether anything has to wait for a disk."""
        return bool(self._db.execute("PRAGMA database_list").fetchone()[2])

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this run this run: rerunning with anything else is an error."""
        return dict(self.get("identity"))

    def get(self, name: str) -> Any:
        """A named value of the run, None where it was never set."""
        held = "sum" if self._sums else "NULL"
        row = self._db.execute(f"SELECT value, {held} FROM run WHERE name = ?", (name,)).fetchone()
        if row is not None and row[1] is not None and row[1] != row_sum(name, row[0]):
            raise self._damaged(f"its value {name!r} is not what was written")
        try:
            return None if row is None else parsed_json(row[0])
        except ValueError as error:
            raise self._damaged(f"its value {name!r} is none: {error}") from None

    def set(self, name: str, value: Any) -> None:
        """Set a named value, which must be JSON-ready; not part of the history."""
        self.update({name: value})

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several named values at once."""
        with self._transaction():
            self._put("run", *((name, json.dumps(value)) for name, value in values.items()))

    @property
    def schema_1_trials(self) -> int:
        """How many of the trials were asked for under schema 1: the first ones."""
        if self.get("schema") == SCHEMA:
            return int(self.get("schema_1_trials") or 0)
        return int(self._db.execute("SELECT COUNT(*) FROM trials").fetchone()[0])

    # -------------------------------------------------------------- appending

    def append_ask(self, asked: int, trials: Sequence[Trial]) -> None:
        """Note that a strategy was asked for at most ``asked`` trials and gave these.

        Nothing waits for the disk: whoever asks again gets the same answer, and the next tell syncs this too.
        """
        with self._appending(synced=False):
            self._put("trials", *((one.index, json.dumps(one.to_dict(), separators=(",", ":"))) for one in trials))
            self._event("ask", asked, [trial.index for trial in trials])

    def append_tell(self, records: Sequence[Record], *, synced: bool = True) -> None:
        """Note the records of one batch.

        Args:
            records: of the batch.
            synced: wait until they and everything before them are on the disk; otherwise a killed process loses
                nothing, but a power cut may, until the next call that syncs.
        """
        with self._appending(synced=synced):
            texts = (json.dumps(one.to_dict(), separators=(",", ":"), allow_nan=False) for one in records)
            self._put("records", *((one.index, text) for one, text in zip(records, texts, strict=True)))
            self._event("tell", 0, [record.index for record in records])

    def rewrite(self, events: Sequence[Event]) -> None:
        """Make these events the whole history; trials and records that no event names are gone."""
        with self._appending(synced=True):
            self._db.execute("DELETE FROM events")
            for event in events:
                self._event(event.kind, event.asked, list(event.numbers))
            for table, kind in (("trials", "ask"), ("records", "tell")):
                kept = {number for event in events if event.kind == kind for number in event.numbers}
                held = [number for (number,) in self._db.execute(f"SELECT number FROM {table}")]
                gone = [(number,) for number in held if number not in kept]
                self._db.executemany(f"DELETE FROM {table} WHERE number = ?", gone)

    def sync(self) -> None:
        """Wait until everything appended is on the disk.

        A commit that changes something waits for everything before it, here a number that nobody reads; a checkpoint
        would not, while somebody reads from the file.
        """
        with self._transaction():
            (count,) = self._db.execute("PRAGMA user_version").fetchone()
            self._db.execute(f"PRAGMA user_version = {(count + 1) % 2**31}")

    def _event(self, kind: str, asked: int, numbers: list[int]) -> None:
        (place,) = self._db.execute("SELECT COALESCE(MAX(place), 0) + 1 FROM events").fetchone()
        self._put("events", (place, kind, asked, json.dumps(numbers)))

    def _put(self, table: str, *rows: tuple[object, ...]) -> None:
        """Insert rows with their checksums; a named value replaces the one before it."""
        verb = "INSERT OR REPLACE" if table == "run" else "INSERT"
        places = "?, ?, ?, ?, ?" if table == "events" else "?, ?, ?"
        for row in rows:
            self._db.execute(f"{verb} INTO {table} VALUES ({places})", (*row, row_sum(*row)))

    @contextmanager
    def _appending(self, *, synced: bool) -> Iterator[None]:
        if not synced:
            self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            with self._transaction():
                if self.get("schema") != SCHEMA:  # what follows has tags and notes
                    self._put("run", ("schema_1_trials", json.dumps(self.schema_1_trials)), ("schema", str(SCHEMA)))
                yield
        finally:
            if not synced:
                self._db.execute("PRAGMA synchronous = FULL")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if not self._sums:  # a journal of before rows had checksums
                add_sums(self._db)
            yield
            self._db.execute("COMMIT")
            self._sums = True
        except BaseException:
            if self._db.in_transaction:  # SQLite has rolled back by itself where the disk is full
                self._db.execute("ROLLBACK")
            raise

    # -------------------------------------------------------------- reading

    def trials(self) -> list[Trial]:
        """Every trial, by index."""
        old = self.schema_1_trials
        trials = self._read("trials", "number, trial", row_of(Trial))
        return [*map(converted, trials[:old]), *trials[old:]]

    def trial(self, index: int) -> Trial:
        """One trial, without reading the others."""
        (found,) = self._read("trials", "number, trial", row_of(Trial), index)
        return converted(found) if index < self.schema_1_trials else found

    def best(self, judged: Judged, apart: str) -> tuple[int, float, float | None] | None:
        """The best trial, those of one role apart, what it is judged by, and its accuracy; None: nobody."""
        row = self._db.execute(*judged.query(apart)).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def records(self) -> dict[int, Record]:
        """Every record, by its trial's index."""
        records = self._read("records", "number, record", row_of(Record))
        return {record.index: record for record in records}

    def events(self) -> list[Event]:
        """The history, oldest first."""

        def event(_: int, kind: Any, asked: int, numbers: str) -> Event:
            return Event(kind, asked, tuple(numbers_of(numbers)))

        return self._read("events", "place, kind, asked, numbers", event)

    def _read(self, table: str, cells: str, parse: Callable[..., Parsed], only: int | None = None) -> list[Parsed]:
        """All rows of a table, each as what it stands for, or one; the first call looks whether the journal is whole.

        Raises:
            ValueError: if it is damaged.
        """
        try:
            if not self._sound:
                require_whole(self._db)
                self._sound = True
            return [parse(*row) for row in checked_rows(self._db, table, cells, sums=self._sums, only=only)]
        except DamagedError as error:
            raise self._damaged(str(error)) from None
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise self._damaged(f"a row of its {table} is none: {what[:200]}") from None

    def _damaged(self, what: str) -> ValueError:
        (*_, path) = self._db.execute("PRAGMA database_list").fetchone()
        return ValueError(f"{path or 'the journal'} is damaged: {what}; a copy of it may be whole")

    def counts(self) -> dict[str, int]:
        """How many trials there are, done, failed and pending."""
        self._read("records", "number, record", lambda *_: None)
        total = self._db.execute("SELECT COUNT(*) FROM trials").fetchone()[0]
        told, good = self._db.execute(
            "SELECT COUNT(*), TOTAL(json_extract(record, '$.ok') = 1) FROM records"
        ).fetchone()
        return {"trials": total, "done": told, "failed": told - int(good), "pending": total - told}

    def frame(self) -> "pd.DataFrame":
        """One row per trial with what was asked and, where it ended, what was measured (metrics as columns).

        The columns "tags" and "notes" are JSON, as "genotype" is; they are there where any trial has tags, any record
        notes, and "measure" where any trial is a score.
        """
        from zoo.population.frame import frame_of  # pandas takes a while to import; who only runs or looks does without

        return frame_of(self.trials(), self.records())

    def digest(self) -> str:
        """SHA-256 of trials and records by index, without what differs from run to run (seconds, host, attempt).

        What is hashed is what was stored, so that a run of schema 1 has the digest it always had.
        """
        if not self._sums:  # no checksum says whether rows are whole: they must at least be trials and records
            self.trials(), self.records()
        hasher = hashlib.sha256()
        for trial in self._read("trials", "number, trial", lambda _, text: json.loads(text)):
            hasher.update(json.dumps(trial, sort_keys=True).encode())
        for record in self._read("records", "number, record", lambda _, text: _lasting(json.loads(text))):
            hasher.update(json.dumps(record, sort_keys=True).encode())
        return hasher.hexdigest()


def _lasting(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record's JSON without what differs from run to run."""
    kept = {name: value for name, value in record.items() if name not in (*INCIDENTAL, "notes")}
    notes = {name: value for name, value in record.get("notes", {}).items() if name not in INCIDENTAL_NOTES}
    return kept | {"notes": notes} if notes else kept


def _release(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.ProgrammingError):  # collected by another thread than its own, it is closed with the process
        connection.close()


def _connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    if readonly:
        return connect_to_read(path)
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")  # a commit waits for the disk: what was told outlives a power cut
    return db


def _write_new(path: Path, identity: Mapping[str, Any]) -> None:
    """Write an empty journal, whole or not at all."""
    _drop(path)
    try:
        db = _connect(path)
        try:
            Journal(db)._start(identity)
        finally:
            db.close()
    except BaseException:
        _drop(path)
        raise


def _drop(path: Path) -> None:
    for suffix in _SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
