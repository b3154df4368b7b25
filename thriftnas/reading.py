"""Reading and continuing what is there: runs and models."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thriftnas.material import Progress, counts_of, listener, report_of, source_of
from zoo.experiments.execution import resume as resumed
from zoo.experiments.run import Run
from zoo.experiments.source import Source

if TYPE_CHECKING:
    from zoo.export.model import Model


def load_run(folder: "Path | str") -> Run:
    """The run in a folder, whoever made it.

    Raises:
        ValueError: if there is none, or it cannot be read.
    """
    return Run.open(folder)


def load_model(file: "Path | str") -> "Model":
    """The model in a file, or in a run folder; nothing in it can run code.

    Raises:
        ValueError: if it is no model, or damaged.
        OSError: if it cannot be read.
    """
    from zoo.export.model import NAME
    from zoo.export.model import load_model as load

    path = Path(file)
    return load(path / NAME if path.is_dir() else path)


def resume(
    folder: "Path | str",
    *,
    images: Any = None,
    workers: int | None = None,
    address: str | None = None,
    deadline: float | None = None,
    progress: Progress = True,
) -> Run:
    """Continue a run from its journal, whether a command or a program began it.

    Args:
        folder: the run's.
        images: what it was made from, where that was in memory: (images, labels).
        workers: another number of workers.
        address: of a Ray cluster; the one of the run's journal is not joined unasked.
        deadline: seconds from now after which nothing new is started.
        progress: whether a bar is shown, or a listener of one's own.

    Raises:
        ValueError: for a run that cannot be continued, or images that are not those it was made from.
    """
    run = Run.open(folder)
    source = None if images is None else _source(run, images)
    with listener(progress) as listen:
        fitting = run.resources_here(workers, address, listen.said)
        done = resumed(run.folder, resources=fitting, source=source, deadline=deadline, listen=listen)
    return report_of(done)


def _source(run: Run, images: Any) -> Source:
    """The images, split as the run's were; of a search in a supernet beside it."""
    found = source_of(images, **counts_of(run))
    if (run.value("source") or {}).get("kind") != "supernet":
        return found
    return dataclasses.replace(run.source, images=found)  # type: ignore[type-var]  # sources are dataclasses
