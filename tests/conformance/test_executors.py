import numpy as np
import pytest

from zoo.population import (
    Job,
    Journal,
    Manager,
    ProxySetting,
    RandomSearch,
    Record,
    SerialExecutor,
    Trial,
    WeightStore,
)
from zoo.spaces import DARTS

GENOTYPE = DARTS.sample(np.random.default_rng(0))
PAYLOAD = {"numbers": np.arange(5.0), "name": "payload"}


def make_factory():
    # Nested, so that it is sent to other processes by value: they cannot import a test.
    def factory(payload):
        def run(job):
            trial = job.trial
            metrics = {"accuracy": trial.index / 100, "sum": float(payload["numbers"].sum())}
            weights = (job.checkpoint or b"new")[::-1] if trial.keep else None
            notes = {"seen": dict(trial.tags)}
            return Record(index=trial.index, ok=True, metrics=metrics, epochs_paid=1, notes=notes), weights

        def evaluator(jobs):
            if any(job.trial.role == "raise" for job in jobs):
                raise ValueError("no such thing\nand more")
            return [run(job) for job in jobs]

        return evaluator

    return factory


def jobs(*indices, checkpoint=None, **fields):
    setting = ProxySetting(0, 0, 0, 2)
    trials = [Trial(index=i, genotype=GENOTYPE, setting=setting, start=0, stop=1, **fields) for i in indices]
    return [Job(trial, trial.index, checkpoint) for trial in trials]


@pytest.fixture(scope="module")
def executor(start):
    made = start(make_factory(), PAYLOAD)
    yield made
    made.close()


def collect(executor, count):
    """Outcomes until there are ``count``; the executor has no more then."""
    outcomes = []
    while len(outcomes) < count:
        part = executor.collect()
        assert part
        outcomes += part
    assert len(outcomes) == count
    return outcomes


def test_tags_go_to_the_worker_and_notes_come_back(executor):
    tags = {"generation": 7, "path": [1, None, {"deep": True}]}
    executor.submit(jobs(3, tags=tags))
    ((record, _),) = collect(executor, 1)
    assert record.notes == {"seen": tags}


def test_free_counts_down_with_every_batch_and_up_again(executor):
    free = executor.free
    assert free >= 1
    for i in range(free):
        assert executor.free == free - i
        executor.submit(jobs(i))
    assert executor.free == 0
    with pytest.raises(RuntimeError, match="no worker is free"):
        executor.submit(jobs(99))
    collect(executor, free)
    assert executor.free == free


def test_every_job_has_one_outcome_with_its_index_batch_and_attempt(executor):
    waiting = [jobs(*range(first, first + 3)) for first in range(0, 30, 3)]
    outcomes = []
    while len(outcomes) < 30:
        while waiting and executor.free:
            executor.submit(waiting.pop())
        outcomes += executor.collect()
    assert sorted(record.index for record, _ in outcomes) == list(range(30))
    for record, weights in outcomes:
        assert (record.batch, record.attempt, record.ok) == (record.index // 3 * 3, 1, True)
        assert record.metrics == {"accuracy": record.index / 100, "sum": 10.0}
        assert record.host
        assert weights is None


def test_a_batch_comes_back_whole(executor):
    executor.submit(jobs(4, 5, 6))
    assert sorted(record.index for record, _ in executor.collect()) == [4, 5, 6]


def test_an_exception_is_a_record_and_the_worker_goes_on(executor):
    free = executor.free
    executor.submit(jobs(7, 8, role="raise"))
    outcomes = collect(executor, 2)
    assert sorted(record.index for record, _ in outcomes) == [7, 8]
    for record, weights in outcomes:
        assert (record.ok, record.reason, record.batch) == (False, "ValueError: no such thing", 7)
        assert (record.attempt, weights) == (1, None)
    assert executor.free == free
    for i in range(free):
        executor.submit(jobs(i))
    assert all(record.ok for record, _ in collect(executor, free))


@pytest.mark.parametrize("weights", [b"abc", b"", bytes(range(256)) * 2000])
def test_weights_travel_as_bytes_both_ways(executor, weights):
    executor.submit(jobs(3, keep=True, checkpoint=weights))
    ((record, returned),) = executor.collect()
    assert record.checkpoint is None
    assert type(returned) is bytes
    assert returned == (weights or b"new")[::-1]


def test_a_run_ends_with_the_journal_that_every_executor_gives(executor, tmp_path):
    digests = set()
    for name, other in (("this", executor), ("serial", SerialExecutor(make_factory()(PAYLOAD)))):
        journal = Journal.memory({})
        strategy = RandomSearch(DARTS, ProxySetting(0, 0, 0, 1), 9, seed=0)
        assert Manager(strategy, journal, WeightStore(tmp_path / name), 2).run(other)
        assert journal.counts() == {"trials": 9, "done": 9, "failed": 0, "pending": 0}
        digests.add(journal.digest())
    assert len(digests) == 1


def test_closing_twice_is_closing_once(start):
    other = start(make_factory(), PAYLOAD)
    other.submit(jobs(0))
    other.close()
    other.close()
