"""Runs under simulated faults: none breaks a promise, and the faults of before are found when they are put back."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count, islice
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from benchmarks._simulation.database import watched
from benchmarks._simulation.disk import Disk
from benchmarks._simulation.schedule import drawn, simulate
from benchmarks._simulation.searches import SEARCHES
from tests.benchmarks.conftest import Benchmark
from zoo import files
from zoo.population import Journal, Manager, Outcome, ProxySetting, Record, Trial, weights
from zoo.population.executor import failures
from zoo.population.patience import Patience
from zoo.population.pool import Pool, Report
from zoo.spaces import DARTS

Fault = Callable[[], AbstractContextManager[None]]

CHEAP = ("chain", "chains", "zoo", "study")
MOST = 400
"""Schedules within which every fault that is put back must be found."""


def cheap_seeds(most: int, names: tuple[str, ...] = CHEAP) -> Iterator[int]:
    return islice((seed for seed in count() if drawn(seed)[1].name in names), most)


def test_200_schedules_keep_every_promise() -> None:
    verdicts = [simulate(seed) for seed in cheap_seeds(200)]
    assert [one for one in verdicts if one.problem] == []
    assert sum(len(one.ends) for one in verdicts) > 200
    assert {end for one in verdicts for end in one.ends} >= {"power cut", "kill", "full disk", "time", "Ctrl-C"}


@pytest.mark.parametrize("seed", [6769, 8647])
def test_ctrl_c_after_a_checkpoint_tears_no_database_in_a_later_power_cut(seed: int) -> None:
    assert simulate(seed).problem == ""


@pytest.mark.slow
def test_a_schedule_of_every_search_keeps_every_promise() -> None:
    for search in SEARCHES:
        for seed in range(6):
            assert simulate(seed, search).problem == ""


def test_a_seed_is_a_schedule() -> None:
    for seed in cheap_seeds(3):
        assert simulate(seed) == simulate(seed)


def test_the_benchmark_has_a_row_per_search_and_names_what_replays_a_problem(benchmark: Benchmark) -> None:
    (seed,) = cheap_seeds(1)
    result = benchmark("simulation", f"--seed {seed} --schedules 1")
    (row,) = result["rows"]
    assert (row["schedules"], row["problems"], result["failed"], result["problems"]) == (1, 0, False, [])
    with infrastructure_errors_are_results():
        found = next(seed for seed in cheap_seeds(MOST) if simulate(seed).problem)
        result = benchmark("simulation", f"--seed {found} --schedules 1")
    assert result["failed"]
    assert "--schedules 1" in result["problems"][0]["again"]


def test_records_that_were_waited_for_outlive_a_power_cut_whoever_reads_the_journal(tmp_path: Path) -> None:
    """A reader that began right after a checkpoint: SQLite then writes no checkpoint, and syncs nothing."""
    disk, draw = Disk(tmp_path), np.random.default_rng(0)
    genotype, setting = DARTS.sample(draw), ProxySetting(0, 0, 0, 1)
    with disk.watching(), watched(disk, 1000):
        journal = Journal.create(tmp_path / "run", {})
        for index in range(4):
            journal.append_ask(1, [Trial(index=index, genotype=genotype, setting=setting, start=0, stop=1)])
            journal.append_tell([Record(index=index, ok=True)], synced=index == 0)
            if index == 0:
                journal._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
                reader = sqlite3.connect(f"file:{tmp_path}/run/journal.sqlite?mode=ro", uri=True)
                reader.execute("BEGIN")
                reader.execute("SELECT COUNT(*) FROM events").fetchone()
        journal.sync()
        for copy in range(5):
            left = tmp_path.with_name(f"{tmp_path.name} {copy}")
            disk.without_power(left, draw)
            again = Journal.open(left / "run", readonly=True)
            assert len(again.records()) == 4
            again.close()
        reader.close()
        journal.close()


# ---------------------------------------------------------------- faults of before, put back


@contextmanager
def infrastructure_errors_are_results() -> Iterator[None]:
    """A batch whose worker is lost is written off."""
    hear = Pool._hear

    def written_off(self: Pool, report: Report) -> list[Outcome]:
        batch = self._running.get(report.worker) if report.fault else None
        found = hear(self, report)
        if batch is not None and batch in self._waiting:
            self._waiting.remove(batch)
            return failures(batch.jobs, "the worker died 3 times")
        return found

    with mock.patch.object(Pool, "_hear", written_off):
        yield


@contextmanager
def commits_do_not_wait_and_old_weights_go_at_once() -> Iterator[None]:
    """The journal is not synced; weights are forgotten with the first record that no longer needs them."""
    appending, forget = Journal._appending, Manager._forget

    def at_once(self: Manager) -> None:
        forget(self)
        self.forget_older()

    with (
        mock.patch.object(Journal, "_appending", lambda self, *, synced: appending(self, synced=False)),
        mock.patch.object(Journal, "sync"),
        mock.patch.object(Manager, "_forget", at_once),
    ):
        yield


@contextmanager
def names_of_weights_do_not_wait() -> Iterator[None]:
    """Weights are synced, the folder that has their names is not."""
    with mock.patch.object(files, "sync_folder"), mock.patch.object(weights, "sync_folder"):
        yield


@contextmanager
def a_batch_is_sent_again_to_the_worker_that_replaces_the_lost_one() -> Iterator[None]:
    """Which may never find room, while others are ready."""
    lose, give, bound = Pool._lose, Pool._give, {}

    def tied(self: Pool, report: Report) -> None:
        batch = self._running.get(report.worker)
        lose(self, report)
        bound[batch] = max(self._starting)

    def only_to_it(self: Pool) -> None:
        held = [batch for batch in self._waiting if bound.get(batch) in self._starting]
        for batch in held:
            self._waiting.remove(batch)
        give(self)
        self._waiting.extend(held)

    with mock.patch.object(Pool, "_lose", tied), mock.patch.object(Pool, "_give", only_to_it):
        yield


@contextmanager
def a_worker_is_waited_for_without_an_end() -> Iterator[None]:
    with mock.patch.object(Patience, "limit", return_value=float("inf")):
        yield


FAULTS = [
    (infrastructure_errors_are_results, "the digest is another"),
    (commits_do_not_wait_and_old_weights_go_at_once, "was told and is lost"),
    (names_of_weights_do_not_wait, "trained again though nothing was damaged"),
    (a_batch_is_sent_again_to_the_worker_that_replaces_the_lost_one, "without an end"),
    (a_worker_is_waited_for_without_an_end, "without an end"),
]


@pytest.mark.parametrize(("fault", "said"), FAULTS)
def test_a_fault_of_before_is_found(fault: Fault, said: str) -> None:
    with fault():
        problems = (simulate(seed).problem for seed in cheap_seeds(MOST))
        assert any(said in problem for problem in problems)
