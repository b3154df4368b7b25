"""Damage of a journal: whether its rows are what was written, and whether they go together."""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from zoo.files import parsed_json

COLUMN = "sum"
"""Of every table: the checksum of a row. Rows of before there were any have none."""
TABLES = {"run": "name", "trials": "number", "records": "number", "events": "place"}
"""With what their rows are ordered by."""


class DamagedError(ValueError):
    """A journal that does not hold what was written; says what is wrong with it."""


def row_sum(*cells: object) -> int:
    """The checksum of a row, whose own place in the file is one of its cells: CRC-32 of all of them."""
    return zlib.crc32("\0".join(map(str, cells)).encode())


def has_sums(db: sqlite3.Connection) -> bool:
    """Whether the rows of a journal have a column for checksums."""
    return any(row[1] == COLUMN for row in db.execute("PRAGMA table_info(run)"))


def add_sums(db: sqlite3.Connection) -> None:
    """Give a journal of before the column; its rows stay without."""
    for table in TABLES:
        db.execute(f"ALTER TABLE {table} ADD COLUMN {COLUMN} INTEGER")


def checked_rows(
    db: sqlite3.Connection, table: str, cells: str, *, sums: bool, only: int | None = None
) -> Iterator[tuple[object, ...]]:
    """The rows of a table in their order, without their checksums.

    Args:
        db: of the journal.
        table: one of :data:`TABLES`.
        cells: names of the columns that the checksum is of, with commas.
        sums: whether the table has the column.
        only: the number of the one row that is wanted; None: all.

    Raises:
        DamagedError: for a row that is another than was written.
    """
    where = "" if only is None else f"WHERE {TABLES[table]} = {only}"
    found = db.execute(f"SELECT {cells}, {COLUMN if sums else 'NULL'} FROM {table} {where} ORDER BY {TABLES[table]}")
    for place, (*row, held) in enumerate(found):
        if held is not None and held != row_sum(*row):
            raise DamagedError(f"row {place} of its {table} is not what was written")
        yield tuple(row)


def row_of(kind: type[Any]) -> Callable[[int, str], Any]:
    """What reads a row of trials or records, whose number must be that of the row."""

    def parse(number: int, text: str) -> Any:
        found = kind.from_dict(parsed_json(text))
        if type(found.index) is not int or found.index != number:
            raise ValueError(f"trial {number} is called {found.index!r}")
        return found

    return parse


def numbers_of(text: str) -> list[Any]:
    """The trials that an event names; most name one, which takes a fraction of the time without a JSON decoder."""
    if (inner := text[1:-1]).isdecimal() and text == f"[{int(inner)}]":
        return [int(inner)]
    found = parsed_json(text)
    if not isinstance(found, list):
        raise ValueError(f"an event names {text[:40]!r}")
    return found


def require_whole(db: sqlite3.Connection) -> None:
    """Find out whether a journal's pages are sound and its trials, records and events go together.

    Raises:
        DamagedError: if not.
    """
    alone = not db.in_transaction
    if alone:
        db.execute("BEGIN")  # one view of it all, while others may append
    try:
        (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise DamagedError(" ".join(str(answer).split()))
        asked, told = set[int](), set[int]()
        for count, (place, kind, numbers) in enumerate(
            db.execute("SELECT place, kind, numbers FROM events ORDER BY place"), 1
        ):
            if kind not in ("ask", "tell") or place != count:
                raise DamagedError(f"its event {count} is missing or none")
            (asked if kind == "ask" else told).update(numbers_of(numbers))
        for table, wanted in (("trials", asked), ("records", told)):
            held = {number for (number,) in db.execute(f"SELECT number FROM {table}")}
            if held != wanted:
                number = min(held ^ wanted, key=str)
                raise DamagedError(f"its events and its {table} do not go together at trial {number}")
        if asked != set(range(len(asked))) or not told <= asked:
            raise DamagedError("its trials are not numbered from 0 on")
    except (sqlite3.DatabaseError, TypeError, ValueError) as error:
        if isinstance(error, DamagedError | sqlite3.OperationalError):
            raise
        raise DamagedError(" ".join(str(error).split())) from None
    finally:
        if alone and db.in_transaction:
            db.execute("ROLLBACK")
