"""Where a run's material lies now: beside the run, where both have been moved together."""

import os
from pathlib import Path
from typing import Any

from zoo.data.sources import FOLDER

PLACE = "place"
"""Name of the journal's value with the absolute path of the run's folder when it ran last."""


def moved(data: Any, before: str | None, now: Path) -> Any:
    """A source's JSON form, with what is gone from its place, and lies beside the run as it did, at its new place.

    Whether it is the same is for whoever reads it to say: runs know their material by its fingerprint.

    Args:
        data: with absolute paths, those of image folders after ``imagefolder:``.
        before: absolute path of the run's folder when that was written; None: nobody knows.
        now: where the run is.
    """
    if isinstance(data, dict):
        return {name: moved(value, before, now) for name, value in data.items()}
    if not isinstance(data, str) or before is None:
        return data
    head, path = (FOLDER, data.removeprefix(FOLDER)) if data.startswith(FOLDER) else ("", data)
    if not os.path.isabs(path) or os.path.exists(path):
        return data
    found = os.path.normpath(os.path.join(now.resolve(), os.path.relpath(path, before)))
    return head + found if os.path.exists(found) else data


def missing(data: Any) -> list[str]:
    """The places in a source's JSON form where nothing is."""
    if isinstance(data, dict):
        return [path for value in data.values() for path in missing(value)]
    path = data.removeprefix(FOLDER) if isinstance(data, str) else ""
    return [path] if os.path.isabs(path) and not os.path.exists(path) else []
