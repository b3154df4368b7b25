"""Two journals side by side, read as rows: which fields differ, and whether a version says so."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

ADDED = {"tags", "notes", "role"}
"""Fields that only say more about what was asked and measured: a run whose other fields are equal is the same run."""
INCIDENTAL = {"seconds", "host", "attempt"}


def named_difference(before: Path, after: Path) -> str:
    """What differs between two run folders of other digests, where that has a name; else empty.

    It has one where the strategies' versions differ, and where nothing but added fields does.
    """
    held, found = _read(before), _read(after)
    if held is None or found is None:
        return ""
    fields = {
        name
        for old, new in zip(held[1], found[1], strict=False)
        for name in {*old, *new} - INCIDENTAL
        if old.get(name) != new.get(name)
    }
    if len(held[1]) != len(found[1]):
        fields.add("how many")
    told = ", ".join(sorted(fields))
    if held[0] != found[0]:
        return f"version {held[0]} → {found[0]}: {told}"
    return f"only {told}" if fields and fields <= ADDED else ""


def _read(folder: Path) -> tuple[Any, list[dict[str, Any]]] | None:
    """The version of a run's strategy, and its trials and records in order."""
    file = folder / "journal.sqlite"
    if not file.exists():
        return None
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as db:
        (identity,) = db.execute("SELECT value FROM run WHERE name = 'identity'").fetchone()
        rows = [*db.execute("SELECT trial FROM trials ORDER BY number")]
        rows += db.execute("SELECT record FROM records ORDER BY number")
    return json.loads(identity)["strategy"].get("version"), [json.loads(text) for (text,) in rows]
