"""Runs of schema 1, as the code wrote them that knew no other, with what that code read in them.

They were made at commit d839494 by the command in each run's rows, on a table of made-up accuracies for "scarlet"
(that of tests/scarlet/conftest.py); only the name of the machine is another.
"""

import gzip
import json
import sqlite3
from functools import cache
from pathlib import Path

from zoo.population.journal import FILE

TABLES = """
CREATE TABLE run (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE trials (number INTEGER PRIMARY KEY, trial TEXT NOT NULL);
CREATE TABLE records (number INTEGER PRIMARY KEY REFERENCES trials, record TEXT NOT NULL);
CREATE TABLE events (place INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, asked INTEGER, numbers TEXT NOT NULL);
"""
NAMES = ("study", "build", "train", "econas", "scarlet", "supernet", "darts")


@cache
def _runs():
    return json.loads(gzip.decompress((Path(__file__).parent / "population" / "schema_1.json.gz").read_bytes()))


def expected(name):
    """What the code of then read: digest, counts, columns of the frame; more for searches."""
    return _runs()[name]["expected"]


def write_old_run(name, folder, events=None):
    """Write the journal of a run into a new folder, as it was after so many events; all by default."""
    rows = _runs()[name]["rows"]
    kept = rows["events"][:events]
    numbers = {kind: {i for one, _, text in kept if one == kind for i in json.loads(text)} for kind in ("ask", "tell")}
    folder.mkdir(parents=True)
    db = sqlite3.connect(folder / FILE)
    db.executescript(TABLES)
    db.executemany("INSERT INTO run VALUES (?, ?)", rows["run"])
    db.executemany("INSERT INTO trials VALUES (?, ?)", [row for row in rows["trials"] if row[0] in numbers["ask"]])
    db.executemany("INSERT INTO records VALUES (?, ?)", [row for row in rows["records"] if row[0] in numbers["tell"]])
    db.executemany("INSERT INTO events (kind, asked, numbers) VALUES (?, ?, ?)", kept)
    db.commit()
    db.close()
    return folder
