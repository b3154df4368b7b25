"""A search whose process is killed outright, started again until it ends: the same digest as one left alone."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from zoo.population import Journal

PATIENCE = 240  # seconds for one step of a child; only a hang takes as long
SEARCH = [
    "darts", "search", "--data", "digits", "--resolution", "8", "--train", "120", "--val", "60", "--channels", "2",
    "--layers", "3", "--nodes", "5", "--topology", "stretchable", "--epochs", "3", "--batch", "20", "--every", "1",
    "--final-layers", "3", "--final-channels", "4", "--retrain", "1", "--retrain-epochs", "2",
]  # fmt: skip


def start(out: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "zoo.cli", *SEARCH, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def records(run: Path) -> int:
    if not (run / "journal.sqlite").exists():
        return 0
    with closing(sqlite3.connect(f"{(run / 'journal.sqlite').as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT COUNT(*) FROM records").fetchone()[0])


def digest(run: Path) -> str:
    with closing(Journal.open(run, readonly=True)) as journal:
        return journal.digest()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_search_killed_three_times_ends_with_the_undisturbed_digest(tmp_path):
    whole, run, rng = tmp_path / "whole", tmp_path / "run", random.Random(1)
    assert start(whole).wait(PATIENCE) == 0
    for count in (2, 5, 8):
        process = start(run)
        deadline = time.monotonic() + PATIENCE
        while records(run) < count and process.poll() is None:
            assert time.monotonic() < deadline, "the search hangs"
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    assert digest(run) != digest(whole)
    assert start(run).wait(PATIENCE) == 0
    assert digest(run) == digest(whole)
    assert (run / "model.pt").exists()
