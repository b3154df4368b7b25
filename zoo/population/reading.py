"""Reading a journal where nothing may be written: on a read-only medium, or in another user's folder."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that reads a journal.

    SQLite needs files beside it for that, whoever else reads. Where they cannot be written, the file is read as one
    that nobody changes, or, with commits that are still in its write-ahead log, a copy of it in memory.

    Raises:
        sqlite3.Error: if it cannot be read.
    """
    try:
        db = _connect(path, "mode=ro")
        db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if log.is_file() and log.stat().st_size:
            return _copied(path, log)
        return _connect(path, "immutable=1")
    except sqlite3.DatabaseError:  # whoever reads it says what it is
        pass
    return db


def _connect(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, isolation_level=None, timeout=30)


def _copied(path: Path, log: Path) -> sqlite3.Connection:
    with tempfile.TemporaryDirectory() as folder:
        for file in (path, log):
            shutil.copyfile(file, Path(folder) / file.name)
        held = sqlite3.connect(":memory:", isolation_level=None)
        with closing(sqlite3.connect(Path(folder) / path.name)) as copy:
            copy.backup(held)
    return held
