"""The command line as a whole: help, version, doctor, exit codes, and what interruption says."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer

import zoo.experiments.calibration
import zoo.experiments.machine
from zoo import __version__
from zoo.cli import app, main
from zoo.experiments.calibration import Placed


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
        "demo", "predict", "doctor", "zoo sample", "zoo cost", "zoo analyse", "zoo build", "zoo study", "zoo train",
        "zoo profile",
        "run status", "run list", "run resume", "run retry", "run report", "run digest", "run gc",
        "run export", "run watch",
        "econas search", "darts search", "darts report",
        "scarlet train", "scarlet search", "scarlet extract", "scarlet similarity",
    }  # fmt: skip


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_lists_and_explains_every_option(thriftnas, path):
    answer = thriftnas(*path, "--help")
    assert (answer.code, answer.err) == (0, "")
    for parameter in COMMANDS[path].params:
        assert parameter.opts[-1] in answer.out
        assert parameter.help, f"{parameter.opts[-1]} has no help"
    assert thriftnas(*path, "-h") == answer


@pytest.mark.parametrize(
    "path",
    [(), ("zoo",), ("run",), ("econas",), ("scarlet",), ("darts",)],
    ids=["root", "zoo", "run", "econas", "scarlet", "darts"],
)
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "zoo study --setting c2r0s0e3 --data digits --setting=c4r0s0e3",
            "--setting takes one value, got c2r0s0e3 and",
        ),
        ("run export there --count 2 --models 3", "--models takes one value, got 2 and 3"),
        ("zoo build --cutout --no-cutout", "--cutout takes one value, got --cutout and --no-cutout"),
        ("scarlet train --preset tiny --preset paper", "--preset takes one value, got tiny and paper"),
    ],
)
def test_an_option_that_counts_once_is_not_taken_twice(words, said, capsys):
    assert main(words.split()) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: {said}")


@pytest.mark.parametrize(
    "words",
    [
        "run export there --limit macs<=1 --limit params<=1",
        "run export there --models 3 --models 3",
        "run export there --out --models --models 3",  # an odd folder's name
        "scarlet train --preset tiny --epochs 3",
        "zoo stduy --models 3 --models 4",
    ],
)
def test_what_may_be_repeated_or_says_the_same_is_not_refused(words, capsys):
    assert main(words.split() if "preset" not in words else [*words.split(), "--dry-run", "--bad"]) == 2
    assert "takes one value" not in capsys.readouterr().err


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


@pytest.fixture
def calibrated(monkeypatch):
    """A machine where asking for eight workers gives two, which reach 84 % of the best."""
    tried = [
        Placed(workers=workers, ran=min(workers, 2), gpus=0.0, threads=1, group=8, epochs_per_hour=rate)
        for workers, rate in ((1, 1000.0), (2, 2500.0), (8, 2100.0))
    ]
    monkeypatch.setattr(zoo.experiments.calibration, "calibrate", lambda *_, **__: tried)


def test_doctor_calibrates(thriftnas, calibrated):
    answer = thriftnas("doctor", "--calibrate")
    assert (answer.code, answer.err) == (0, "")
    assert "use --workers 2 --threads 1 --group 8; threads and group are part of a run" in answer.out
    assert "asked for 8 workers: 2 run, with 0.84 of the best, less than 0.9" in answer.out
    state = json.loads(thriftnas("doctor", "--calibrate", "--json").out)
    assert (len(state["placements"]), state["recommended"]["workers"]) == (2, 2)
    assert state["too_many"]["share"] == 0.84


def test_too_many_workers_are_said_in_one_line(thriftnas, monkeypatch, study):
    monkeypatch.setattr("zoo.experiments.resources.usable_cores", lambda: 1)
    answer = thriftnas(*study, "--workers", 8, "--dry-run")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("1 of 8 workers: this machine has 1 core\n")


def test_doctor_names_a_missing_package_instead_of_failing(thriftnas, monkeypatch):
    monkeypatch.setattr("zoo.experiments.machine.PACKAGES", ("thriftnas", "no-such-package"))
    assert json.loads(thriftnas("doctor", "--json").out)["versions"]["no-such-package"] == "not installed"


def test_interruption_says_that_nothing_is_lost(thriftnas, monkeypatch):
    monkeypatch.setattr(zoo.experiments.machine, "about", _raise(KeyboardInterrupt()))
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
    monkeypatch.setattr(zoo.experiments.machine, "about", _raise(error))
    assert thriftnas("doctor") == type(thriftnas("--version"))(2, "", line)


def test_a_bug_is_not_dressed_up_as_bad_input(monkeypatch):
    monkeypatch.setattr(zoo.experiments.machine, "about", _raise(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["doctor"])


def _raise(error: BaseException):
    def fail(*_: object):
        raise error

    return fail


def test_a_search_that_cannot_be_loaded_takes_nothing_else_down(tmp_path):
    """A stranger's package with a broken command: its own command says why, the others work."""
    info = tmp_path / "stranger-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[thriftnas.commands]\nstrange = no_such_package:app\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])

    def run(*arguments):
        command = [sys.executable, "-m", "zoo.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})

    assert run("--version").returncode == 0
    answer = run("strange")
    assert answer.returncode == 2
    assert "the search 'strange' cannot be loaded: ModuleNotFoundError" in answer.stderr


TORCHLESS = """
import sys
from zoo.cli import main
assert main(sys.argv[1:]) == 0
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize(
    "arguments",
    [["run", "status", "--help"], ["zoo", "cost", "DARTS_V2"], ["zoo", "sample"], ["--version"]],
    ids=" ".join,
)
def test_what_only_reads_starts_without_torch(arguments):
    answer = subprocess.run([sys.executable, "-c", TORCHLESS, *arguments], capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout


HELPFUL = """
import io, sys
from contextlib import redirect_stdout
from zoo.cli import main
for words in sys.argv[1:]:
    with redirect_stdout(io.StringIO()):
        assert main([*words.split(), "--help"]) == 0, words
    print(words, sorted({"torch", "torchvision", "ray", "pandas"} & set(sys.modules)))
"""


def test_no_help_waits_for_torch_ray_or_pandas():
    words = [" ".join(path) for path in COMMANDS]
    answer = subprocess.run([sys.executable, "-c", HELPFUL, *words], capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.splitlines() == [f"{command} []" for command in words]


def test_a_run_is_read_without_torch(built):
    command = [sys.executable, "-c", TORCHLESS, "run", "status", str(built)]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""
