"""The command line as a whole: help, version, doctor, exit codes, and what interruption says."""

import errno
import json
import sys
from collections.abc import Iterator

import pytest
import typer

import zoo.commands.doctor
from zoo import __version__
from zoo.cli import app, main


def commands(group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command with its path."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_the_commands_are_these():
    assert {" ".join(path) for path in COMMANDS} == {
        "demo", "predict", "doctor", "zoo sample", "zoo cost", "zoo build", "zoo study", "zoo train",
        "run status", "run resume", "run report", "run export", "run digest",
    }  # fmt: skip


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_lists_and_explains_every_option(thriftnas, path):
    answer = thriftnas(*path, "--help")
    assert (answer.code, answer.err) == (0, "")
    for parameter in COMMANDS[path].params:
        assert parameter.opts[-1] in answer.out
        assert parameter.help, f"{parameter.opts[-1]} has no help"
    assert thriftnas(*path, "-h") == answer


@pytest.mark.parametrize("path", [(), ("zoo",), ("run",)], ids=["root", "zoo", "run"])
def test_a_group_without_a_command_shows_its_help_and_no_error(thriftnas, path):
    answer = thriftnas(*path)
    assert (answer.code, answer.err) == (2, "")
    assert answer.out.strip() == thriftnas(*path, "--help").out.strip()


def test_version(thriftnas):
    assert thriftnas("--version").out == f"thriftnas {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "named", "help_of"),
    [
        (["zoo", "stduy"], "'stduy'", "thriftnas zoo"),
        (["zoo", "study", "--modells", "3"], "--modells", "thriftnas zoo study"),
        (["zoo", "study", "--models", "many"], "--models", "thriftnas zoo study"),
        (["zoo", "cost"], "genotype", "thriftnas zoo cost"),
    ],
)
def test_usage_errors_are_one_line_that_points_to_the_help(thriftnas, arguments, named, help_of):
    answer = thriftnas(*arguments)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith("error: ")
    assert named.lower() in answer.err.lower()
    assert f"see {help_of} --help" in answer.err


def test_doctor_says_what_is_here(thriftnas):
    answer = thriftnas("doctor", "--json")
    assert (answer.code, answer.err) == (0, "")
    state = json.loads(answer.out)
    assert {"versions", "hardware", "device", "ray", "data", "disk"} <= set(state)
    assert state["versions"]["python"] == sys.version.split()[0]
    assert state["versions"]["thriftnas"] == __version__
    assert state["disk"]["free_gb"] > 0
    assert "no running Ray cluster" in state["ray"]


def test_doctor_as_a_table(thriftnas):
    answer = thriftnas("doctor")
    assert answer.code == 0
    assert "--workers" in answer.out or "cuda" in answer.out


def test_doctor_names_a_missing_package_instead_of_failing(thriftnas, monkeypatch):
    monkeypatch.setattr("zoo.launch.PACKAGES", ("thriftnas", "no-such-package"))
    assert json.loads(thriftnas("doctor", "--json").out)["versions"]["no-such-package"] == "not installed"


def test_interruption_says_that_nothing_is_lost(thriftnas, monkeypatch):
    monkeypatch.setattr(zoo.commands.doctor, "about", _raise(KeyboardInterrupt()))
    answer = thriftnas("doctor")
    assert answer.code == 130
    assert "the same command continues it" in answer.err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "error: /x/y: No space left on device\n"),
        (ValueError("two\nlines"), "error: two lines\n"),
    ],
)
def test_what_goes_wrong_is_one_line(thriftnas, monkeypatch, error, line):
    monkeypatch.setattr(zoo.commands.doctor, "about", _raise(error))
    assert thriftnas("doctor") == type(thriftnas("--version"))(2, "", line)


def test_a_bug_is_not_dressed_up_as_bad_input(monkeypatch):
    monkeypatch.setattr(zoo.commands.doctor, "about", _raise(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["doctor"])


def _raise(error: BaseException):
    def fail(*_: object):
        raise error

    return fail
