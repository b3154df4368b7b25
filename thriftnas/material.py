"""What a job is given: images as a name, a folder or arrays; and a listener of its progress."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console

from zoo.data.plugged import added_names
from zoo.data.sources import FOLDER, SOURCES
from zoo.experiments.progress import SILENT, Bar, Listener
from zoo.experiments.run import Run
from zoo.experiments.source import ArraySource, HeldSource, ImageSource

Progress: TypeAlias = bool | Listener
"""Whether a bar is shown on standard error, or what hears the progress instead."""


def source_of(
    data: Any,
    train: int | None = None,
    validation: int | None = None,
    resolution: int | None = None,
    *,
    streamed: bool = False,
    skip_bad: bool = False,
) -> ImageSource | ArraySource | HeldSource:
    """Where images lie.

    Args:
        data: digits, cifar10, ...; a folder of classes, as a path or "imagefolder:DIR"; (images, labels), arrays or
            tensors; or an image set.
        train: training images in total; None: all that remain.
        validation: of the training images; None: a fifth.
        resolution: pixels a side; None: the data's own.
        streamed: whether images are decoded while a network trains.
        skip_bad: whether files that cannot be read are left out instead of refused.

    Raises:
        ValueError: for anything else.
    """
    named = isinstance(data, str) and data in (*SOURCES, *added_names())
    if isinstance(data, Path) or (isinstance(data, str) and not named and Path(data).expanduser().is_dir()):
        data = f"{FOLDER}{data}"
    if isinstance(data, str):
        counts = {"train": train, "validation": validation, "resolution": resolution}
        return ImageSource(name=data, **counts, streamed=streamed, skip_bad=skip_bad)
    if streamed:
        raise ValueError(f"only images in files are decoded while a network trains, got {type(data).__name__}")
    if isinstance(data, tuple | list) and len(data) == 2:
        images, labels = data
        return ArraySource(images=images, labels=labels, train=train, validation=validation, resolution=resolution)
    if hasattr(data, "fingerprint") and hasattr(data, "validation"):
        return HeldSource(material=data)
    raise ValueError(f"images must be a name, a folder or (images, labels), got {type(data).__name__}")


def counts_of(run: Run) -> dict[str, Any]:
    """How many images a run has taken, and of which size, whether they were named or in memory."""
    held = run.value("source") or {}
    images = held.get("images", held)
    return {name: images.get(name) for name in ("train", "validation", "resolution")}


def report_of(run: Run) -> Run:
    """The run, with its report written as far as there is one; in a process beside the first nothing is written."""
    if os.environ.get("RANK", "0") in ("", "0"):
        with suppress(ValueError) if not run.finished else nullcontext():  # too little may be measured
            run.report().write(run.folder)
    return run


@contextmanager
def listener(progress: Progress) -> Iterator[Listener]:
    """What hears the progress of a job."""
    if isinstance(progress, Listener):
        yield progress
    elif progress:
        with Bar(Console(stderr=True)) as bar:
            yield bar
    else:
        yield SILENT
