"""The asynchronous search: nobody waits without need, and a kill loses and repeats nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econas.history.trajectory import AUDIT, CHILD, PROMOTION, RENEWAL, RETRAIN
from econas.strategy.audit import Auditing, Step
from econas.strategy.hierarchical import HierarchicalSearch
from zoo.population import Journal, Manager, ProxySetting, Record
from zoo.spaces.chain_space import NAS_BENCH_201 as SPACE

OLD, NEW = ProxySetting.parse("c4r4s0e6"), ProxySetting.parse("c3r3s0e6")


@pytest.fixture(scope="session")
def numbers(small):
    """Numbers of an asynchronous search, with or without audits that raise its setting."""

    def make(audits=False, **changes):
        auditing = Auditing(mode="escalate", cycles=(2,), ladder=(Step(NEW, 2.0),), networks=6, share=0.6)
        return small(**({"start": 8, "asynchronous": True, "audit": auditing if audits else None} | changes))

    return make


@pytest.fixture(scope="session")
def turned(fidelity):
    """The dearer setting likes networks the other way round, and all of them less."""
    return lambda trial: 1 - fidelity(trial) if trial.setting == OLD else fidelity(trial) / 10


def waits(log):
    """Roles of what was asked next after a free worker got nothing while others worked."""
    found = []
    for place, (running, trials) in enumerate(log.asks):
        if running and not trials:
            later = [batch for _, batch in log.asks[place:] if batch]
            found.append(later[0][0].role if later else None)
    return found


def cheap(trials, setting=None):
    return [trial for trial in trials if trial.role not in (AUDIT, RETRAIN) and setting in (None, trial.setting)]


# ---------------------------------------------------------------- no barrier


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_a_free_worker_waits_for_the_end_only(scattered, numbers, workers, seed):
    log = scattered(HierarchicalSearch(SPACE, numbers(), seed), workers, seed)
    assert set(waits(log)) <= {RETRAIN, None}
    assert {trial.role for trial in log.trials} == {CHILD, PROMOTION, RETRAIN}
    plain = scattered(HierarchicalSearch(SPACE, numbers(asynchronous=False), seed), workers, seed)
    assert CHILD in waits(plain)


def test_raising_the_setting_is_the_other_barrier(scattered, numbers, turned):
    raised = 0
    for seed in range(6):
        search = HierarchicalSearch(SPACE, numbers(audits=True, cycles=8), seed)
        log = scattered(search, 3, seed, accuracy=turned)
        escalated = [verdict.decision for verdict in search.verdicts] == ["escalated"]
        # the first children wait for the last of those who are trained again
        assert set(waits(log)) <= {RETRAIN, None} | ({RENEWAL, CHILD} if escalated else set())
        assert waits(log).count(CHILD) <= 2 * escalated
        assert bool([trial for trial in log.trials if trial.role == RENEWAL]) == escalated
        raised += escalated
    assert raised >= 3


def test_a_cycle_begins_with_whom_is_known_and_every_child_with_whom_is_known_by_then(numbers):
    """All eight have begun and end one by one; none is better than the one before, so that a lone parent shows."""
    search = HierarchicalSearch(SPACE, numbers(parents=(8, 0, 0), ageing=9), 0)
    trials = search.ask(8, 0)
    assert [search.ask(1, 8) for _ in range(2)] == [[], []]  # nobody to mutate yet
    known = []
    for one in trials[:8]:
        search.tell([Record(index=one.index, ok=True, metrics={"accuracy": 0.5})])
        known.append(one.genotype.key)
        while (child := search.ask(1, len(trials))) and child[0].role == PROMOTION:
            trials += child
        trials += child
        assert child[0].parent in known
    parents = {trial.parent for trial in trials if trial.parent is not None}
    assert len(parents) > 2


def test_children_come_from_the_populations_as_in_cycles(scattered, numbers):
    """2, 1 and 1 parents of networks trained 2, 4 and 6 epochs, as soon as there are such."""
    log = scattered(HierarchicalSearch(SPACE, numbers(cycles=30, start=8), 1), 3, 1)
    stops = {}
    for place, trial in enumerate(log.trials):
        if trial.parent is not None and place > 80:
            reached = max(t.stop for t in log.trials[:place] if t.genotype.key == trial.parent and t.role != RETRAIN)
            stops[reached] = stops.get(reached, 0) + 1
    assert set(stops) == {2, 4, 6}
    assert min(stops.values()) > 10


# ---------------------------------------------------------------- what holds in any order


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 200),
    workers=st.integers(1, 7),
    n=st.integers(1, 3),
    audits=st.booleans(),
    budget=st.sampled_from([None, 130, 300]),
)
def test_in_any_order_promotions_are_single_and_end_and_chains_hold(
    scattered, numbers, turned, seed, workers, n, audits, budget
):
    parameters = numbers(audits=audits, budget=budget, cycles=7)
    search = HierarchicalSearch(SPACE, parameters, seed)
    log = scattered(search, workers, seed, n, turned, fails=lambda trial: trial.index % 13 == 7)
    trials, resumed = log.trials, [trial.resumes for trial in log.trials if trial.resumes is not None]
    assert [trial.index for trial in trials] == list(range(len(trials)))
    assert len(set(resumed)) == len(resumed)
    assert not [index for index in resumed if index not in log.accuracies]
    for trial in cheap(trials):
        assert trial.stop <= 6
        if trial.resumes is not None:
            source = trials[trial.resumes]
            assert (source.genotype, source.setting, source.stop) == (trial.genotype, trial.setting, trial.start)
            assert source.keep
    stages = [(trial.genotype, trial.setting, trial.stop) for trial in cheap(trials)]
    assert len(set(stages)) == len(stages)
    if budget is not None:
        price = {OLD: 1.0, NEW: 2.0, parameters.final: 1.0}
        assert sum((trial.stop - trial.start) * price[trial.setting] for trial in trials) <= budget
    assert search.ask(3, len(trials)) == []


def test_after_a_raise_nobody_of_the_old_setting_competes(scattered, numbers, turned):
    competitions = 0
    for seed in range(6):
        search, raised = HierarchicalSearch(SPACE, numbers(audits=True, cycles=8), seed), []

        class Watched:
            tell = search.tell

            def ask(self, n, first, search=search, raised=raised):
                trials = search.ask(n, first)
                if trials and trials[0].setting == NEW and trials[0].role in (CHILD, PROMOTION):
                    raised.append((first, search.alive))
                return trials

        log = scattered(Watched(), 4, seed, accuracy=turned)
        for first, alive in raised:
            for network in alive:
                trial = log.trials[network.trial]
                assert trial.index < first
                assert (trial.setting, trial.stop) == (NEW, 2 * (network.level + 1))
                assert network.score == log.accuracies[network.trial]
        begun = [trial.index for trial in cheap(log.trials, NEW)]
        assert not begun or max(trial.index for trial in cheap(log.trials, OLD)) < min(begun)
        competitions += len(raised)
    assert competitions > 20


def test_an_audit_before_the_last_has_ended_is_left_out(numbers):
    """The slowest trainings of all are those of the first audit."""
    auditing = Auditing(mode="warn", cycles=(2, 3), ladder=(Step(NEW, 2.0),), networks=6, share=0.6)
    search = HierarchicalSearch(SPACE, numbers(audit=auditing, cycles=6), 0)
    asked, audits = [], []
    while trials := search.ask(1, len(asked)):
        asked += trials
        if trials[0].role == AUDIT:
            audits += trials
        else:
            search.tell([Record(index=trials[0].index, ok=True, metrics={"accuracy": trials[0].index / 1000})])
    assert [verdict.decision for verdict in search.verdicts] == ["skipped: the one before is still running"]
    search.tell([Record(index=t.index, ok=True, metrics={"accuracy": t.index / 1000}) for t in audits])
    assert search.ask(1, len(asked))
    assert [verdict.cycle for verdict in search.verdicts] == [3, 2]
    assert search.verdicts[1].networks == len(audits) == 6


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100), audits=st.booleans())
def test_an_empty_answer_changes_nothing(scattered, numbers, turned, seed, audits):
    """Who asks three times where one ask has no answer is asked for the same."""

    def make():
        return HierarchicalSearch(SPACE, numbers(audits=audits), seed)

    strategy = make()

    class Pressed:
        tell = strategy.tell

        def ask(self, n, first):
            before = strategy.alive, strategy.verdicts
            assert strategy.ask(0, first) == []
            trials = strategy.ask(n, first)
            if not trials and strategy.alive:
                assert [strategy.ask(n + extra, first) for extra in (0, 4)] == [[], []]
                assert (strategy.alive, strategy.verdicts) == before
            return trials

    assert scattered(Pressed(), 3, seed, accuracy=turned).trials == scattered(make(), 3, seed, accuracy=turned).trials


# ---------------------------------------------------------------- through the manager


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("audits", [False, True])
def test_killed_at_any_event_the_prefix_is_restored_and_nothing_is_lost_or_paid_twice(
    numbers, trained, turned, workers, torn, killed, shelf, after, audits
):
    def answer(jobs):
        return trained(jobs, accuracy=turned)

    def manage(journal, weights, seed):
        search = HierarchicalSearch(SPACE, numbers(audits=audits, start=5), 2)
        assert Manager(search, journal, weights, 1).run(workers(3, seed, answer))
        return search

    whole = Journal.memory({})
    manage(whole, shelf(), 0)
    roles = {trial.role for trial in whole.trials()}
    assert roles == ({CHILD, PROMOTION, RETRAIN} | ({AUDIT, RENEWAL} if audits else set()))
    for lives in range(0, len(whole.events()) - 10, 7):
        journal, weights = Journal.memory({}), shelf()
        with pytest.raises(killed):
            manage(torn(journal, lives, after), weights, lives)
        before, told, events = journal.trials(), journal.records(), journal.events()
        search = manage(journal, weights, lives + 1)
        assert journal.trials()[: len(before)] == before
        assert journal.events()[: len(events)] == events
        assert {index: journal.records()[index] for index in told} == told
        counts = journal.counts()
        assert (counts["failed"], counts["done"]) == (0, len(journal.trials()))
        stages = [(t.genotype, t.setting, t.stop, t.role == AUDIT) for t in journal.trials()]
        assert len(set(stages)) == len(stages)
        assert {record.attempt for record in journal.records().values()} == {1}
        assert len(search.finalists) == 2


def test_one_worker_alone_is_reproducible(numbers, trained, turned, workers, shelf):
    digests = set()
    for seed in (0, 1):
        journal = Journal.memory({})
        search = HierarchicalSearch(SPACE, numbers(audits=True), 2)
        executor = workers(1, seed, lambda jobs: trained(jobs, accuracy=turned))
        assert Manager(search, journal, shelf(), 1).run(executor)
        digests.add(journal.digest())
    assert len(digests) == 1
