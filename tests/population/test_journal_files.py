import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo.population import Journal, ProxySetting, Record, Trial
from zoo.population import journal as journals
from zoo.population.journal import FILE
from zoo.population.lock import run_lock
from zoo.spaces import DARTS

IDENTITY = {"strategy": {"name": "study", "settings": ["c0r0s0e1"]}, "data": "ab12", "group": 1}


def trial(index):
    genotype = DARTS.sample(np.random.default_rng(index))
    return Trial(index=index, genotype=genotype, setting=ProxySetting(0, 0, 0, 1), start=0, stop=1)


def tree(folder):
    """Everything below a folder, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def start(folder, identity=IDENTITY):
    journal = Journal.create(folder, identity)
    journal.append_ask(1, [trial(0)])
    journal.close()


# ---------------------------------------------------------------- create, continue, open


@pytest.mark.parametrize("before", ["missing", "empty", "lock"])
def test_a_run_starts_in_a_new_or_empty_folder_and_is_continued(tmp_path, before):
    folder = tmp_path / "a" / "b"
    if before != "missing":
        folder.mkdir(parents=True)
    if before == "lock":
        (folder / ".lock").touch()
    start(folder)
    again = Journal.create(folder, IDENTITY)
    assert again.trials() == [trial(0)]
    assert again.identity == IDENTITY
    again.close()
    assert {path.name for path in folder.iterdir()} - {".lock"} == {FILE}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"data": "cd34"}, ["data", '"ab12"', '"cd34"']),
        ({"strategy": {"name": "study", "settings": ["c1r0s0e1"]}}, ["strategy.settings", "c0r0s0e1", "c1r0s0e1"]),
        ({"strategy": {"name": "random", "settings": ["c0r0s0e1"]}}, ["strategy.name", '"study"', '"random"']),
        ({"group": 2}, ["group", "1", "2"]),
        ({"new": True}, ["new", "null", "true"]),
    ],
)
def test_another_identity_is_refused_with_the_difference(tmp_path, changes, parts):
    start(tmp_path / "run")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="holds another run") as error:
        Journal.create(tmp_path / "run", IDENTITY | changes)
    for part in [str(tmp_path / "run"), *parts]:
        assert part in str(error.value)
    assert "\n" not in str(error.value)
    assert tree(tmp_path) == before


def test_an_identity_is_compared_as_json(tmp_path):
    start(tmp_path / "run", {"sizes": [1, 2], "none": None})
    Journal.create(tmp_path / "run", {"none": None, "sizes": (1, 2)}).close()


@pytest.mark.parametrize("name", ["report.html", ".hidden", "journal.sqlite-wal", ".newer"])
def test_a_folder_with_something_else_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match="something else than a run") as error:
        Journal.create(tmp_path, IDENTITY)
    assert str(tmp_path) in str(error.value)
    assert tree(tmp_path) == {name: b"mine"}


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="something else than a run"):
        Journal.create(tmp_path / "file", IDENTITY)
    with pytest.raises(OSError, match="file"):
        Journal.create(tmp_path / "file" / "below", IDENTITY)
    with pytest.raises(OSError, match="file"), run_lock(tmp_path / "file" / "below"):
        pass
    assert tree(tmp_path) == {"file": b"mine"}


def test_no_run_is_no_run(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match="holds no run") as error:
            Journal.open(folder)
        assert str(folder) in str(error.value)
    assert tree(tmp_path) == {}


def stranger(path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE recipes (name TEXT)")
    db.commit()
    db.close()


def text(path):
    path.write_text("not a database, but long enough to look like one" * 20)


def cut_off(path):
    start(path.parent / "whole")
    path.write_bytes((path.parent / "whole" / FILE).read_bytes()[:3000])
    shutil.rmtree(path.parent / "whole")


@pytest.mark.parametrize("write", [text, stranger, Path.touch, cut_off])
@pytest.mark.parametrize("how", ["create", "open", "readonly"])
def test_a_file_that_is_no_journal_is_named_and_left_alone(tmp_path, write, how):
    write(tmp_path / FILE)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="is not a journal") as error:
        Journal.create(tmp_path, IDENTITY) if how == "create" else Journal.open(tmp_path, readonly=how == "readonly")
    assert str(tmp_path / FILE) in str(error.value)
    after = tree(tmp_path)
    assert after.pop(f"{FILE}-wal", b"") == b""  # a reader of a torn journal may leave these two, empty
    after.pop(f"{FILE}-shm", None)
    assert after == before


@pytest.mark.parametrize("schema", [3, 0, None, "2"])
def test_another_schema_is_refused(tmp_path, schema):
    start(tmp_path)
    journal = Journal.open(tmp_path)
    journal.set("schema", schema)
    journal.close()
    for attempt in (lambda: Journal.open(tmp_path), lambda: Journal.create(tmp_path, IDENTITY)):
        with pytest.raises(ValueError, match=f"has schema {schema}, expected 1 or 2"):
            attempt()


# ---------------------------------------------------------------- what a killed start leaves


def in_child(*lines):
    """Run a program that ends by its own SIGKILL."""
    program = "\n".join(
        ["import os, signal", "from pathlib import Path", "from zoo.population import journal, lock", *lines]
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_start_that_was_killed_is_started_anew(tmp_path):
    in_child(
        f"folder = Path({str(tmp_path)!r})",
        "def die(self, identity):",
        "    self._db.executescript(journal._TABLES)",
        "    os.kill(os.getpid(), signal.SIGKILL)",
        "journal.Journal._start = die",
        "with lock.run_lock(folder):",
        "    journal.Journal.create(folder, {})",
    )
    assert (tmp_path / ".new").exists()
    assert not (tmp_path / FILE).exists()
    with run_lock(tmp_path):
        start(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", FILE}


@pytest.mark.parametrize("step", ["_start", "replace"])
def test_a_start_that_fails_leaves_no_journal(tmp_path, monkeypatch, step):
    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Journal if step == "_start" else os, step, fail)
        with pytest.raises(OSError, match="No space"):
            Journal.create(tmp_path / "run", IDENTITY)
    assert not (tmp_path / "run" / FILE).exists()
    start(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [FILE]


def test_a_killed_run_keeps_every_append_that_ended(tmp_path):
    start(tmp_path)
    in_child(
        f"held = journal.Journal.open(Path({str(tmp_path)!r}))",
        "trial = held.trials()[0]",
        "from zoo.population import Record",
        "held.append_tell([Record(index=0, ok=True)])",
        "held._db.execute('BEGIN IMMEDIATE')",
        "held._event('ask', 1, [1])",
        "os.kill(os.getpid(), signal.SIGKILL)",
    )
    for readonly in (True, False):
        journal = Journal.open(tmp_path, readonly=readonly)
        assert journal.counts() == {"trials": 1, "done": 1, "failed": 0, "pending": 0}
        assert len(journal.events()) == 2
        journal.close()


# ---------------------------------------------------------------- readers and locks


def test_readers_see_whole_appends_while_a_writer_is_at_work(tmp_path):
    writer = Journal.create(tmp_path, IDENTITY)
    writer.append_ask(1, [trial(0)])
    reader = Journal.open(tmp_path, readonly=True)
    assert reader.counts()["trials"] == 1
    with writer._transaction():
        writer._event("tell", 0, [0])
        assert len(reader.events()) == 1
        assert reader.digest() == Journal.open(tmp_path, readonly=True).digest()
    writer.append_ask(1, [trial(1)])
    assert reader.counts()["trials"] == 2
    writer.append_tell([Record(index=0, ok=True)])
    assert reader.counts()["pending"] == 1
    reader.close()
    writer.close()


def test_a_reader_cannot_write(tmp_path):
    start(tmp_path)
    reader = Journal.open(tmp_path, readonly=True)
    for write in (lambda: reader.append_ask(1, [trial(1)]), lambda: reader.set("x", 1)):
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            write()
    assert reader.counts()["trials"] == 1
    reader.close()


def test_a_folder_belongs_to_one_process_until_it_ends(tmp_path):
    program = (
        "import sys; from pathlib import Path; from zoo.population.lock import run_lock\n"
        "with run_lock(Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    folder = tmp_path / "run"
    arguments = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="another process is running in") as error, run_lock(folder):
            pass
        assert str(folder) in str(error.value)
        with run_lock(tmp_path / "other"):
            pass
        holder.kill()
    with run_lock(folder):
        start(folder)
    with run_lock(folder):
        pass


HOSTILE = [
    "with space",
    'quote\'s "double"',
    "new\nline",
    "ünï ☃ 漢字",
    "100%25?mode=rw&x=#y",
    "-rf",
    "a;b|c$HOME`x`",
    "*?[x]",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_folder_name_will_do(tmp_path, name):
    folder = tmp_path / name / name
    with run_lock(folder):
        start(folder)
        for readonly in (True, False):
            journal = Journal.open(folder, readonly=readonly)
            assert journal.trials() == [trial(0)]
            journal.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in folder.iterdir()} == {".lock", FILE}


def test_the_name_of_a_journal_is_on_the_disk_before_anything_is_written_to_it(tmp_path, monkeypatch):
    """Whoever made it may have been killed before that."""
    calls, connect = [], journals._connect
    monkeypatch.setattr(journals, "sync_folder", lambda folder: calls.append(folder.name))
    monkeypatch.setattr(journals, "_connect", lambda path, **how: (calls.append(path.name), connect(path, **how))[1])
    for _ in range(2):
        calls.clear()
        Journal.create(tmp_path / "run", {}).close()
        assert calls[-3:] == ["run", FILE, FILE]
