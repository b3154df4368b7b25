"""The lock of a run folder: one process runs in it at a time, and others can see whether one does."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # another system than Linux and macOS; those who only read do without
    fcntl = None

LOCK = ".lock"
GLANCES = 5
"""How often a lock is tried: somebody who only looks lets go at once."""


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process while it runs; the system lets go of it however the process ends.

    Raises:
        ValueError: if another process holds it, or the system has no such locks.
    """
    if fcntl is None:
        raise ValueError(
            "this system has no file locks: thriftnas runs on Linux and macOS, elsewhere it only reads runs"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        if not any(_taken(file.fileno(), last=glance + 1 == GLANCES) for glance in range(GLANCES)):
            raise ValueError(f"another process is running in {folder}; wait for it or choose another folder")
        yield


def is_held(folder: Path) -> bool:
    """Whether a process holds ``folder``, here or where its file system is shared; nothing is written."""
    if fcntl is None:
        return False
    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is no lock, or none that may be read
        return False
    return False


def _taken(file: int, last: bool) -> bool:
    assert fcntl is not None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if not last:
            time.sleep(0.02)
        return False
    return True
