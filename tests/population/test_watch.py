"""The watch: steps inside of batches are heard, and a batch that would outlast the run's time and grace is ended."""

from types import SimpleNamespace

import pytest

from tests.population import crew as crews
from tests.population.crew import SETTING, Crew, jobs
from zoo.population import Journal, Manager, RandomSearch, Record, SerialExecutor
from zoo.population import watch as watches
from zoo.population.faults import OutOfTime
from zoo.population.patience import Patience
from zoo.population.pool import Pool, Report
from zoo.population.steps import heard, stepped, stretch
from zoo.population.watch import Watch
from zoo.spaces import DARTS

SECONDS = 10.0
"""Of a step."""


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(now=0.0)
    monkeypatch.setattr(watches, "time", SimpleNamespace(monotonic=lambda: now.now))
    return now


@pytest.fixture
def slow(clock):
    """An evaluator whose every batch is ten steps of ten seconds."""

    def evaluate(batch):
        for number in range(10):
            clock.now += SECONDS
            stepped(number + 1, 10)
        return [(Record(index=job.trial.index, ok=True, metrics={"accuracy": 0.5}), None) for job in batch]

    return evaluate


def test_shares_of_stretches_grow_to_one():
    shares = []
    stepped(1, 2)  # nobody hears
    with heard(shares.append):
        for number in range(2):
            with stretch(number, 2):
                for step in range(3):
                    stepped(step + 1, 3)
    stepped(1, 2)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert [round(share, 3) for share in shares] == [0.167, 0.333, 0.5, 0.5, 0.667, 0.833, 1.0, 1.0]


def test_a_batch_that_would_outlast_the_grace_is_ended_at_once(clock, slow):
    said, told = [], []
    executor = SerialExecutor(slow, Watch(Patience(ends=25.0, grace=60.0), told.append, said.append))
    executor.submit(jobs(0))
    with pytest.raises(OutOfTime):
        executor.collect()
    assert clock.now == 30.0, "70 s more would end after 85 s"
    assert [share for ((_, share),) in told] == [0.1, 0.2, 0.3]
    assert said == [
        "Time is over: the running batch has taken 30 s and takes about 70 s more; it is ended, and begins again when "
        "the run goes on; smaller batches, or --every where a command has it, lose less."
    ]


def test_a_batch_that_is_done_within_the_grace_is_waited_for_and_said_with_its_seconds(clock, slow):
    said = []
    executor = SerialExecutor(slow, Watch(Patience(ends=75.0, grace=60.0), say=said.append))
    executor.submit(jobs(0))
    assert [record.ok for record, _ in executor.collect()] == [True]
    assert said == ["Time is over: the running batch has taken 80 s and takes about 20 s more."]


def test_who_hears_of_steps_and_fails_ends_the_run_and_fails_no_trial(slow):
    def broken(batches):
        raise LookupError("nobody listens")

    executor = SerialExecutor(slow, Watch(running=broken))
    executor.submit(jobs(0))
    with pytest.raises(LookupError, match="nobody listens"):
        executor.collect()


def test_a_batch_that_several_processes_train_is_not_ended_by_one_of_them(clock, slow):
    said = []
    watch = Watch(Patience(ends=25.0, grace=0.0), say=said.append)
    with watch.of(jobs(0), may_end=False):
        slow(jobs(0))
    assert said == ["Time is over: the running batch has taken 30 s; it takes about 70 s more."]


def test_a_manager_leaves_what_was_ended_pending(clock, slow):
    journal = Journal.memory({})

    def run(ends):
        search = RandomSearch(DARTS, SETTING, 2, seed=0, keep=False)
        return Manager(search, journal).run(SerialExecutor(slow, Watch(Patience(ends=ends, grace=0.0))))

    assert not run(clock.now + 150)
    assert (journal.counts()["done"], journal.counts()["pending"]) == (1, 1)
    assert run(None)
    assert journal.counts()["done"] == 2


class Half(Crew):
    """Workers that say nothing of themselves but the second, which has done a quarter."""

    def poll(self, seconds):
        return super().poll(seconds) or [Report(worker=2, share=0.25)]


def test_workers_elsewhere_are_heard_by_their_shares(monkeypatch):
    said, told = [], []
    passing = crews.Clock(monkeypatch)
    monkeypatch.setattr(watches, "time", SimpleNamespace(monotonic=lambda: passing.now))
    crew = Half(passing, first=2)
    crew.happens["first"] = "hangs"
    patience = Patience(ends=5.0, grace=20.0)
    pool = Pool(crew, 2, patience, watch=Watch(patience, told.append, said.append))
    pool.submit(jobs(0))
    pool.submit(jobs(1))
    with pytest.raises(OutOfTime):
        pool.collect()
    assert [share for _, share in told[-1]] == [0.0, 0.25]
    assert said == ["Time is over: the longest of 2 running batches has taken 5 s; it takes about 15 s more."]


def test_workers_elsewhere_are_known_by_the_clock_once_one_was_timed(monkeypatch):
    told, passing = [], crews.Clock(monkeypatch)
    crew = Crew(passing, first=1)
    crew.happens["first"] = "hangs"
    patience = Patience(ends=5.0, grace=0.0)
    patience.learn(jobs(0), 10.0)
    pool = Pool(crew, 1, patience, watch=Watch(patience, told.append))
    pool.submit(jobs(1))
    with pytest.raises(OutOfTime):
        pool.collect()
    shares = [share for ((_, share),) in told]
    assert shares[:3] == [0.0, 0.1, 0.2]
    assert max(shares) < 1
