"""A study whose process is killed outright, started again until it ends: nothing is lost, nothing differs."""

import random
import time
from pathlib import Path

import pytest

from tests.killing import finish, kill_at, kill_often, records, started


def moments(seed: int) -> list[tuple[int, float]]:
    """Three moments within the 18 trainings of the tiny study."""
    rng = random.Random(seed)
    return [(rng.randint(low, low + 3), rng.uniform(0, 0.05)) for low in (1, 6, 11)]


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_study_killed_ends_with_the_undisturbed_digest(
    thriftnas, study, finished, tmp_path, digest, times, without_drawing
):
    run, log = tmp_path / "run", tmp_path / "log"
    arguments = [*study, "--out", str(run)]
    kill_often(arguments, run, log, moments(seed=1)[-times:])
    assert digest(run) != digest(finished)
    assert thriftnas(*arguments).code == 0
    assert digest(run) == digest(finished)
    assert (run / "report.html").exists()


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_same_digest(study, finished, tmp_path, digest, workers):
    finish([*study, "--workers", str(workers), "--out", str(tmp_path / "run")], tmp_path / "log")
    assert digest(tmp_path / "run") == digest(finished)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_workers_of_a_killed_study_go_away_and_the_digest_is_the_same(study, finished, tmp_path, digest):
    run, log = tmp_path / "run", tmp_path / "log"
    arguments = [*study, "--workers", "2", "--out", str(run)]
    for count, delay in moments(seed=2):
        with started(arguments, log) as process:
            while records(run) < count and process.poll() is None:
                time.sleep(0.05)
            family = descendants(process.pid)
            assert family, "there are no workers"
            kill_at(process, run, count, delay)
        assert not remaining(family, seconds=120)
    finish(arguments, log)
    assert digest(run) == digest(finished)


def descendants(pid: int) -> dict[int, str]:
    """Every process below ``pid`` with the time it started, which tells it from a later one of the same number."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = (int(fields[1]), fields[19])
    found: dict[int, str] = {}
    front = [pid]
    while front:
        front = [child for child, (parent, _) in parents.items() if parent in front]
        found.update((child, parents[child][1]) for child in front)
    return found


def remaining(family: dict[int, str], seconds: float) -> list[int]:
    """Which of them are still there after at most so long."""
    deadline = time.monotonic() + seconds
    while True:
        left = [pid for pid, began in family.items() if (fields := _stat(pid)) and fields[19] == began]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.5)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (the state) on; None where the process is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields
