"""A journal where nothing may be written: read whole, and nothing is left beside it."""

import sqlite3
import sys

import pytest

from tests.population.crew import answer, jobs
from zoo.population import Journal, lock, reading
from zoo.population.lock import is_held, run_lock


@pytest.fixture
def unwritable(monkeypatch):
    """As SQLite is on a read-only medium: what it needs beside the file cannot be made."""
    connect = reading._connect

    def refusing(path, how):
        db = connect(path, how)
        if how != "mode=ro":
            return db
        db.close()
        missing = sqlite3.connect(path.parent)  # fails when it is used first
        return missing

    monkeypatch.setattr(reading, "_connect", refusing)


def begun(folder):
    journal = Journal.create(folder, {"strategy": {"name": "random"}})
    journal.append_ask(1, [job.trial for job in jobs(0, 1)])
    journal.append_tell([record for record, _ in answer(jobs(0, 1))])
    return journal


def test_a_run_that_has_ended_is_read_as_it_is(tmp_path, unwritable):
    begun(tmp_path / "run").close()
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    found = Journal.open(tmp_path / "run", readonly=True)
    assert found.counts()["done"] == 2
    found.close()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before == ["journal.sqlite"]


def test_commits_in_the_log_of_a_killed_run_are_read_too(tmp_path, unwritable):
    alive = begun(tmp_path / "run")  # as a process that was killed, it has left its log
    assert (tmp_path / "run" / "journal.sqlite-wal").stat().st_size
    found = Journal.open(tmp_path / "run", readonly=True)
    assert found.counts()["done"] == 2
    assert found.digest() == alive.digest()
    found.close()
    alive.close()


def test_without_locks_runs_are_read_and_none_is_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "fcntl", None)
    assert not is_held(tmp_path)
    with pytest.raises(ValueError, match="runs on Linux and macOS"), run_lock(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()
    assert "fcntl" in sys.modules
