import errno
import hashlib
import os
from pathlib import Path

import pytest

from zoo.population import WeightStore


@pytest.fixture
def store(tmp_path):
    return WeightStore(tmp_path / "runs" / "weights")


@pytest.mark.parametrize("data", [b"", b"weights", bytes(range(256)) * 4096])
def test_what_was_put_is_there_under_its_hash(store, data):
    name = store.put(data)
    assert name == hashlib.sha256(data).hexdigest()
    assert store.get(name) == data
    assert [path.name for path in store.folder.iterdir()] == [name]


def test_the_same_bytes_are_stored_once(store):
    assert store.put(b"same") == store.put(b"same")
    assert len(list(store.folder.iterdir())) == 1


def test_what_was_never_put_is_missing(store):
    assert store.get("0" * 64) is None
    store.put(b"something")
    assert store.get("0" * 64) is None


@pytest.mark.parametrize("damage", [b"", b"weightz", b"weights and more"])
def test_damaged_bytes_are_never_given_back_and_can_be_put_again(store, damage):
    name = store.put(b"weights")
    (store.folder / name).write_bytes(damage)
    assert store.get(name) is None
    assert store.put(b"weights") == name
    assert store.get(name) == b"weights"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_behind(store, monkeypatch, step):
    kept = store.put(b"before")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(OSError, match="No space left"):
            store.put(b"after")
    assert [path.name for path in store.folder.iterdir()] == [kept]
    assert store.get(store.put(b"after")) == b"after"


def test_a_file_is_whole_before_it_has_its_name(store, monkeypatch):
    synced = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(os.fstat(handle).st_size), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (synced.append("named"), replace(a, b)))
    store.put(b"12345")
    assert synced[-3:] == [5, "named", os.stat(store.folder).st_size], "and its name is on the disk too"
    assert len(synced) == 3 + 3, "as are those of the two new folders, and of the one above them"


def test_what_an_interrupted_put_has_left_is_on_the_disk_before_it_counts(store, monkeypatch):
    """A folder or a file may be there whose name nobody waited for: its process was killed, or the disk was full."""
    store.folder.mkdir(parents=True)
    (store.folder / hashlib.sha256(b"weights").hexdigest()).write_bytes(b"weights")
    synced, fsync = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (synced.append(Path(f"/proc/self/fd/{handle}").readlink()), fsync(handle))
    )
    store.put(b"weights")
    assert synced == [store.folder.parent, store.folder]


def test_keeping_some_deletes_the_others_and_what_a_crash_left(store):
    first, second, third = (store.put(data) for data in (b"1", b"2", b"3"))
    (store.folder / ".left-over").write_bytes(b"half")
    store.keep_only([first, third, "0" * 64])
    assert {path.name for path in store.folder.iterdir()} == {first, third}
    assert store.get(second) is None
    store.keep_only([])
    assert list(store.folder.iterdir()) == []


def test_keeping_nothing_of_nothing_is_fine(store):
    store.keep_only([])
    assert not store.folder.exists()
