import dataclasses
import itertools

import numpy as np
import pytest

from zoo.population import (
    FixedList,
    Journal,
    Manager,
    ProxySetting,
    RandomSearch,
    Record,
    SerialExecutor,
    Trial,
    WeightStore,
)
from zoo.population.executor import evaluate
from zoo.population.trial import AGAIN, TRAIN_LOSSES
from zoo.reliability.study import Study
from zoo.spaces import DARTS, ECONAS_ZOO

GRID = [ProxySetting.parse(text) for text in ("c4r4s0e1", "c2r0s1e2")]
REFERENCE = ProxySetting.parse("c0r0s0e3")


def study(*growth, batch=2):
    return Study(ECONAS_ZOO, GRID, REFERENCE, repeats=2, growth=growth, batch=batch, seed=7)


def fixed(count=9):
    rng = np.random.default_rng(0)
    return FixedList(
        [Trial(index=i, genotype=DARTS.sample(rng), setting=GRID[i // 4 % 2], start=0, stop=1) for i in range(count)]
    )


@pytest.fixture
def run(tmp_path):
    """Runs a fresh strategy in a journal of its own and returns both."""
    count = itertools.count()

    def start(strategy, executor, batch=2):
        journal = Journal.memory({})
        manager = Manager(strategy, journal, WeightStore(tmp_path / f"weights {next(count)}"), batch)
        assert manager.run(executor)
        return journal

    return start


@pytest.mark.parametrize(
    "make", [fixed, lambda: study(5), lambda: RandomSearch(DARTS, REFERENCE, 7, seed=1), "halving"]
)
@pytest.mark.parametrize("batch", [1, 3])
def test_any_number_of_workers_in_any_order_gives_the_same_digest(make, batch, run, halving, shuffled, training):
    make = halving if make == "halving" else make
    digest = run(make(), SerialExecutor(training), batch).digest()
    for workers, seed in itertools.product((1, 2, 4), (0, 1)):
        journal = run(make(), shuffled(workers, seed), batch)
        assert journal.digest() == digest
        assert journal.counts()["pending"] == 0


def test_another_strategy_gives_another_digest(run, halving, training):
    strategies = (halving(seed=0), halving(seed=1), halving(generations=3), study(5), fixed())
    assert len({run(strategy, SerialExecutor(training)).digest() for strategy in strategies}) == 5


class Spy:
    """Notes what a strategy is told."""

    def __init__(self, strategy):
        self.strategy, self.told = strategy, []

    def ask(self, n, first):
        return self.strategy.ask(n, first)

    def tell(self, records):
        self.told.append([record.index for record in records])
        self.strategy.tell(records)

    def resumable(self):
        return self.strategy.resumable()


def test_every_record_is_told_once_with_its_batch_and_sorted(run, shuffled):
    spy = Spy(fixed(20))
    journal = run(spy, shuffled(4, seed=3), batch=3)
    assert all(batch == sorted(batch) for batch in spy.told)
    assert sorted(itertools.chain(*spy.told)) == list(range(20))
    events = journal.events()
    assert [list(event.numbers) for event in events if event.kind == "tell"] == spy.told
    assert {event.numbers for event in events if event.kind == "ask"} == {tuple(batch) for batch in spy.told}


def test_batches_that_end_together_are_told_in_order(training, shuffled):
    class Lazy(shuffled):
        """Waits for all of its workers."""

        def collect(self):
            return [outcome for _ in range(len(self.running)) for outcome in evaluate(training, self.running.pop())]

    spy = Spy(fixed(8))
    assert Manager(spy, Journal.memory({}), batch=1).run(Lazy(4))
    assert spy.told == [[i] for i in range(8)]


def test_a_trial_is_in_the_journal_before_it_is_sent_and_its_record_before_it_is_told(training):
    journal = Journal.memory({})

    def evaluator(jobs):
        assert {job.trial for job in jobs} <= set(journal.trials())
        return training(jobs)

    class Strict(Spy):
        def tell(self, records):
            super().tell(records)
            assert {record.index for record in records} <= set(journal.records())

    manager = Manager(Strict(fixed(5)), journal)
    heard = []
    assert manager.run(
        SerialExecutor(evaluator), listen=lambda trial, record: heard.append((trial.index, record.index))
    )
    assert heard == [(i, i) for i in range(5)]
    assert [trial.index for trial in manager.trials] == [record.index for record in manager.records] == [0, 1, 2, 3, 4]
    assert [record.ok for record in manager.records] == [True] * 4 + [False]


def test_a_batch_never_mixes_settings(run, shuffled):
    for strategy in (fixed(12), study(5, batch=4)):
        journal = run(strategy, shuffled(3), batch=3)
        trials = journal.trials()
        batches = [event.numbers for event in journal.events() if event.kind == "ask"]
        assert max(map(len, batches)) == 3
        for numbers in batches:
            assert len({(trials[i].setting, trials[i].start, trials[i].stop) for i in numbers}) == 1
            assert {journal.records()[i].batch for i in numbers} == {numbers[0]}


def test_an_exception_of_the_evaluator_is_a_record(run):
    def evaluator(jobs):
        if jobs[0].trial.index == 4:
            raise KeyError("no such layer\nsecond line")
        return [(Record(index=job.trial.index, ok=True), None) for job in jobs]

    records = run(fixed(8), SerialExecutor(evaluator)).records()
    assert [i for i, record in records.items() if not record.ok] == [4, 5]
    assert records[5].reason.startswith("KeyError: 'no such layer")
    assert "\n" not in records[5].reason


@pytest.mark.parametrize("seed", range(5))
def test_stop_drains_what_runs_and_says_so(shuffled, seed):
    journal = Journal.memory({})
    heard = []
    manager = Manager(fixed(20), journal)
    executor = shuffled(3, seed)
    sent = []

    def listen(trial, record):
        heard.append(trial.index)
        if len(heard) == 5:
            sent.append(len(executor.sent))

    assert not manager.run(executor, listen=listen, stop=lambda: len(heard) >= 5)
    assert sent == [len(executor.sent)], "nothing new is sent after the stop"
    counts = journal.counts()
    assert counts["pending"] == 0
    assert 5 <= counts["done"] < 5 + 2 * 3
    assert executor.running == []
    assert Manager(fixed(20), journal).run(shuffled(2))
    assert journal.counts() == {"trials": 20, "done": 20, "failed": 4, "pending": 0}


def test_stop_before_the_start_asks_for_nothing(shuffled):
    journal = Journal.memory({})
    assert not Manager(fixed(), journal).run(shuffled(2), stop=lambda: True)
    assert journal.events() == []


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_must_have_a_trial(batch):
    with pytest.raises(ValueError, match=f"at least 1, got {batch}"):
        Manager(fixed(), Journal.memory({}), batch=batch)


# ---------------------------------------------------------------- weights


def chain(keep=(True, True, True)):
    genotype = DARTS.sample(np.random.default_rng(0))
    stages = enumerate(((0, 1), (1, 2), (2, 3)))
    return FixedList(
        [
            Trial(
                index=i,
                genotype=genotype,
                setting=REFERENCE,
                start=a,
                stop=b,
                resumes=i - 1 if i else None,
                keep=keep[i],
            )
            for i, (a, b) in stages
        ]
    )


def accuracy(journal):
    return journal.records()[2].metrics["accuracy"]


def test_stages_continue_from_the_weights_of_those_before(tmp_path, training):
    journal, jobs = Journal.memory({}), []

    def evaluator(batch):
        jobs.extend(batch)
        return training(batch)

    store = WeightStore(tmp_path)
    assert Manager(chain(), journal, store).run(SerialExecutor(evaluator))
    assert [job.root for job in jobs] == [0, 0, 0]
    assert [job.checkpoint for job in jobs[1:]] == [store.get(journal.records()[i].checkpoint) for i in (0, 1)]
    assert jobs[0].checkpoint is None
    whole = Trial(index=0, genotype=jobs[0].trial.genotype, setting=REFERENCE, start=0, stop=3)
    ((record, _),) = training([type(jobs[0])(whole, 0, None)])
    assert accuracy(journal) == record.metrics["accuracy"]


@pytest.mark.parametrize("lost", ["corrupt", "missing", "not kept"])
def test_lost_weights_are_trained_again_never_trusted(tmp_path, training, lost):
    store, journal, jobs = WeightStore(tmp_path / "w"), Journal.memory({}), []

    def evaluator(batch):
        jobs.extend(batch)
        outcomes = training(batch)
        return outcomes

    def damage(trial, record):
        if trial.index == 1 and lost == "corrupt":
            (store.folder / record.checkpoint).write_bytes(b"root 0")
        elif trial.index == 1 and lost == "missing":
            (store.folder / record.checkpoint).unlink()

    undisturbed = Journal.memory({})
    Manager(chain(), undisturbed, WeightStore(tmp_path / "v")).run(SerialExecutor(training))
    Manager(chain((True, lost != "not kept", True)), journal, store).run(SerialExecutor(evaluator), listen=damage)
    assert [job.checkpoint is None for job in jobs] == [True, False, False]
    assert accuracy(journal) == accuracy(undisturbed)
    record = journal.records()[2]
    assert record.epochs_paid == 2, "the weights before them are still there: it goes back one stage"
    assert record.notes == {AGAIN: "the weights of trial 1 are missing or damaged: trained again from epoch 1 on"}


def test_a_chain_whose_weights_are_all_lost_is_trained_again_says_so_and_is_charged(tmp_path, training):
    store, journal, undisturbed = WeightStore(tmp_path / "w"), Journal.memory({}), Journal.memory({})
    Manager(chain(), undisturbed, WeightStore(tmp_path / "v")).run(SerialExecutor(training))

    def lose(trial, record):
        if trial.index == 1:
            store.keep_only([])

    Manager(chain(), journal, store).run(SerialExecutor(training), listen=lose)
    record = journal.records()[2]
    assert (accuracy(journal), record.epochs_paid) == (accuracy(undisturbed), 3)
    assert record.notes[AGAIN].endswith("trained again from epoch 0 on")


def test_a_longer_trial_leaves_the_losses_of_its_own_stage(tmp_path):
    """So that a signal summed over them is that of the undisturbed run."""
    losses = {(0, 2): [5.0, 4.0], (2, 4): [3.0, 2.0], (0, 4): [5.0, 4.0, 3.0, 2.0]}

    def evaluator(batch):
        found = []
        for job in batch:
            stage = (job.trial.start if job.checkpoint else 0, job.trial.stop)
            record = Record(index=job.trial.index, ok=True, epochs_paid=2, notes={TRAIN_LOSSES: losses[stage]})
            found.append((record, b"w"))
        return found

    setting, genotype = ProxySetting(0, 0, 0, 4), fixed(1).ask(1, 0)[0].genotype
    trials = [
        Trial(index=i, genotype=genotype, setting=setting, start=2 * i, stop=2 * i + 2, resumes=i - 1 if i else None,
              keep=True)
        for i in range(2)
    ]  # fmt: skip
    journal, store = Journal.memory({}), WeightStore(tmp_path)
    Manager(FixedList(trials), journal, store).run(
        SerialExecutor(evaluator), listen=lambda trial, record: store.keep_only([])
    )
    assert journal.records()[1].notes[TRAIN_LOSSES] == [3.0, 2.0]


def test_weights_nobody_may_resume_are_deleted(tmp_path, halving, shuffled):
    store, journal = WeightStore(tmp_path), Journal.memory({})
    strategy = halving(generations=3)
    manager = Manager(strategy, journal, store, batch=1)
    most = 0

    def listen(trial, record):
        nonlocal most
        most = max(most, len(list(store.folder.iterdir())) if store.folder.exists() else 0)

    assert manager.run(shuffled(2, seed=5), listen=listen)
    assert 0 < most <= 2 * (4 + 2), "two generations"
    assert not strategy.resumable()
    assert len(list(store.folder.iterdir())) <= 2, "what was needed until the last step"


def test_what_pending_trials_resume_is_kept(tmp_path, halving, shuffled, training):
    """A promoted network is no longer resumable for the strategy, which knows it as running."""
    jobs = []

    def evaluator(batch):
        jobs.extend(batch)
        return training(batch)

    for seed in range(6):
        Manager(halving(), Journal.memory({}), WeightStore(tmp_path / str(seed)), batch=1).run(
            shuffled(4, seed, training=evaluator)
        )
    resumed = [job for job in jobs if job.trial.start]
    assert len(resumed) >= 6
    assert all(job.checkpoint is not None for job in resumed)


def test_a_strategy_that_misnumbers_its_trials_is_refused(training):
    class Wrong(FixedList):
        def ask(self, n, first):
            return [dataclasses.replace(trial, index=trial.index + 1) for trial in super().ask(n, first)]

    journal = Journal.memory({})
    with pytest.raises(ValueError, match="must number its trials from 0, got 1, 2"):
        Manager(Wrong(fixed(2).ask(2, 0)), journal, batch=2).run(SerialExecutor(training))
    assert journal.trials() == []


@pytest.mark.parametrize("left_out", [{4}, {5, 6}, {7}, {4, 5, 6, 7}, {0, 1, 2, 3, 11}])
def test_trials_that_are_left_out_are_never_sent_and_have_a_record_of_their_own(left_out, shuffled):
    journals = []
    for executor in (shuffled(1), shuffled(3, seed=1)):
        journal = Journal.memory({})
        journal.set("left_out", sorted(left_out))
        strategy = RandomSearch(DARTS, ProxySetting(0, 0, 0, 1), 12, seed=0, keep=False)
        assert Manager(strategy, journal, batch=4).run(executor)
        assert not left_out & {index for batch in executor.sent for index in batch}
        records = journal.records()
        assert {r.index for r in records.values() if r.reason == "left out: its process would have ended"} == left_out
        assert {r.batch for r in records.values()} == {0, 4, 8}
        Manager(RandomSearch(DARTS, ProxySetting(0, 0, 0, 1), 12, seed=0, keep=False), journal, batch=4)  # replays
        journals.append(journal)
    assert journals[0].digest() == journals[1].digest()
