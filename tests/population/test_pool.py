"""The pool of workers without Ray: who gets which batch, what faults become, and that every wait ends."""

import pytest

from tests.population.crew import SETTING, Clock, Crew, answer, jobs, searched
from zoo.population import Journal, Manager, RandomSearch
from zoo.population import patience as waiting
from zoo.population.faults import MachineFault, OutOfTime
from zoo.population.patience import Patience
from zoo.population.pool import Pool, Report
from zoo.spaces import DARTS


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_a_node_that_kills_its_workers_is_left_out_and_no_trial_fails(clock):
    crew, said = Crew(clock, bad=2, good=2), []
    crew.happens["bad"] = "killed for want of memory on its node"
    finished, journal = searched(Pool(crew, 4, report=said.append))
    assert finished
    assert journal.counts() == {"trials": 12, "done": 12, "failed": 0, "pending": 0}
    assert sum(node == "bad" for node, *_ in crew.sent) <= 4
    assert [line for line in said if "is left out" in line] == [
        "bad is left out from now on: killed for want of memory on its node"
    ]
    assert "sent again" in said[0]


@pytest.mark.parametrize("why", ["it cannot start: ModuleNotFoundError: No module named 'zoo'", "it has other torch"])
def test_a_node_without_the_package_or_with_another_version_gets_no_batch(clock, why):
    crew, said = Crew(clock, bad=9, good=1), []
    crew.happens["bad"] = f"start: {why}"
    finished, journal = searched(Pool(crew, 3, report=said.append), 4)
    assert finished
    assert journal.counts()["failed"] == 0
    assert {node for node, *_ in crew.sent} == {"good"}
    assert crew.count <= 8
    assert any(why in line for line in said)


def test_where_every_worker_dies_the_run_stops_with_one_line_and_no_result(clock):
    crew, said = Crew(clock, only=2), []
    crew.happens["only"] = "its process ended with exit code 1"
    pool = Pool(crew, 2, report=said.append)
    with pytest.raises(MachineFault, match="in vain: its process ended with exit code 1") as fault:
        searched(pool)
    assert "\n" not in str(fault.value)
    assert len(crew.sent) <= 6
    crew.happens.clear()


def test_where_no_worker_can_start_the_run_stops(clock):
    crew = Crew(clock, only=2)
    crew.happens["only"] = "start: it cannot start: ImportError: no payload"
    with pytest.raises(MachineFault, match="5 workers were lost in a row: it cannot start: ImportError: no payload"):
        searched(Pool(crew, 2, report=lambda _: None))
    assert crew.sent == []


def test_a_batch_that_kills_every_worker_stops_the_run_though_others_come_back(clock):
    crew = Crew(clock, one=2, two=2)
    deadly = lambda batch: "its process ended" if batch[0].trial.index == 5 else "ok"  # noqa: E731
    crew.happens = {"one": deadly, "two": deadly}
    with pytest.raises(MachineFault, match=r"the batch of trial 5 was sent 3 times in vain.*retry RUN --without 5"):
        searched(Pool(crew, 4, report=lambda _: None), 30)
    assert sum(numbers == [5] for _, numbers, _ in crew.sent) == 3


@pytest.mark.parametrize("deadly", [{5}, {4, 7}])
def test_of_a_batch_that_kills_every_worker_its_trials_are_tried_one_by_one_and_the_causes_named(clock, deadly):
    crew, said = Crew(clock, one=2, two=2), []
    dies = lambda batch: "its process ended" if {j.trial.index for j in batch} & deadly else "ok"  # noqa: E731
    crew.happens = {"one": dies, "two": dies}
    journal = Journal.memory({})
    manager = Manager(RandomSearch(DARTS, SETTING, 30, seed=0, keep=False), journal, batch=4)
    with pytest.raises(MachineFault, match="the batch of trial 4 was sent 3 times in vain: its process ended") as fault:
        manager.run(Pool(crew, 4, report=said.append))
    trials = journal.trials()
    for index in range(4, 8):
        named = f"trial {index} (genotype {trials[index].genotype.key})" in str(fault.value)
        assert named == (index in deadly)
    options = " ".join(f"--without {index}" for index in sorted(deadly))
    assert f"`thriftnas run retry RUN {options}` goes on without" in str(fault.value)
    assert "\n" not in str(fault.value)
    assert any("tried one by one" in line for line in said)
    assert not set(range(4, 8)) & set(journal.records()), "what was only tried is no result"


def test_where_every_trial_of_a_batch_fails_alone_too_none_is_named(clock):
    """Their machine is the cause: another node has come back with other batches."""
    crew = Crew(clock, one=2, two=2)
    fails = lambda batch: "CUDA error" if batch[0].trial.index in range(4, 8) else "ok"  # noqa: E731
    crew.happens = {"one": fails, "two": fails}
    with pytest.raises(MachineFault) as fault:
        Manager(RandomSearch(DARTS, SETTING, 400, seed=0, keep=False), Journal.memory({}), batch=4).run(
            Pool(crew, 4, report=lambda _: None)
        )
    assert "--without" not in str(fault.value)


def test_a_node_that_was_left_out_is_used_again_where_the_others_are_lost(clock):
    crew, said = Crew(clock, bad=2, good=2), []
    crew.happens["bad"] = "its process ended"
    pool = Pool(crew, 4, report=said.append)
    searched(pool)
    assert pool._left_out == {"bad"}
    crew.happens.clear()
    del crew.places["good"]
    for worker in [one for one, node in crew.where.items() if node == "good"]:
        del crew.where[worker]
        pool._hear(Report(worker=worker, node="good", fault="its node is lost", gone=True))
    pool.submit(jobs(99))
    assert [record.index for record, _ in pool.collect()] == [99]
    assert "bad may be used again: there are no others" in said


@pytest.mark.parametrize("when", ["at once", "during the next batch"])
def test_outcomes_that_come_twice_are_told_once(clock, when):
    crew = Crew(clock, only=1)
    pool = Pool(crew, 1, report=lambda _: None)
    pool.submit(jobs(0, 1))
    poll, first = crew.poll, []

    def twice(seconds):
        reports = poll(seconds)
        first.extend(report for report in reports if report.outcomes)
        return [*first[:1], *reports] if when == "at once" or len(first) > 1 else reports

    crew.poll = twice
    outcomes = pool.collect()
    pool.submit(jobs(2, 3))
    outcomes += pool.collect()
    assert [record.index for record, _ in outcomes] == [0, 1, 2, 3]
    pool.submit(jobs(4))
    assert [record.index for record, _ in pool.collect()] == [4]


def test_outcomes_answer_a_batch_in_any_order_but_each_once(clock):
    crew = Crew(clock, only=1)
    pool = Pool(crew, 1, report=lambda _: None)
    for report in crew.poll(0):
        pool._hear(report)
    pool.submit(jobs(0, 1))
    (worker,) = crew.batches
    zero, one = answer(jobs(0, 1))
    assert pool._hear(Report(worker=worker, outcomes=[zero, one, one])) == []
    assert pool._hear(Report(worker=worker, outcomes=[zero])) == []
    assert pool._hear(Report(worker=worker, outcomes=[one, zero])) == [one, zero]


def test_a_worker_that_says_twice_that_it_is_ready_gets_one_batch(clock):
    crew = Crew(clock, only=1)
    pool = Pool(crew, 2, report=lambda _: None)
    for report in 2 * crew.poll(0):
        pool._hear(report)
    for i in range(2):
        pool.submit(jobs(i))
    assert [numbers for _, numbers, _ in crew.sent] == [[0]]


def test_a_lost_node_with_all_its_workers_is_one_fault(clock):
    crew, said = Crew(clock, big=8, small=1), []
    pool = Pool(crew, 9, report=said.append)
    for i in range(9):
        pool.submit(jobs(i))
    pool._give()
    for report in crew.poll(0):
        pool._hear(report)
    pool._give()
    lost = [worker for worker, node in crew.where.items() if node == "big"]
    del crew.places["big"]
    for worker in lost:
        crew.batches.pop(worker, None)
        pool._hear(Report(worker=worker, node="big", fault="its node is lost", gone=True))
    outcomes = []
    while len(outcomes) < 9:
        outcomes += pool.collect()
    assert sorted(record.index for record, _ in outcomes) == list(range(9))
    assert len(said) == 8


def test_a_batch_that_lost_its_worker_goes_to_whoever_is_ready_and_not_to_one_without_room(clock):
    """Its replacement may never find a place, while others hold the processors and have nothing to do."""
    crew = Crew(clock, one=1, two=1)
    crew.happens["one"] = lambda batch: "its process ended"
    pool = Pool(crew, 2, report=lambda _: None)
    pool.submit(jobs(0))
    pool.submit(jobs(1))
    outcomes = []
    while len(outcomes) < 2:
        outcomes += pool.collect()
        crew.places["one"] = 0
    assert sorted(record.index for record, _ in outcomes) == [0, 1]
    assert {node for node, numbers, attempt in crew.sent if attempt > 1} == {"two"}


def test_a_worker_that_does_not_answer_is_given_up_and_three_of_them_end_the_run(clock):
    crew, said = Crew(clock, only=1), []
    pool = Pool(crew, 1, report=said.append)
    pool.submit(jobs(0))
    assert pool.collect()
    crew.happens["only"] = "hangs"
    pool.submit(jobs(1))
    with pytest.raises(MachineFault, match="the batch of trial 1 was sent 3 times in vain: no answer for"):
        pool.collect()
    assert clock.now < 4 * waiting.LEAST_SECONDS
    assert len(said) == 3


def test_of_many_workers_those_that_hang_are_looked_for_once_a_second(clock):
    """One of a thousand answers every few milliseconds."""
    looked = []

    class Counting(Patience):
        def limit(self, batch):
            looked.append(clock.now)
            return super().limit(batch)

    crew, done = Crew(clock, only=40), [0]
    crew.happens["only"] = lambda batch: "ok" if batch[0].trial.index == done[0] else "hangs"
    pool = Pool(crew, 40, Counting(), lambda _: None)
    for i in range(40):
        pool.submit(jobs(i))
    for done[0] in range(40):
        clock.now += 0.01
        pool.collect()
    assert len(looked) <= 2 * 40


def test_without_any_measurement_a_wait_has_an_end_too(clock):
    crew = Crew(clock, only=1)
    crew.happens["only"] = "hangs"
    pool = Pool(crew, 1, report=lambda _: None)
    pool.submit(jobs(0))
    with pytest.raises(MachineFault):
        pool.collect()
    assert clock.now < 3 * waiting.FIRST_SECONDS + 60


def test_the_limit_follows_the_price_of_a_batch():
    patience = Patience(price=lambda trial: 1000.0)
    assert patience.limit(jobs(0)) == waiting.FIRST_SECONDS
    patience.learn(jobs(0, 1), 120.0)
    assert patience.limit(jobs(3)) == 600.0
    assert patience.limit(jobs(3, 4, 5)) == 1800.0
    patience.learn(jobs(0), 1.0)
    assert patience.limit(jobs(3)) == 600.0, "as the slowest"


def test_a_full_cluster_is_said_every_20_seconds_until_there_is_room(clock):
    crew, said = Crew(clock, only=0), []
    pool = Pool(crew, 2, report=said.append)
    pool.submit(jobs(0))
    poll = crew.poll

    def until(seconds):
        crew.places["only"] = int(clock.now > 65)
        return poll(seconds)

    crew.poll = until
    assert pool.collect()
    assert said == ["no worker is ready: waiting for room for 2, others may hold the processors"] * 3


@pytest.mark.parametrize("happens", ["hangs", "no room"])
def test_time_ends_a_run_within_its_grace_and_what_ran_stays_pending(clock, happens):
    crew = Crew(clock, only=2 if happens == "hangs" else 0)
    crew.happens["only"] = happens
    pool = Pool(crew, 2, Patience(ends=30.0, grace=60.0), lambda _: None)
    journal = Journal.memory({})
    manager = Manager(RandomSearch(DARTS, SETTING, 9, seed=0, keep=False), journal)
    assert not manager.run(pool, stop=lambda: clock.now >= 30)
    assert clock.now <= (92 if happens == "hangs" else 32)
    assert journal.counts()["pending"] == 2
    pool.close()
    crew.happens.clear()
    crew.places["only"] = 2
    assert Manager(RandomSearch(DARTS, SETTING, 9, seed=0, keep=False), journal).run(
        Pool(crew, 2, report=lambda _: None)
    )


def test_the_grace_is_as_long_as_batches_take():
    patience = Patience(ends=100.0, grace=60.0)
    assert not patience.over(99.0, [])
    assert patience.over(100.0, [])
    assert not patience.over(150.0, [jobs(0)])
    assert patience.over(160.0, [jobs(0)])
    patience.learn(jobs(0), 500.0)
    assert not patience.over(1000.0, [jobs(0)])
    assert patience.over(1100.0, [jobs(0)])


def test_workers_that_join_while_a_batch_runs_are_used_up_to_their_number(clock):
    """Whoever counts workers once leaves every later node idle, and asks for batches that nobody can begin."""
    crew = Crew(clock, first=1)
    pool = Pool(crew, 4, report=lambda _: None, room=1)
    journal, asked = Journal.memory({}), []
    send, poll = crew.send, crew.poll

    def counted(worker, batch, attempt):
        asked.append(journal.counts()["pending"])
        send(worker, batch, attempt)

    def joined(seconds):
        if len(crew.sent) == 1:
            crew.places["second"] = 9
        elif len(crew.sent) > 1:
            crew.happens["first"] = "ok"
        return poll(seconds)

    crew.send, crew.poll, crew.happens["first"] = counted, joined, "hangs"  # only until others have begun
    assert Manager(RandomSearch(DARTS, SETTING, 12, seed=0, keep=False), journal).run(pool)
    assert journal.counts() == {"trials": 12, "done": 12, "failed": 0, "pending": 0}
    assert asked[0] == 1, "one worker, one question"
    assert max(asked) == 4
    assert [node for node, *_ in crew.sent][:2] == ["first", "second"], "while the first batch still ran"


def test_a_node_that_joins_has_no_work_where_a_generation_waits_and_nobody_turns_round(clock):
    """A strategy that waits for its generation has nothing more to ask, however often it is asked."""
    crew = Crew(clock, first=1)
    crew.happens["first"] = "hangs"
    pool = Pool(crew, 3, report=lambda _: None, room=1)
    pool.submit(jobs(0))
    crew.poll(0), crew.places.update(second=2)
    assert pool.collect() == []
    assert pool.free >= 1
    began, crew.happens["first"] = clock.now, lambda batch: "ok" if clock.now > began + 50 else "hangs"
    returned = 0
    while not pool.collect():
        returned += 1
    assert returned <= 1, "one return for every worker that has joined"


def test_out_of_time_is_no_error_of_a_run():
    assert not issubclass(OutOfTime, ValueError | RuntimeError)
