"""A disk that forgets what nobody waited for: what of a folder is left after a kill, and after a power cut."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

PAGE = 4096
SECTOR = 512
DATABASES = ("journal.sqlite", ".new")
WAL, SHARED = "-wal", "-shm"


class Crash(BaseException):
    """The process is gone: nothing may catch this."""


@dataclass(frozen=True, slots=True)
class _Name:
    """What a name in a folder stands for."""

    inode: int
    folder: bool


class Disk:
    """Watches what is written below a folder; knows of every file and every name whether it is on the disk.

    A file is on the disk once it is synced, a name once its folder is. The journal's write-ahead log is once a commit
    waited for it, the journal itself after a checkpoint. Everything else may be there after a power cut or not. Files
    are told apart by their inodes, which a file system may give to another file: one in memory does not.

    Args:
        root: an empty folder, or one of a machine that was off: what it holds is on the disk.

    Attributes:
        moments: at which a process may be killed, so far.
        crash_at: the moment of its end; 0: none.
        full: the moments from one on to before another at which nothing can be written.
        interrupt_at: the moment of Ctrl-C; 0: none.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.moments, self.crash_at, self.interrupt_at, self.full = 0, 0, 0, (0, 0)
        self._synced: dict[int, bytes] = {}  # of files by inode
        self._names: dict[Path, dict[str, _Name]] = {}
        self._torn: tuple[int, bytes] | None = None  # a database that is being written to, and what it held before
        for path in (root, *root.rglob("*")):
            if path.is_dir():
                self._names[path] = _listed(path)
            else:
                self._synced[path.stat().st_ino] = path.read_bytes()

    # -------------------------------------------------------------- moments

    def moment(self, writing: bool = False) -> None:
        """A moment at which the process may end, or the disk be full.

        Raises:
            Crash, KeyboardInterrupt: if this is the moment.
            OSError: for a full disk.
        """
        self.moments += 1
        if self.moments == self.crash_at:
            raise Crash
        if self.moments == self.interrupt_at:
            raise KeyboardInterrupt
        if writing and self.full[0] <= self.moments < self.full[1]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hear of files and folders that are synced."""
        with mock.patch.object(os, "fsync", self._fsync):
            yield

    def _fsync(self, handle: int) -> None:
        self.moment(writing=True)
        path, found = Path(f"/proc/self/fd/{handle}").readlink(), os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            self._names[path] = _listed(path)
        else:
            self._synced[found.st_ino] = path.read_bytes()
        self.moment()

    # -------------------------------------------------------------- what SQLite does

    def synced_log(self, database: Path) -> None:
        """The write-ahead log of a database is on the disk; the first time SQLite syncs its folder too."""
        path = database.with_name(database.name + WAL)
        if path.exists():
            inode = path.stat().st_ino
            if self._names.get(path.parent, {}).get(path.name) != _Name(inode, folder=False):
                self._names[path.parent] = _listed(path.parent)
            self._synced[inode] = path.read_bytes()

    def log(self, database: Path) -> tuple[int, bytes] | None:
        """The inode of a database's log, and what it holds; None where there is none."""
        path = database.with_name(database.name + WAL)
        return (path.stat().st_ino, path.read_bytes()) if path.exists() else None

    def closed(self, database: Path, log: tuple[int, bytes] | None) -> None:
        """The last connection was closed, which synced the log, wrote it into the database and deleted it."""
        if log is not None:
            self._synced[log[0]] = log[1]  # its name may come back
        self._synced[database.stat().st_ino] = database.read_bytes()

    def differs(self, database: Path) -> bool:
        """Whether pages of a database were written since it was synced."""
        return self._synced.get(database.stat().st_ino) != database.read_bytes()

    def checkpointed(self, database: Path) -> None:
        """A database's pages were written and synced; a power cut in between has written some of them."""
        inode = database.stat().st_ino
        self._torn = (inode, self._synced.get(inode, b""))
        self._synced[inode] = database.read_bytes()
        try:
            self.moment()
        except KeyboardInterrupt:  # heard once the checkpoint is done: only a crash ends within one
            self._torn = None
            raise
        self._torn = None

    # -------------------------------------------------------------- what is left

    def killed(self, into: Path) -> None:
        """Copy what there is: the system outlives a process, and writes what the process has written."""
        shutil.copytree(self.root, into, ignore=lambda _, names: [name for name in names if name.endswith(SHARED)])

    def without_power(self, into: Path, draw: np.random.Generator) -> None:
        """Copy what is on the disk, and of the rest what chance has written."""
        self._left_of(self.root, into, draw)

    def _left_of(self, folder: Path, into: Path, draw: np.random.Generator) -> None:
        into.mkdir()
        held, now = self._names.get(folder, {}), _listed(folder)
        for name in sorted({*held, *now}):
            before, after = held.get(name), now.get(name)
            found = after if before == after or draw.random() < 0.5 else before
            if found is None or name.endswith(SHARED):
                continue
            if found.folder:
                self._left_of(folder / name, into / name, draw)
            else:
                current = (folder / name).read_bytes() if found == after else None
                (into / name).write_bytes(self._content(name, found.inode, current, draw))

    def _content(self, name: str, inode: int, now: bytes | None, draw: np.random.Generator) -> bytes:
        """What a file holds afterwards; ``now`` is what it held, None if it was deleted or replaced."""
        synced = self._synced.get(inode)
        if name.endswith(WAL):
            return _cut(synced or b"", synced or b"" if now is None else now, draw)
        if self._torn is not None and self._torn[0] == inode and synced is not None:
            return _mixed(self._torn[1], synced, draw)
        if synced is not None and (now is None or now == synced or name in DATABASES):
            return synced
        return (now or b"")[: int(draw.integers(len(now or b"") + 1))]


def _listed(folder: Path) -> dict[str, _Name]:
    if not folder.exists():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: _Name(entry.inode(), entry.is_dir()) for entry in entries}


def _cut(synced: bytes, now: bytes, draw: np.random.Generator) -> bytes:
    """A log of which the synced part is whole, and the rest ends somewhere, perhaps with a hole before."""
    first = next((i for i in range(0, len(now), SECTOR) if now[i : i + SECTOR] != synced[i : i + SECTOR]), len(now))
    end = (first, len(now), int(draw.integers(first, len(now) + 1)))[int(draw.integers(3))]
    left = bytearray(now[:end] + synced[end:])
    if end - first > SECTOR and draw.random() < 0.3:
        hole = int(draw.integers(first, end - SECTOR))
        left[hole : hole + SECTOR] = synced[hole : hole + SECTOR].ljust(SECTOR, b"\0")
    return bytes(left)


def _mixed(before: bytes, after: bytes, draw: np.random.Generator) -> bytes:
    """A database of which some pages are written."""
    pages = (range(i, i + PAGE) for i in range(0, len(after), PAGE))
    return b"".join((after if draw.random() < 0.5 else before)[p.start : p.stop].ljust(PAGE, b"\0") for p in pages)
