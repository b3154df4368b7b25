"""Plug-ins as installed packages add them, without a package: entry points of objects of a test's module."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest


def install(monkeypatch: pytest.MonkeyPatch, group: str, places: Mapping[str, str]) -> None:
    """Add entry points to a group by name, such as ``{"dots": "tests.data.test_plugged:dots"}``, until the test ends.

    A name may be followed by blanks, so that two packages can add the same one.
    """
    points: Any = EntryPoints(EntryPoint(name.strip(), place, group) for name, place in places.items())
    monkeypatch.setattr("zoo.plugins.entry_points", lambda group: points.select(group=group))
