"""A runner of random metrics drives every strategy: no network is trained, but everything else is as it will be."""

import itertools
import json

import numpy as np
import pytest

from zoo.population import Journal, Manager, Record, Trial, WeightStore
from zoo.population.executor import evaluate

LIMIT = 2000


def random_record(trial, seed):
    """Metrics of a trial's index and seed alone; one trial in six fails."""
    rng = np.random.default_rng((seed, trial.index))
    if rng.random() < 1 / 6:
        return Record(index=trial.index, ok=False, reason="diverged")
    accuracy = float(np.round(rng.random(), 2))  # ties occur
    return Record(index=trial.index, ok=True, metrics={"accuracy": accuracy, "loss": float(rng.normal())})


class Desk:
    """Workers that finish in a random order, without processes and without a journal."""

    def __init__(self, workers, seed):
        self.rng, self.workers, self.batches = np.random.default_rng(seed), workers, []

    def take(self):
        return self.batches.pop(int(self.rng.integers(len(self.batches))))


def drive(strategy, n, workers=1, seed=0, watch=lambda trials, records: None):
    """Ask and tell until the strategy is finished; returns the batches as they were asked."""
    desk, asked, records = Desk(workers, seed), [], {}
    for _ in range(LIMIT):
        trials = strategy.ask(n, sum(map(len, asked))) if len(desk.batches) < workers else []
        if trials:
            asked.append(trials)
            desk.batches.append(trials)
        elif desk.batches:
            told = [random_record(trial, seed) for trial in desk.take()]
            records |= {record.index: record for record in told}
            strategy.tell(told)
        else:
            return asked
        watch(list(itertools.chain(*asked)), records)
    raise AssertionError(f"not finished after {LIMIT} steps")


def trials_of(asked):
    return list(itertools.chain(*asked))


@pytest.mark.parametrize("n", [1, 3, 100])
def test_every_trial_is_numbered_valid_and_of_the_space(strategy, n):
    asked = drive(strategy.make(), n)
    trials = trials_of(asked)
    assert trials
    assert [trial.index for trial in trials] == list(range(len(trials)))
    assert all(strategy.space.contains(trial.genotype) for trial in trials)
    for batch in asked:
        assert len(batch) <= n
        assert len({(trial.setting, trial.start, trial.stop) for trial in batch}) == 1


def test_the_json_of_a_trial_gives_it_back_with_its_tags(strategy):
    for trial in trials_of(drive(strategy.make(), 3)):
        assert Trial.from_dict(json.loads(json.dumps(trial.to_dict(), allow_nan=False))) == trial


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_metrics_give_the_same_trials_whoever_finishes_first(punctual, workers, seed):
    expected = trials_of(drive(punctual.make(), 2, seed=seed))
    assert trials_of(drive(punctual.make(), 2, workers, seed)) == expected


def test_fewer_at_a_time_are_the_same_trials_up_to_a_boundary(strategy, batches, flat):
    one = flat(batches(strategy.make(), 1))
    for n in (2, 3, 5, 100):
        more = flat(batches(strategy.make(), n))
        shared = min(len(one), len(more))
        assert shared > 0
        assert one[:shared] == more[:shared]
    for a, b in ((1, 2), (2, 1), (2, 3)):
        parted, whole = strategy.make(), strategy.make()
        first = parted.ask(a, 0)
        second = parted.ask(b, len(first))
        together = whole.ask(a + b, 0)
        assert (first + second)[: len(together)] == together[: len(first + second)]


def test_an_empty_answer_changes_nothing(strategy, batches):
    plain, pressed = strategy.make(), strategy.make()

    def press(trials, records):
        assert pressed.ask(0, len(trials)) == []

    assert drive(pressed, 2, seed=3, watch=press) == drive(plain, 2, seed=3)
    waiting = strategy.make()
    asked = batches(waiting, 2)
    count = sum(map(len, asked))
    assert [waiting.ask(2, count) for _ in range(3)] == [[], [], []]
    finished = strategy.make()
    count = len(trials_of(drive(finished, 2)))
    assert [finished.ask(2, count) for _ in range(3)] == [[], [], []]


def test_only_trials_that_are_kept_are_resumable(strategy):
    everything = trials_of(drive(strategy.make(), 2, seed=4))
    kept = {trial.index for trial in everything if trial.keep}
    live = strategy.make()

    def watch(trials, records):
        assert live.resumable() <= kept

    assert trials_of(drive(live, 2, seed=4, watch=watch)) == everything


def test_a_trial_resumes_only_what_was_told_and_where_it_ended(strategy):
    for workers in (1, 3):
        told = set()

        def watch(trials, records, told=told):
            for trial in trials:
                if trial.resumes is not None and trial.index not in records:
                    assert trial.resumes in records
                    source = trials[trial.resumes]
                    assert (source.genotype, source.setting) == (trial.genotype, trial.setting)
                    assert source.stop == trial.start
                    assert source.keep
            told |= set(records)

        trials = trials_of(drive(strategy.make(), 2, workers, seed=2, watch=watch))
        assert told == {trial.index for trial in trials}


def test_weights_stay_until_nobody_resumes_them(strategy):
    """Whatever a later trial resumes was resumable from its record on until it was asked."""
    for workers in (1, 3):
        live, lost = strategy.make(), set()

        def watch(trials, records, live=live, lost=lost):
            lost |= {trial.index for trial in trials if trial.index in records} - live.resumable()

        asked_late = []

        class Watching:
            """Notes what was lost before each ask."""

            resumable, tell = live.resumable, live.tell

            def ask(self, n, first, live=live, lost=lost, late=asked_late):
                trials = live.ask(n, first)
                late += [trial for trial in trials if trial.resumes in lost]
                return trials

        drive(Watching(), 2, workers, seed=5, watch=watch)
        assert asked_late == []


@pytest.mark.parametrize("workers", [1, 3])
def test_a_journal_replays_into_a_fresh_strategy(strategy, workers, tmp_path):
    def random_metrics(jobs):
        return [(random_record(job.trial, 6), b"weights" if job.trial.keep else None) for job in jobs]

    class Workers(Desk):
        """The desk as an executor."""

        @property
        def free(self):
            return self.workers - len(self.batches)

        def submit(self, jobs):
            self.batches.append(jobs)

        def collect(self):
            return evaluate(random_metrics, self.take())

        def close(self):
            pass

    journal = Journal.memory({})
    manager = Manager(strategy.make(), journal, WeightStore(tmp_path), 2)
    assert not manager.run(Workers(workers, 1), stop=lambda: journal.counts()["done"] >= 4)
    again = Manager(strategy.make(), journal, WeightStore(tmp_path), 2)
    before = journal.trials()
    assert again.run(Workers(workers, 2))
    assert journal.trials()[: len(before)] == before
    assert journal.counts()["pending"] == 0
    if not strategy.punctual:
        return
    assert journal.trials() == trials_of(drive(strategy.make(), 2, seed=6))
    whole = Journal.memory({})
    assert Manager(strategy.make(), whole, WeightStore(tmp_path / "whole"), 2).run(Workers(1, 0))
    assert journal.digest() == whole.digest()
