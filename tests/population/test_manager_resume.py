import dataclasses
import hashlib
import itertools
from functools import partial

import numpy as np
import pytest

from zoo.population import Job, Journal, Manager, ProxySetting, RandomSearch, Record, SerialExecutor, WeightStore
from zoo.reliability.findings import Design
from zoo.reliability.looks import Judge, Rule, looks
from zoo.reliability.study import Study
from zoo.spaces import DARTS, ECONAS_ZOO
from zoo.spaces.skeleton import Skeleton

GRID = [ProxySetting.parse(text) for text in ("c4r4s0e1", "c2r0s1e2")]
REFERENCE = ProxySetting.parse("c0r0s0e3")
BATCH = 2


def study(*growth):
    return Study(ECONAS_ZOO, GRID, REFERENCE, repeats=2, growth=growth, batch=BATCH, seed=7)


def random_search(seed=1):
    return RandomSearch(DARTS, REFERENCE, 7, seed=seed)


@pytest.fixture(params=["halving", "study", "random search"])
def make(request, halving):
    return {"halving": halving, "study": lambda: study(3), "random search": random_search}[request.param]


def manage(make, journal, folder, executor, **options):
    return Manager(make(), journal, WeightStore(folder), BATCH).run(executor, **options)


def test_killed_after_any_batch_a_run_ends_as_if_undisturbed(make, tmp_path, shuffled, killed, training):
    journal = Journal.memory({})
    assert manage(make, journal, tmp_path / "undisturbed", SerialExecutor(training))
    batches = sum(event.kind == "tell" for event in journal.events())
    assert batches >= 4
    for lives, workers in itertools.product(range(batches), (1, 3)):
        torn, folder = Journal.memory({}), tmp_path / f"{lives} {workers}"
        with pytest.raises(killed):
            manage(make, torn, folder, shuffled(workers, seed=lives, lives=lives))
        assert torn.counts()["done"] < journal.counts()["done"]
        assert manage(make, torn, folder, shuffled(4 - workers, seed=lives))
        assert torn.digest() == journal.digest()
        assert {record.attempt for record in torn.records().values()} == {1}


def test_weights_that_pending_trials_resume_outlive_a_kill(tmp_path, shuffled, killed, training, halving):
    """A promoted network is no longer resumable for the strategy, which knows it as running."""
    jobs = []

    def evaluator(batch):
        jobs.extend(batch)
        return training(batch)

    for lives, seed in itertools.product(range(14), range(2)):
        journal, store = Journal.memory({}), WeightStore(tmp_path / f"{lives} {seed}")
        with pytest.raises(killed):
            Manager(halving(), journal, store, 1).run(shuffled(4, seed, lives=lives))
        assert Manager(halving(), journal, store, 1).run(shuffled(2, seed, training=evaluator))
    resumed = [job for job in jobs if job.trial.start]
    assert len(resumed) > 20
    assert all(job.checkpoint is not None for job in resumed)


class Torn:
    """A journal whose process dies at one of its appends: before it is there, or right after."""

    def __init__(self, journal, error, lives, after):
        self.journal, self.error, self.lives, self.after = journal, error, lives, after

    def __getattr__(self, name):
        return getattr(self.journal, name)

    def append_ask(self, *arguments):
        self._append(self.journal.append_ask, arguments)

    def append_tell(self, *arguments, **options):
        self._append(partial(self.journal.append_tell, **options), arguments)

    def _append(self, append, arguments):
        self.lives -= 1
        if self.lives < 0 and self.after:
            append(*arguments)
        if self.lives < 0:
            raise self.error
        append(*arguments)


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_event_a_run_ends_as_if_undisturbed(make, after, tmp_path, killed, shuffled, training):
    journal = Journal.memory({})
    manage(make, journal, tmp_path / "undisturbed", SerialExecutor(training))
    for lives in range(len(journal.events())):
        held, folder = Journal.memory({}), tmp_path / str(lives)
        with pytest.raises(killed):
            manage(make, Torn(held, killed, lives, after), folder, shuffled(2, seed=lives))
        assert len(held.events()) == lives + after
        assert manage(make, held, folder, shuffled(2, seed=lives + 1))
        assert held.digest() == journal.digest()


def test_killed_again_and_again_a_run_still_ends(make, tmp_path, shuffled, killed, training):
    journal, torn = Journal.memory({}), Journal.memory({})
    manage(make, journal, tmp_path / "undisturbed", SerialExecutor(training))
    for attempt in itertools.count():
        try:
            finished = manage(make, torn, tmp_path / "torn", shuffled(2, seed=attempt, lives=1))
            break
        except killed:
            pass
    assert finished
    assert attempt > 1
    assert torn.digest() == journal.digest()


def test_pending_batches_are_sent_again_whole_before_anything_new(shuffled, killed):
    journal = Journal.memory({})
    with pytest.raises(killed):
        Manager(study(6), journal, batch=BATCH).run(shuffled(4, seed=1, lives=2))
    told = [event.numbers for event in journal.events() if event.kind == "tell"]
    pending = [list(e.numbers) for e in journal.events() if e.kind == "ask" and e.numbers not in told]
    assert len(pending) >= 2
    again = shuffled(1)
    assert Manager(study(6), journal, batch=BATCH).run(again)
    assert again.sent[: len(pending)] == pending
    assert sorted(itertools.chain(*again.sent, *told)) == list(range(24))


def test_stop_still_waits_for_what_was_pending(shuffled, killed):
    journal = Journal.memory({})
    with pytest.raises(killed):
        Manager(study(6), journal, batch=BATCH).run(shuffled(4, seed=1, lives=1))
    assert journal.counts()["pending"] > 0
    asked = journal.counts()["trials"]
    assert not Manager(study(6), journal, batch=BATCH).run(shuffled(1), stop=lambda: True)
    assert journal.counts()["trials"] == asked
    assert journal.counts()["pending"] == 0


def test_what_is_finished_stays_finished(training):
    journal = Journal.memory({})
    assert Manager(study(3), journal, batch=BATCH).run(SerialExecutor(training))

    def never(jobs: list[Job]):
        raise AssertionError("nothing was left to do")

    before = journal.events()
    manager = Manager(study(3), journal, batch=BATCH)
    assert [record.index for record in manager.records] == list(range(12))
    assert manager.run(SerialExecutor(never))
    assert journal.events() == before


def test_a_strategy_that_no_longer_asks_the_same_is_refused(training):
    journal = Journal.memory({})
    Manager(random_search(), journal).run(SerialExecutor(training))
    before = journal.digest()
    for other in (random_search(seed=2), study(7), RandomSearch(DARTS, REFERENCE, 3, seed=1)):
        with pytest.raises(ValueError, match="no longer asks for trial"):
            Manager(other, journal)
    assert journal.digest() == before


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch, training, halving):
    journal, undisturbed = Journal.create(tmp_path / "run", {}), Journal.memory({})
    manage(halving, undisturbed, tmp_path / "undisturbed", SerialExecutor(training))
    store = WeightStore(tmp_path / "run" / "weights")
    put, count = store.put, itertools.count()

    def full(data):
        if next(count) == 3:
            raise OSError(28, "No space left on device")
        return put(data)

    monkeypatch.setattr(store, "put", full)
    with pytest.raises(OSError, match="No space left"):
        Manager(halving(), journal, store, BATCH).run(SerialExecutor(training))
    assert 0 < journal.counts()["done"] < undisturbed.counts()["done"]
    assert Manager(halving(), journal, store, BATCH).run(SerialExecutor(training))
    assert journal.digest() == undisturbed.digest()
    journal.close()


# ---------------------------------------------------------------- growth


@pytest.mark.parametrize(("first", "then"), [(2, 4), (3, 6), (1, 2)])
def test_a_finished_study_grows_without_asking_anything_again(first, then, shuffled, training):
    journal = Journal.memory({})
    assert Manager(study(first), journal, batch=BATCH).run(shuffled(3))
    trials, records = journal.trials(), journal.records()
    assert len(trials) == 4 * first
    assert Manager(study(first, then), journal, batch=BATCH).run(shuffled(2))
    assert journal.trials()[: len(trials)] == trials
    assert {i: journal.records()[i] for i in records} == records
    assert len(journal.trials()) == 4 * then
    undisturbed = Journal.memory({})
    Manager(study(first, then), undisturbed, batch=BATCH).run(SerialExecutor(training))
    assert journal.digest() == undisturbed.digest()


def test_a_grown_study_has_the_networks_of_one_that_was_large_at_once(training):
    grown, large = Journal.memory({}), Journal.memory({})
    Manager(study(3, 5), grown, batch=BATCH).run(SerialExecutor(training))
    Manager(study(5), large, batch=BATCH).run(SerialExecutor(training))

    def asked(journal):
        return sorted((trial.genotype.key, str(trial.setting), trial.role) for trial in journal.trials())

    assert asked(grown) == asked(large)


def test_a_killed_study_may_grow(shuffled, killed, training):
    for lives in range(6):
        journal, undisturbed = Journal.memory({}), Journal.memory({})
        with pytest.raises(killed):
            Manager(study(3), journal, batch=BATCH).run(shuffled(2, seed=lives, lives=lives))
        assert Manager(study(3, 4), journal, batch=BATCH).run(shuffled(2))
        Manager(study(3, 4), undisturbed, batch=BATCH).run(SerialExecutor(training))
        assert journal.digest() == undisturbed.digest()


@pytest.mark.parametrize("first", [(3, 2), (2, 1)])
def test_a_killed_study_may_have_more_repeats(first, shuffled, killed, training):
    models, repeats = first

    def grown(*sizes):
        growth, numbers = zip(*sizes, strict=True)
        return Study(ECONAS_ZOO, GRID, REFERENCE, repeats=numbers, growth=growth, batch=BATCH, seed=7)

    for lives in range(3):
        journal, undisturbed = Journal.memory({}), Journal.memory({})
        with pytest.raises(killed):
            Manager(grown(first), journal, batch=BATCH).run(shuffled(2, seed=lives, lives=lives))
        sizes = (first, (models, repeats + 1), (models + 2, repeats + 1))
        assert Manager(grown(*sizes), journal, batch=BATCH).run(shuffled(2))
        Manager(grown(*sizes), undisturbed, batch=BATCH).run(SerialExecutor(training))
        assert journal.digest() == undisturbed.digest()


# ---------------------------------------------------------------- until decided

BAD, GOOD = (ProxySetting.parse(text) for text in ("c4r4s0e1", "c2r2s0e2"))
NOISE = {BAD: 9, GOOD: 0.25, REFERENCE: 0.05}


def number(*words):
    """A normal number that the words alone decide."""
    seed = int(hashlib.sha256(repr(words).encode()).hexdigest()[:8], 16)
    return float(np.random.default_rng(seed).standard_normal())


def telling(jobs):
    """A training whose accuracy tells how good a network is: at one setting well, at another hardly."""
    outcomes = []
    for job in jobs:
        trial, key = job.trial, job.trial.genotype.key
        value = number(key) + NOISE[trial.setting] * number(key, str(trial.setting), trial.index)
        metrics = {"accuracy": 1 / (1 + np.exp(-value)), "loss": -value}
        if trial.measure != "training":
            metrics = {trial.measure: number(key, trial.measure)}
        outcomes.append((Record(index=trial.index, ok=True, metrics=metrics, epochs_paid=trial.stop), None))
    return outcomes


def decided(*growth, repeats=2):
    design = Design(
        settings=(BAD, GOOD), reference=REFERENCE, repeats=2, skeleton=Skeleton(channels=8, cells=5), seed=8
    )
    judge = Judge(looks=looks(growth[0]), rule=Rule(resamples=100), design=design, images={0: 100}, metric="accuracy")
    study = Study(
        ECONAS_ZOO, (BAD, GOOD), REFERENCE, repeats=repeats, growth=growth, batch=4, seed=6, scores=("synflow",)
    )
    return study.until(judge)


@pytest.fixture
def undisturbed():
    """A study that drops a setting and ends before it has all its networks."""
    journal, strategy = Journal.memory({}), decided(36)
    assert Manager(strategy, journal, batch=4).run(SerialExecutor(telling))
    found = strategy.decisions
    assert [one.answer for one in found][:-1] == ["open"] * (len(found) - 1)
    assert found[-1].answer == "safe"
    assert found[-1].networks < 36
    assert [one.dropped for one in found if one.dropped] == [(str(BAD),)]
    return journal


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_study_until_decided_ends_alike_whoever_is_told_first(workers, undisturbed, shuffled):
    for seed in range(3):
        journal = Journal.memory({})
        assert Manager(decided(36), journal, batch=4).run(shuffled(workers, seed, training=telling))
        assert journal.digest() == undisturbed.digest()


@pytest.mark.parametrize("after", [False, True])
def test_a_study_until_decided_is_killed_at_any_event_and_ends_as_if_undisturbed(after, undisturbed, killed, shuffled):
    for lives in range(0, len(undisturbed.events()), 9):
        held = Journal.memory({})
        with pytest.raises(killed):
            Manager(decided(36), Torn(held, killed, lives, after), batch=4).run(shuffled(2, lives, training=telling))
        assert Manager(decided(36), held, batch=4).run(shuffled(3, seed=lives, training=telling))
        assert held.digest() == undisturbed.digest()


def test_decisions_of_the_journal_are_followed_by_a_judge_who_would_decide_otherwise(undisturbed, killed, monkeypatch):
    events, journal = undisturbed.events(), Journal.memory({})
    with pytest.raises(killed):
        Manager(decided(36), Torn(journal, killed, len(events) - 3, False), batch=4).run(SerialExecutor(telling))
    before = journal.trials()
    asked = []

    def otherwise(judge, look, told, kept, repeats):
        asked.append(look.networks)
        found = original(judge, look, told, kept, repeats)
        return dataclasses.replace(found, answer="none", candidate="", dropped=())

    original = Judge.decide
    monkeypatch.setattr(Judge, "decide", otherwise)
    strategy = decided(36)
    assert Manager(strategy, journal, batch=4).run(SerialExecutor(telling))
    assert journal.trials()[: len(before)] == before
    assert [one.answer for one in strategy.decisions] == ["open"] * (len(strategy.decisions) - 1) + ["none"]
    assert (str(BAD),) in [one.dropped for one in strategy.decisions]
    assert asked == [strategy.decisions[-1].networks], "only the look that nothing followed"
    fresh = Journal.memory({})
    Manager(decided(36), fresh, batch=4).run(SerialExecutor(telling))
    assert len(fresh.trials()) < len(before), "without a journal this judge ends the study at its first look"


def test_a_finished_study_until_decided_grows_and_goes_on(undisturbed, shuffled):
    before = undisturbed.trials()
    for sizes, repeats in (((36, 40), (2, 2)), ((36, 36), (2, 3))):
        grown = [Journal.memory({}) for _ in range(2)]
        for journal, executor in zip(grown, (SerialExecutor(telling), shuffled(3, training=telling)), strict=True):
            Manager(decided(36), journal, batch=4).run(SerialExecutor(telling))
            assert Manager(decided(*sizes, repeats=repeats), journal, batch=4).run(executor)
            assert journal.trials()[: len(before)] == before
            assert len(journal.trials()) > len(before)
        assert grown[0].digest() == grown[1].digest()
