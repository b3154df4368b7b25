"""The journal of a run: one SQLite file with its identity, trials, records and the order of events."""

import fcntl
import hashlib
import json
import os
import sqlite3
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.files import make_folder, sync_folder
from zoo.population.schema_1 import converted
from zoo.population.trial import INCIDENTAL, INCIDENTAL_NOTES, TRAINING, Record, Trial

if TYPE_CHECKING:
    import pandas as pd

FILE = "journal.sqlite"
SCHEMA = 2
READABLE = (1, SCHEMA)

_SUFFIXES = ("", "-wal", "-shm")
_OURS = {".lock", *(".new" + suffix for suffix in _SUFFIXES)}  # what a start that was killed leaves behind

_TABLES = """
CREATE TABLE run (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trials (number INTEGER PRIMARY KEY, trial TEXT NOT NULL);
CREATE TABLE records (number INTEGER PRIMARY KEY REFERENCES trials, record TEXT NOT NULL);
CREATE TABLE events (place INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, asked INTEGER, numbers TEXT NOT NULL);
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
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
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
            sync_folder(folder)
        journal = cls.open(folder)
        held = journal.identity
        wanted = json.loads(json.dumps(identity))
        for name in {**held, **wanted}:
            if held.get(name) != wanted.get(name):
                journal.close()
                raise ValueError(f"{folder} holds another run: {_difference(name, held.get(name), wanted.get(name))}")
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
        except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is not a journal: {error}") from None
        finally:
            db.close()
        if schema not in READABLE:
            raise ValueError(f"{path} has schema {schema}, expected {' or '.join(map(str, READABLE))}")
        return cls(_connect(path, readonly=readonly))

    def _start(self, identity: Mapping[str, Any]) -> None:
        self._db.executescript(f"BEGIN;{_TABLES}COMMIT;")
        self.update({"schema": SCHEMA, "identity": dict(identity)})

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
        row = self._db.execute("SELECT value FROM run WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set(self, name: str, value: Any) -> None:
        """Set a named value, which must be JSON-ready; not part of the history."""
        self.update({name: value})

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several named values at once."""
        rows = [(name, json.dumps(value)) for name, value in values.items()]
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", rows)

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
        with self._appending(synced=False) as db:
            rows = [(trial.index, json.dumps(trial.to_dict(), separators=(",", ":"))) for trial in trials]
            db.executemany("INSERT INTO trials VALUES (?, ?)", rows)
            self._event("ask", asked, [trial.index for trial in trials])

    def append_tell(self, records: Sequence[Record], *, synced: bool = True) -> None:
        """Note the records of one batch.

        Args:
            records: of the batch.
            synced: wait until they and everything before them are on the disk; otherwise a killed process loses
                nothing, but a power cut may, until the next call that syncs.
        """
        with self._appending(synced=synced) as db:
            rows = [
                (record.index, json.dumps(record.to_dict(), separators=(",", ":"), allow_nan=False))
                for record in records
            ]
            db.executemany("INSERT INTO records VALUES (?, ?)", rows)
            self._event("tell", 0, [record.index for record in records])

    def sync(self) -> None:
        """Wait until everything appended is on the disk."""
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _event(self, kind: str, asked: int, numbers: list[int]) -> None:
        self._db.execute(
            "INSERT INTO events (kind, asked, numbers) VALUES (?, ?, ?)", (kind, asked, json.dumps(numbers))
        )

    @contextmanager
    def _appending(self, *, synced: bool) -> Iterator[sqlite3.Connection]:
        if not synced:
            self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            with self._transaction() as db:
                if self.get("schema") != SCHEMA:  # what follows has tags and notes
                    for name, value in (("schema_1_trials", self.schema_1_trials), ("schema", SCHEMA)):
                        db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (name, json.dumps(value)))
                yield db
        finally:
            if not synced:
                self._db.execute("PRAGMA synchronous = FULL")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite has rolled back by itself where the disk is full
                self._db.execute("ROLLBACK")
            raise

    # -------------------------------------------------------------- reading

    def trials(self) -> list[Trial]:
        """Every trial, by index."""
        old = self.schema_1_trials
        rows = self._db.execute("SELECT trial FROM trials ORDER BY number")
        trials = [Trial.from_dict(json.loads(text)) for (text,) in rows]
        return [*map(converted, trials[:old]), *trials[old:]]

    def records(self) -> dict[int, Record]:
        """Every record, by its trial's index."""
        rows = self._db.execute("SELECT record FROM records ORDER BY number")
        return {record.index: record for (text,) in rows for record in [Record.from_dict(json.loads(text))]}

    def events(self) -> list[Event]:
        """The history, oldest first."""
        rows = self._db.execute("SELECT kind, asked, numbers FROM events ORDER BY place")
        return [Event(kind, asked, tuple(json.loads(numbers))) for kind, asked, numbers in rows]

    def counts(self) -> dict[str, int]:
        """How many trials there are, done, failed and pending."""
        total = self._db.execute("SELECT COUNT(*) FROM trials").fetchone()[0]
        told, good = self._db.execute("SELECT COUNT(*), TOTAL(json_extract(record, '$.ok')) FROM records").fetchone()
        return {"trials": total, "done": told, "failed": told - int(good), "pending": total - told}

    def frame(self) -> "pd.DataFrame":
        """One row per trial with what was asked and, where it ended, what was measured (metrics as columns).

        The columns "tags" and "notes" are JSON, as "genotype" is; they are there where any trial has tags, any record
        notes, and "measure" where any trial is a score.
        """
        import pandas as pd  # takes a while to import; who only runs or looks does without

        trials, records = self.trials(), self.records()
        tagged = any(trial.tags for trial in trials)
        scored = any(trial.measure != TRAINING for trial in trials)
        noted = any(record.notes for record in records.values())
        rows = []
        for trial in trials:
            row: dict[str, Any] = trial.to_dict() | {
                "key": trial.genotype.key,
                "genotype": trial.genotype.to_json(),
            }
            if tagged:
                row["tags"] = json.dumps(dict(trial.tags))
            if scored:
                row["measure"] = trial.measure
            if record := records.get(trial.index):
                measured = record.to_dict()
                if noted:
                    measured["notes"] = json.dumps(dict(record.notes))
                row |= {name: measured[name] for name in measured if name not in ("index", "metrics")}
                row |= measured["metrics"]
            rows.append(row)
        return pd.DataFrame(rows)

    def digest(self) -> str:
        """SHA-256 of trials and records by index, without what differs from run to run (seconds, host, attempt).

        What is hashed is what was stored, so that a run of schema 1 has the digest it always had.
        """
        hasher = hashlib.sha256()
        for (text,) in self._db.execute("SELECT trial FROM trials ORDER BY number"):
            hasher.update(json.dumps(json.loads(text), sort_keys=True).encode())
        for (text,) in self._db.execute("SELECT record FROM records ORDER BY number"):
            hasher.update(json.dumps(_lasting(json.loads(text)), sort_keys=True).encode())
        return hasher.hexdigest()


def _lasting(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record's JSON without what differs from run to run."""
    kept = {name: value for name, value in record.items() if name not in (*INCIDENTAL, "notes")}
    notes = {name: value for name, value in record.get("notes", {}).items() if name not in INCIDENTAL_NOTES}
    return kept | {"notes": notes} if notes else kept


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process while it runs; the system lets go of it however the process ends.

    Raises:
        ValueError: if another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"another process is running in {folder}; wait for it or choose another folder") from None
        yield


def _release(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.ProgrammingError):  # collected by another thread than its own, it is closed with the process
        connection.close()


def _connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    if readonly:
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=30)
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


def _difference(name: str, held: Any, wanted: Any) -> str:
    if isinstance(held, Mapping) and isinstance(wanted, Mapping):
        for key in {**held, **wanted}:
            if held.get(key) != wanted.get(key):
                return _difference(f"{name}.{key}", held.get(key), wanted.get(key))
    return f"{name} is {_short(held)} there, got {_short(wanted)}"


def _short(value: Any) -> str:
    """JSON for one line of an error: a grid of settings would fill the screen."""
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
