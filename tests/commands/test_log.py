"""Events of a command, one line each."""

import logging
import re

import pytest

from zoo.event_log import VARIABLE, events_logged, split_level
from zoo.population.journal import Journal

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 (debug|info|warning|error) \S.*")


def test_every_event_of_a_run_is_a_line_and_its_journal_knows_nothing_of_it(thriftnas, build, tmp_path):
    build += ["--data", "digits", "--workers", "1", "--quiet"]
    plain = thriftnas(*build, "--out", tmp_path / "plain")
    logged = thriftnas("--log-level", "info", *build, "--out", tmp_path / "logged")
    assert (plain.code, logged.code) == (0, 0), plain.err + logged.err
    lines = [line for line in logged.err.splitlines() if line not in plain.err.splitlines()]
    assert lines
    assert all(LINE.fullmatch(line) for line in lines), lines
    words = [line.split(maxsplit=2)[2] for line in lines]
    assert words[0].startswith(f"run {tmp_path / 'logged'} begins: zoo")
    assert [word.split()[1] for word in words if word.startswith("trial ")] == ["0", "1"]
    assert "accuracy=0" in next(word for word in words if word.startswith("trial 0"))
    assert words[-1] == f"run {tmp_path / 'logged'} is finished"
    journals = [Journal.open(tmp_path / name, readonly=True) for name in ("plain", "logged")]
    assert len({journal.digest() for journal in journals}) == 1
    commands = [str(journal.get("command")).replace("logged", "plain") for journal in journals]
    assert commands[0] == commands[1]


@pytest.mark.parametrize("words", [["--log-level", "loud"], ["--log-level=loud"], ["--log-level"]])
def test_a_level_that_does_not_exist_is_one_line(thriftnas, words):
    answer = thriftnas(*words, *(["zoo", "sample"] if words != ["--log-level"] else []))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert "debug, info, warning, error" in answer.err


def test_the_level_is_taken_from_the_environment_where_the_command_names_none():
    assert split_level(["zoo", "sample"], {VARIABLE: "debug"}) == (["zoo", "sample"], "debug")
    assert split_level(["--log-level", "error", "zoo"], {VARIABLE: "debug"}) == (["zoo"], "error")
    assert split_level(["zoo", "--log-level", "error"], {}) == (["zoo", "--log-level", "error"], "")


def test_a_line_stays_one_whatever_it_holds_and_afterwards_nothing_is_logged(capsys):
    log = logging.getLogger("thriftnas")
    with events_logged("info"):
        log.info("a \x1b[31mname\n2026 error of\u202e someone")
        log.debug("not this")
    log.info("nor this")
    (line,) = capsys.readouterr().err.splitlines()
    assert LINE.fullmatch(line)
    assert line.endswith(" info a ?[31mname 2026 error of? someone")
