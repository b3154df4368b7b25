"""Garbage: what a finished run holds on the disk and needs no more."""

from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.experiments.execution import grown
from zoo.experiments.folder import WEIGHTS, locked
from zoo.experiments.run import Run
from zoo.population.journal import FILE, Journal
from zoo.population.manager import Manager
from zoo.population.weights import WeightStore


@dataclass(frozen=True, slots=True)
class Garbage:
    """What is removed.

    Attributes:
        files: their paths.
        bytes: of all of them.
    """

    files: tuple[Path, ...]
    bytes: int

    def text(self, dry_run: bool) -> str:
        """The files, one a line, and what they hold together."""
        freed = f"{self.bytes / 1e6:.1f} MB in {len(self.files)} files {'would be' if dry_run else 'are'} freed"
        return "\n".join([*map(str, self.files), freed])


def collect(folder: Path, *, dry_run: bool = False) -> Garbage:
    """Remove weights that no one will ask for, files of interrupted starts, and side files of the closed journal.

    Of a run that ends with a model, which is whole, no weights are needed; of others those that its strategy names are.
    Trials, records and their digest stay as they are.

    Args:
        folder: of a finished run.
        dry_run: remove nothing, only say what would be.

    Raises:
        ValueError: if there is no run, it has not finished, another process is running in it, or its journal is
            damaged.
        OSError: if a file cannot be removed.
    """
    sides = {path: path.stat().st_size for path in (folder / f"{FILE}-wal", folder / f"{FILE}-shm") if path.exists()}
    run = Run.open(folder)
    with locked(folder), closing(Journal.open(folder, readonly=dry_run)) as journal:
        if not run.finished:
            raise ValueError(f"{folder} has not finished; `thriftnas run resume` continues it and needs what is there")
        needed = _needed(run, journal)
        store = WeightStore(folder / WEIGHTS)
        files = [store.folder / name for name in sorted(store.names - needed)]
        files += [path for path in sorted(folder.iterdir()) if path.is_file() and _unfinished(path.name)]
        found = {path: path.stat().st_size for path in files} | sides
        if not dry_run:
            for path in files:
                path.unlink()
    # The journal's side files went as it was closed: nobody else had it open, or they are still needed.
    return Garbage(tuple(found), sum(found.values()))


def _needed(run: Run, journal: Journal) -> set[str]:
    """Names of the weights that a finished run may still ask for."""
    from zoo.export.run_models import kept_model  # torch, for which those who only read do not wait

    with suppress(ValueError):
        if kept_model(run.folder) is not None:
            return set()
    return Manager(grown(run.experiment, journal).strategy(), journal).needed


def _unfinished(name: str) -> bool:
    """Whether a file is one that was being written when its process ended."""
    return name.startswith(".new") or (name.startswith(".") and name.endswith(".new"))
