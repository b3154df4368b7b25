"""The run folder: whether a folder can hold a run, and holding it for one process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.population.journal import FILE
from zoo.population.lock import run_lock

WEIGHTS = "checkpoints"
LEFTOVERS = (".lock", ".new")
"""Name prefixes of files left by a process that was killed while starting a run."""


def check_folder(folder: Path) -> None:
    """Find out early, and without touching it, whether ``folder`` is a run folder or can become one.

    Raises:
        ValueError: if it is a file or below one, cannot be written, or holds something else than a run.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise ValueError(f"{existing} is a file, expected a folder{'' if existing == folder else f' for {folder}'}")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"{existing} cannot be written, expected a folder for a run")
    if existing == folder and not (folder / FILE).exists():
        for path in folder.iterdir():
            if not path.name.startswith(LEFTOVERS):
                raise ValueError(
                    f"{folder} holds {path.name!r} and no run, expected a run folder, a new or an empty one"
                )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder for this process; one that cannot be a run's is left as it is.

    Raises:
        ValueError: as :func:`check_folder`, or if another process holds it.
    """
    check_folder(folder)
    with run_lock(folder):
        yield
