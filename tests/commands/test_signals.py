"""SIGTERM and Ctrl-C: one line, the exit code of shells, within five seconds, and the run goes on afterwards."""

import signal
import subprocess
import sys
import time

import pytest

from tests.killing import PATIENCE, records, started
from zoo import cli

HANGING = """
import sys
from zoo import cli
from zoo.commands import runs

def status(run, as_json=False):
    import time
    print("begun", flush=True)
    try:
        time.sleep(60)
    finally:
        time.sleep(60)  # as a cluster that does not answer while it is left

runs.status.__code__ = status.__code__
cli.STOP_SECONDS = 0.5
sys.exit(cli.main(["run", "status", "."]))
"""

INSIDE = """
import atexit, sys
from zoo import cli
from zoo.commands import runs

def status(run, as_json=False):
    import os, signal
    exec("os.kill(os.getpid(), signal.SIGTERM)\\nfor _ in range(9): pass")  # as imports of dataclasses run code

runs.status.__code__ = status.__code__
atexit.register(print, "the interpreter was torn down")
sys.argv[1:] = ["run", "status", "."]
sys.exit(cli.main())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_is_stopped_by_a_signal_in_one_line_and_goes_on(
    thriftnas, study, tmp_path, digest, finished, number, code
):
    run, log = tmp_path / "run", tmp_path / "log"
    with started([*study, "--out", str(run)], log) as process:
        deadline = time.monotonic() + PATIENCE
        while records(run) < 2 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        began = time.monotonic()
        assert process.wait(60) == code, log.read_text()
        assert time.monotonic() - began < 5 * 3, "five seconds, on a machine that nobody else uses"
    assert log.read_text().splitlines()[-1] == cli.STOPPED
    assert "Traceback" not in log.read_text()
    assert thriftnas(*study, "--out", run).code == 0
    assert digest(run) == digest(finished)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_does_not_let_go_is_left(number, code):
    program = [sys.executable, "-c", HANGING]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        assert process.wait(30) == code
        assert process.stderr.read() == cli.STOPPED + "\n"


def test_the_exit_code_is_right_wherever_a_signal_comes_and_nothing_is_waited_for():
    """Python ends by SIGINT, whatever was caught, where the signal came inside of code that ``exec`` ran."""
    found = subprocess.run([sys.executable, "-c", INSIDE], capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (143, "", cli.STOPPED + "\n")


def test_signals_are_what_they_were_after_a_command(thriftnas, tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    thriftnas("run", "status", tmp_path)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
