"""Inputs that are almost right: some of the campaign's, and every one that was ever answered by a traceback."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks._fuzz.mutations import mutated
from benchmarks._fuzz.parsers import PARSERS
from benchmarks.fuzz import drawn, tried
from tests.benchmarks.conftest import Benchmark

BY_NAME = {parser.name: parser for parser in PARSERS}


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    level = logging.getLogger("thriftnas").level
    yield
    logging.getLogger("thriftnas").setLevel(level)


def example(name: str, **changes: object) -> bytes:
    """A parser's first example, of JSON, with other values at paths with dots."""
    data = json.loads(BY_NAME[name].examples()[0])
    for path, value in changes.items():
        *above, last = path.split("__")
        holder = data
        for step in above:
            holder = holder[step]
        holder[last] = value
    return json.dumps(data).encode()


FOUND = [
    ("network", {"mean": [10**400] * 3}),
    ("rows of records", {"index": 5}),
    ("rows of records", {"index": 2, "batch": 4}),
    ("rows of records", {"index": 2, "batch": {}}),
    ("rows of records", {"index": 2, "ok": float("inf"), "batch": 4}),
    ("rows of records", {"index": 2, "checkpoint": []}),
    ("identity of a study", {"identity__strategy__settings": [None]}),
    ("identity of a study", {"identity__strategy__settings": 3}),
    ("identity of a zoo", {"identity__setup": []}),
    ("identity of a zoo", {"identity__strategy": []}),
]


@pytest.mark.parametrize(("name", "changes"), FOUND, ids=str)
def test_what_was_a_traceback_is_refused(name: str, changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(BY_NAME[name].allowed):
        BY_NAME[name].parse(example(name, **changes), tmp_path)


def test_a_model_whose_damage_sends_its_reader_before_its_beginning_is_damaged(tmp_path: Path) -> None:
    """It was an error of the system, as if the file could not be read."""
    parser = BY_NAME["model"]
    (data,) = parser.examples()
    end = data.rindex(b"PK\x05\x06")  # the last of a ZIP's records, before which it looks for another one
    with pytest.raises(ValueError, match="cannot be read safely"):
        parser.parse(data[end - 3 :], tmp_path)


def test_a_few_inputs_of_every_parser_are_read_or_refused_as_documented() -> None:
    found = tried(1, range(600))
    assert found.problems == []
    assert sum(found.read.values()) + sum(found.refused.values()) == 600
    assert len(set(found.read) | set(found.refused)) > len(PARSERS) / 2


@pytest.mark.parametrize("name", [parser.name for parser in PARSERS])
def test_examples_are_valid(name: str, tmp_path: Path) -> None:
    if name not in ("published table", "supernet"):  # of the former a whole one is large; the latter gets a model's
        for data in BY_NAME[name].examples():
            BY_NAME[name].parse(data, tmp_path) if not name.startswith("rows") else None


def test_a_number_is_an_input() -> None:
    assert [drawn(3, number) for number in range(30)] == [drawn(3, number) for number in range(30)]
    assert len({drawn(3, number)[1] for number in range(30)}) > 20
    assert mutated  # what draws them


def test_the_benchmark_names_what_was_raised_and_how_to_see_it_again(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks._fuzz import parsers

    def broken(text: str) -> None:
        raise KeyError("a")

    assert benchmark("fuzz", "--mutations 3 --first 5")["mutations"] == 3
    monkeypatch.setattr("benchmarks.fuzz.PARSERS", (parsers.Parser(
        name="broken", examples=lambda: [b"x"], parse=lambda data, _: broken(str(data)), weight=1),))  # fmt: skip
    result = benchmark("fuzz", "--mutations 2 --first 7")
    assert result["failed"]
    assert [problem["problem"] for problem in result["problems"]] == ["KeyError: 'a'"] * 2
    assert result["problems"][0]["again"] == "python -m benchmarks fuzz --seed 0 --first 7 --mutations 1"
    with pytest.raises(ValueError, match="at least one mutation"):
        benchmark("fuzz", "--mutations 0")
