"""The command line as a process of its own, killed outright at a moment of its journal, and run to its end."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

PATIENCE = 240  # seconds for one step of a child; only a hang takes as long


@contextmanager
def started(arguments: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command line as a process of its own, which does not outlive the test."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "zoo.cli", *arguments], stdout=file, stderr=file, env=environment
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def records(run: Path) -> int:
    """How many trials are done in the journal; none where there is no journal yet."""
    if not (run / "journal.sqlite").exists():
        return 0
    with closing(sqlite3.connect(f"{(run / 'journal.sqlite').as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT COUNT(*) FROM records").fetchone()[0])


def kill_at(process: subprocess.Popen[bytes], run: Path, count: int, delay: float) -> None:
    """SIGKILL ``delay`` seconds after the journal has ``count`` records."""
    deadline = time.monotonic() + PATIENCE
    while records(run) < count and process.poll() is None:
        assert time.monotonic() < deadline, "the command hangs"
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"


def kill_often(arguments: Sequence[str], run: Path, log: Path, moments: Sequence[tuple[int, float]]) -> None:
    """Start the command once per moment (records, delay in seconds) and kill it there."""
    for count, delay in moments:
        with started(arguments, log) as process:
            kill_at(process, run, count, delay)


def finish(arguments: Sequence[str], log: Path) -> None:
    """Run the command to its end, which must be a good one."""
    with started(arguments, log) as process:
        assert process.wait(PATIENCE) == 0, log.read_text()
