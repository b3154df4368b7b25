"""Runs of the first schema: what they say in their command line, where newer ones say it as data."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.data.sources import FOLDER
from zoo.population.journal import Journal

DEFAULT_DATA: Mapping[tuple[str, str], str] = {("zoo", "study"): "digits", ("zoo", "build"): "digits"}
"""Images of commands that were called without ``--data``; all others had cifar10."""


def options(journal: Journal) -> dict[str, Any]:
    """How the run was last asked for, of what does not belong to its identity."""
    found: dict[str, Any] = {}
    if growth := journal.get("growth"):
        found["models"] = growth[-1]
    if (target := journal.get("target")) is not None:
        found["target"] = target
    if (loaders := _option(journal, "--loaders")) is not None:
        found["loaders"] = int(loaders)
    return found


def source(journal: Journal) -> dict[str, Any]:
    """Where the run's material lies, as newer runs say it.

    Raises:
        ValueError: if the run does not say which command started it.
    """
    words = journal.get("command")
    if words is None:
        raise ValueError("the run does not say which command started it, expected a run started by thriftnas")
    if (table := _path(journal, "--table")) is not None:
        return {"kind": "table", "table": table, "latency": _path(journal, "--latency")}
    name = _option(journal, "--data") or DEFAULT_DATA.get(tuple(words[:2]), "cifar10")
    if name.startswith(FOLDER) and name != FOLDER:
        name = FOLDER + _absolute(journal, name.removeprefix(FOLDER))
    counts = {"train": "--train", "validation": "--val", "resolution": "--resolution"}
    images = {"kind": "images", "name": name} | {
        field: None if (text := _option(journal, option)) is None else int(text) for field, option in counts.items()
    }
    if words[:2] == ["zoo", "train"]:
        images["streamed"] = "--stream" in words or _option(journal, "--recipe") == "imagenet"
        if _option(journal, "--recipe") == "imagenet" and images["resolution"] is None:
            images["resolution"] = 224
    if (supernet := journal.get("supernet")) is None:
        return images
    known = journal.get("images") or {}
    return {
        "kind": "supernet",
        "supernet": supernet,
        "images": images | known,
        "latency": _path(journal, "--latency"),
    }


def resources(journal: Journal) -> dict[str, Any]:
    """Workers, GPUs and cluster that the command asked for."""
    return {
        "workers": int(_option(journal, "--workers") or 1),
        "gpus": float(_option(journal, "--gpus") or 0),
        "address": _option(journal, "--address"),
    }


def _option(journal: Journal, name: str) -> str | None:
    """The last value that the command gave an option."""
    words, found = journal.get("command") or [], None
    for place, word in enumerate(words):
        if word == name and place + 1 < len(words):
            found = words[place + 1]
        elif word.startswith(f"{name}="):
            found = word.removeprefix(f"{name}=")
    return found


def _path(journal: Journal, name: str) -> str | None:
    text = _option(journal, name)
    return None if text is None else _absolute(journal, text)


def _absolute(journal: Journal, text: str) -> str:
    return os.path.abspath(Path(journal.get("directory") or ".") / Path(text).expanduser())
