"""A table of one's own: networks as rows, measurements as columns, from any framework, as a file or a DataFrame."""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.pages.written import percent
from zoo.reliability.correlation import Array
from zoo.reliability.recommendation import Candidate

if TYPE_CHECKING:
    import pandas as pd

Flags = npt.NDArray[np.bool_]
FEWEST_NETWORKS = 5
MISSING = frozenset(("", "nan", "-nan", "n/a", "#n/a", "na", "<na>", "null", "none", "-", "--", "?"))
"""What stands for a number that is not there, in small letters."""
DELIMITERS = "\t;,"
LISTED = 8
"""Columns that an error names at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a table. A pattern is a column's name, or has shell wildcards: ``zc_*``.

    Attributes:
        reference: columns whose ranking counts; several are repeats, of which the mean counts.
        proxies: patterns of the columns to judge.
        name: column with the networks' names.
        cost: column that the partial correlation holds fixed, such as MACs.
        lower: patterns of columns where less is better.
        faster: by column, how many times cheaper than the reference it is; 1 where nothing is said.
        target: Spearman's ρ that a proxy must reach.
        seed: of the resamples.

    Raises:
        ValueError: for nothing asked, or a number out of range.
    """

    reference: tuple[str, ...]
    proxies: tuple[str, ...]
    name: str | None = None
    cost: str | None = None
    lower: tuple[str, ...] = ()
    faster: Mapping[str, float] = field(default_factory=dict)
    target: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.reference or not self.proxies:
            raise ValueError("expected at least one reference column and one pattern of proxies")
        if not 0 < self.target < 1:
            raise ValueError(f"the target must lie between 0 and 1, got {self.target:g}")
        if self.seed < 0:
            raise ValueError(f"the seed must be at least 0, got {self.seed}")
        for column, times in self.faster.items():
            if not (times > 0 and math.isfinite(times)):
                raise ValueError(f"faster: expected a positive number for {column!r}, got {times:g}")
        again = [one for i, one in enumerate(self.reference) if one in self.reference[:i]]
        if again:
            raise ValueError(f"the reference {again[0]!r} is named twice, expected repeats in columns of their own")
        own = [one for one in self.reference if one in self.proxies]
        if own:
            raise ValueError(f"a reference cannot be its own proxy: {own[0]!r} is named as both")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnTable:
    """What was found in a table: of the networks that have a reference, everything turned so that more is better.

    Attributes:
        asked: what for.
        title: what the table is called in sentences.
        names: of the networks.
        reference: (networks, repeats), NaN = missing.
        repeats: the columns that it consists of.
        candidates: the proxies, NaN = failed; at least one, none of them constant.
        cost: (networks,), without gaps; None: not asked for.
        notices: what was left out, and why.
    """

    asked: Asked
    title: str
    names: tuple[str, ...]
    reference: Array
    repeats: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    cost: Array | None
    notices: tuple[str, ...]


def read_own_table(source: "pd.DataFrame | Path | str", asked: Asked) -> OwnTable:
    """Read a DataFrame, or a file: CSV, TSV or with semicolons (then 0,93 is a number, too), as it is or gzipped.

    Raises:
        ValueError: for what is no table, or does not have what is asked for; one line.
        OSError: if the file cannot be read.
    """
    raw = _file(Path(source).expanduser()) if isinstance(source, str | Path) else _frame(source)
    places = raw.matching(asked.proxies, but=[*asked.reference, *([asked.name] if asked.name else [])])
    proxies = {raw.header[place]: place for place in places}
    _check_lower(raw, asked, proxies)
    if unknown := [column for column in asked.faster if column not in proxies]:
        raise ValueError(f"faster: {unknown[0]!r} is no proxy here, expected {_listed(proxies)}")
    names = _names(raw, asked.name)
    notices: list[str] = []
    measured, repeats = _reference(raw, asked, notices)
    kept = np.isnan(measured).sum(axis=1) < measured.shape[1]
    cost = None if asked.cost is None else _cost(raw, asked.cost, kept)
    candidates = _candidates(raw, asked, proxies, kept, notices)
    return OwnTable(
        asked=asked,
        title=raw.title,
        names=tuple(name for name, keep in zip(names, kept, strict=True) if keep),
        reference=measured[kept],
        repeats=repeats,
        candidates=tuple(_ranking(raw, asked, candidates, measured[kept], notices)),
        cost=cost,
        notices=tuple(notices),
    )


def mean_of(reference: Array) -> Array:
    """Of the repeats that are there, (networks, repeats) → (networks,); every network has one."""
    return np.asarray(np.nanmean(reference, axis=1), dtype=np.float64)


# ---------------------------------------------------------------- what the columns say


def _reference(raw: "_Raw", asked: Asked, notices: list[str]) -> tuple[Array, tuple[str, ...]]:
    """(networks, repeats), and which columns these are; a copy of a repeat is dropped."""
    kept: dict[str, Array] = {}
    for name in asked.reference:
        values = raw.numbers(raw.place(name), finite=True)
        there = values[~np.isnan(values)]
        if len(there) >= FEWEST_NETWORKS and (there == there[0]).all():
            raise ValueError(f"{raw.title}: the reference {name!r} is constant, {there[0]:g} in every network")
        copied = [other for other, was in kept.items() if _equal_share(values, was) > 0.5]
        if copied:
            share = _equal_share(values, kept[copied[0]])
            notices.append(
                f"{name} equals {copied[0]} in {percent(share, 0)} of the networks: no repeat, it is dropped"
            )
        else:
            kept[name] = values
    measured = np.stack(list(kept.values()), axis=1)
    trained = np.isnan(measured).sum(axis=1) < measured.shape[1]
    if (count := trained.sum()) < FEWEST_NETWORKS:
        known = f"{count} networks have a number in {_listed(kept)}"
        raise ValueError(f"{raw.title}: {known}, expected at least {FEWEST_NETWORKS}")
    mean = mean_of(measured[trained])
    if (mean == mean[0]).all():
        raise ValueError(f"{raw.title}: the mean of {_listed(kept)} is constant, {mean[0]:g} in all networks")
    if not trained.all():
        notices.append(f"{(~trained).sum()} of {len(trained)} networks have no reference and are left out")
    return measured * _sign(next(iter(kept)), asked), tuple(kept)


def _candidates(
    raw: "_Raw", asked: Asked, proxies: Mapping[str, int], kept: Flags, notices: list[str]
) -> list[Candidate]:
    """The columns that hold numbers; one of texts alone is left out where only a wildcard asked for it."""
    found = []
    for name, place in proxies.items():
        if name not in asked.proxies and raw.is_text(place):
            notices.append(f"{name} is left out: it holds no numbers")
            continue
        values = raw.numbers(place)[kept]
        if endless := int(np.isinf(values).sum()):
            notices.append(f"{name} is infinite in {endless} networks, which count as failed there")
            values = np.where(np.isinf(values), np.nan, values)
        found.append(Candidate(name, values * _sign(name, asked), asked.faster.get(name, 1.0)))
    return found


def _ranking(
    raw: "_Raw", asked: Asked, candidates: Sequence[Candidate], reference: Array, notices: list[str]
) -> list[Candidate]:
    """The candidates that rank networks at all; of the others a notice says why not.

    A copy of the reference is judged where it was asked for by its name, not by a wildcard alone.
    """
    found = []
    for one in candidates:
        copy = any(np.allclose(one.values, own, rtol=1e-9, atol=0) for own in (mean_of(reference), *reference.T))
        if np.isnan(one.values).all():
            notices.append(f"{one.name} is left out: it failed in every network")
        elif (one.values == one.values[0]).all():
            notices.append(f"{one.name} is left out: it is the same in every network")
        elif copy and one.name not in asked.proxies:
            notices.append(f"{one.name} is left out: it equals the reference in every network")
        else:
            found.append(one)
            notices += [f"{one.name} equals the reference in every network: is it a copy?"] if copy else []
    if not found:
        raise ValueError(f"{raw.title}: no proxy ranks these networks; {'; '.join(notices)}")
    return found


def _cost(raw: "_Raw", name: str, kept: Flags) -> Array:
    values = raw.numbers(raw.place(name), finite=True)
    for gap in np.flatnonzero(np.isnan(values) & kept)[:1]:
        raise ValueError(f"{raw.title}: {raw.labels[gap]} has no number in the cost {name!r}, expected one")
    cost = values[kept]
    if (cost == cost[0]).all():
        raise ValueError(f"{raw.title}: the cost {name!r} is constant, {cost[0]:g} in every network")
    return cost


def _names(raw: "_Raw", name: str | None) -> list[str]:
    """The networks' names, those of their rows where there are none."""
    if name is None:
        return list(raw.labels)
    seen: dict[str, str] = {}
    names = [str(value).strip() or label for value, label in zip(raw.column(raw.place(name)), raw.labels, strict=True)]
    for one, label in zip(names, raw.labels, strict=True):
        if one in seen:
            raise ValueError(f"{raw.title}: {seen[one]} and {label} are both {one!r}, expected one row per network")
        seen[one] = label
    return names


def _check_lower(raw: "_Raw", asked: Asked, proxies: Iterable[str]) -> None:
    for pattern in asked.lower:
        if not any(_fits(name, pattern) for name in (*asked.reference, *proxies)):
            raise ValueError(f"lower: {pattern!r} is neither reference nor proxy, expected {_listed(proxies)}")
    if len({_sign(name, asked) for name in asked.reference}) > 1:
        raise ValueError(f"lower: expected all repeats of the reference or none, got {_listed(asked.lower)}")


def _equal_share(first: Array, second: Array) -> float:
    """Share of the networks that have both in which they are equal."""
    both = ~np.isnan(first) & ~np.isnan(second)
    return float((first == second)[both].mean()) if both.any() else 0.0


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _sign(name: str, asked: Asked) -> int:
    return -1 if any(_fits(name, pattern) for pattern in asked.lower) else 1


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:LISTED]) + (", ..." if len(every) > LISTED else "")


# ---------------------------------------------------------------- the table as it is


@dataclass(frozen=True, slots=True, eq=False)
class _Raw:
    """A table as it was given: values are texts or numbers, and empty texts where there is nothing."""

    title: str
    header: Sequence[str]
    labels: Sequence[str]  # of the rows, as in errors
    column: Callable[[int], Sequence[object]]
    comma: bool  # whether 0,93 is a number

    def place(self, name: str) -> int:
        """Where a column is.

        Raises:
            ValueError: for a name that no column has, or several.
        """
        count = list(self.header).count(name)
        if count == 0:
            near = get_close_matches(name, self.header, 1)
            expected = near[0] if near else _listed(filter(None, self.header))
            raise ValueError(f"{self.title} has no column {name!r}, expected {expected}")
        if count > 1:
            raise ValueError(f"{self.title} has {count} columns {name!r}, expected one")
        return list(self.header).index(name)

    def matching(self, patterns: Sequence[str], but: Sequence[str]) -> list[int]:
        """Places of the columns that a pattern fits, in the table's order; of wildcards without those of ``but``.

        Raises:
            ValueError: for a pattern that fits none, or a column that is there twice.
        """
        found: set[int] = set()
        others = [one for one in self.header if one and not one.startswith("Unnamed: ") and one not in but]
        for pattern in patterns:
            fitting = [pattern] if pattern in self.header else [one for one in others if fnmatchcase(one, pattern)]
            if not fitting:
                raise ValueError(f"{self.title}: no proxy matches {pattern!r}, expected some of {_listed(others)}")
            found |= {self.place(one) for one in fitting}
        return sorted(found)

    def numbers(self, place: int, *, finite: bool = False) -> Array:
        """A column, NaN where there is nothing.

        Raises:
            ValueError: for a value that is no number; it names the row.
        """
        values = np.empty(len(self.labels))
        for i, value in enumerate(self.column(place)):
            number = _number(value, self.comma)
            if number is None or (finite and math.isinf(number)):
                raise ValueError(
                    f"{self.title}: {self.labels[i]} has {str(value)[:40]!r} in the column {self.header[place]!r}, "
                    "expected a number"
                )
            values[i] = number
        return values

    def is_text(self, place: int) -> bool:
        """Whether there is something in a column, and none of it a number."""
        read = [_number(value, self.comma) for value in self.column(place)]
        return None in read and all(value is None or math.isnan(value) for value in read)


def _number(value: object, comma: bool) -> float | None:
    """NaN where there is nothing, None for what is no number."""
    if isinstance(value, str):
        value = value.strip()
        if value.lower() in MISSING:
            return math.nan
        if comma and "." not in value and value.count(",") == 1:
            value = value.replace(",", ".")
        if "_" in value:  # Python would read 1_000
            return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _frame(frame: "pd.DataFrame") -> _Raw:
    if not hasattr(frame, "iloc") or not hasattr(frame, "columns"):
        raise ValueError(f"expected a DataFrame or the path of a table, got {type(frame).__name__}")

    def column(place: int) -> list[object]:
        values = frame.iloc[:, place]
        return ["" if gone else value for value, gone in zip(values.tolist(), values.isna().tolist(), strict=True)]

    header = [str(name).strip() for name in frame.columns]
    return _Raw("the table", header, [f"row {label}" for label in frame.index], column, comma=False)


def _file(path: Path) -> _Raw:
    text = _text(path)
    rows, labels = [], []
    try:
        mark = max(DELIMITERS, key=lambda one: len(next(_lines(text, one, strict=False), [])))
        lines = _lines(text, mark, strict=True)
        header = [name.strip() for name in next(lines, [])]
        if len(header) < 2:
            raise csv.Error("expected columns with commas, semicolons or tabs between them")
        for row in lines:
            if not any(map(str.strip, row)):
                continue
            if len(row) < len(header) or any(row[len(header) :]):
                raise csv.Error(f"line {lines.line_num} has {len(row)} columns, expected {len(header)}")
            rows.append(row)
            labels.append(f"line {lines.line_num}")
    except csv.Error as error:
        raise ValueError(f"{path} is not a table: {error}") from None
    return _Raw(str(path), header, labels, lambda place: [row[place] for row in rows], comma=mark == ";")


def _lines(text: str, mark: str, *, strict: bool) -> Any:
    """A reader of the csv module, whose type it does not name: rows, and the number of the line."""
    return csv.reader(io.StringIO(text, newline=None), delimiter=mark, strict=strict)


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a table: {error}") from None
    if "\0" in text:
        raise ValueError(f"{path} is not a table of text")
    return text
