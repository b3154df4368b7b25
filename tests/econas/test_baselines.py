"""The baselines: random networks, ageing evolution, evolution at one setting, asynchronous successive halving."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econas.history.trajectory import PROMOTION, RETRAIN
from econas.strategy.baselines import (
    RandomBaseline,
    RegularizedEvolution,
    ThenRetrain,
    evolution_then_retrain,
    random_then_retrain,
)
from econas.strategy.halving import Rung, SuccessiveHalving
from econas.strategy.parameters import Parameters
from zoo.population import Journal, Manager, ProxySetting, Record, SerialExecutor, WeightStore
from zoo.spaces.chain_space import NAS_BENCH_201 as SPACE
from zoo.spaces.chain_space import ChainSpace

CHEAP, FULL = ProxySetting(0, 0, 0, 3), ProxySetting(0, 0, 0, 10)
SEPARATE = (Rung(CHEAP, 3), Rung(FULL, 10))
CONTINUED = (Rung(FULL, 2), Rung(FULL, 5), Rung(FULL, 10))
TINY = ChainSpace(
    "tiny", (2, 2, 2), str, lambda choices: "".join(map(str, choices)), lambda text: tuple(map(int, text))
)


def numbers(budget):
    """As many finalists, and as large a share, as the search has by default."""
    return Parameters(start=2, stages=(3,), parents=(2,), promotions=(), setting=CHEAP, final=FULL, budget=budget)


MAKE = {
    "random": lambda budget, seed: RandomBaseline(SPACE, FULL, budget, seed),
    "regularized": lambda budget, seed: RegularizedEvolution(SPACE, FULL, budget, seed, population=4, sample=2),
    "single fidelity": lambda budget, seed: evolution_then_retrain(
        SPACE, numbers(budget), seed, population=4, sample=2
    ),
    "random, retrained": lambda budget, seed: random_then_retrain(SPACE, numbers(budget), seed),
    "halving": lambda budget, seed: SuccessiveHalving(SPACE, SEPARATE, budget, seed, eta=3),
    "halving, continued": lambda budget, seed: SuccessiveHalving(SPACE, CONTINUED, budget, seed, eta=2),
}


@pytest.fixture(params=list(MAKE))
def make(request):
    return MAKE[request.param]


def one_by_one(run, strategy, **options):
    """As one worker with batches of one would: the published order of every method."""

    class Single:
        tell = strategy.tell

        def __init__(self):
            self.waiting = False

        def ask(self, n, first):
            self.waiting = not self.waiting
            return strategy.ask(1, first) if self.waiting else []

    return run(Single(), **options)


# ---------------------------------------------------------------- what all of them keep


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(list(MAKE)), budget=st.integers(30, 300), seed=st.integers(0, 50), n=st.integers(1, 5))
def test_the_budget_is_never_exceeded_and_what_is_left_pays_nothing_more(run, name, budget, seed, n):
    strategy = MAKE[name](budget, seed)
    trials = run(strategy, n=n, fails=lambda trial: trial.index % 7 == 3).trials
    assert sum(trial.stop - trial.start for trial in trials) <= budget
    if name in ("random", "regularized"):
        assert len(trials) == budget // 10
    assert strategy.ask(5, len(trials)) == []


def test_the_same_seed_asks_the_same_and_another_does_not(run, make):
    first, second, other = (one_by_one(run, make(200, seed)).trials for seed in (1, 1, 2))
    assert first == second
    assert [t.genotype for t in first] != [t.genotype for t in other]


def test_trials_are_numbered_and_of_the_space(run, make):
    trials = run(make(200, 0), n=3).trials
    assert [trial.index for trial in trials] == list(range(len(trials)))
    assert all(SPACE.contains(trial.genotype) for trial in trials)


def test_asking_in_parts_is_asking_at_once(make):
    one, other = make(200, 0), make(200, 0)
    together = one.ask(6, 0)
    first = other.ask(2, 0)
    assert other.ask(0, len(first)) == []
    assert (first + other.ask(4, len(first)))[: len(together)] == together


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_event_nothing_is_lost_or_paid_twice(make, after, workers, torn, killed, trained, tmp_path):
    """What the journal holds is asked again as it was; with one worker, all the rest as well."""

    def manage(journal, folder, executor):
        return Manager(make(120, 3), journal, WeightStore(folder), 1).run(executor)

    whole = Journal.memory({})
    assert manage(whole, tmp_path / "whole", SerialExecutor(trained))
    assert whole.counts()["failed"] == 0
    for lives in range(0, len(whole.events()), 1 + len(whole.events()) // 7):
        for count in (1, 3):
            journal, folder = Journal.memory({}), tmp_path / f"{lives} {count}"
            with pytest.raises(killed):
                manage(torn(journal, lives, after), folder, workers(count, seed=lives))
            before = journal.trials()
            assert manage(journal, folder, workers(count, seed=lives))
            assert journal.trials()[: len(before)] == before
            assert sum(record.epochs_paid for record in journal.records().values()) <= 120
            assert {record.attempt for record in journal.records().values()} == {1}
            assert count > 1 or journal.digest() == whole.digest()


def test_weights_are_there_where_they_are_continued_and_the_best_are_kept(make, trained, workers, tmp_path):
    for count in (1, 3):
        store = WeightStore(tmp_path / str(count))
        journal, strategy = Journal.memory({}), make(200, 1)
        assert Manager(strategy, journal, store, 1).run(workers(count, seed=1))  # its evaluator checks every resumption
        final = [
            (record.metrics["accuracy"], -record.index)
            for trial, record in zip(journal.trials(), journal.records().values(), strict=True)
            if trial.stop == 10
        ]
        assert -max(final)[1] in strategy.resumable()


# ---------------------------------------------------------------- random


def test_random_networks_are_as_many_as_the_budget_pays_and_all_different(run):
    trials = run(RandomBaseline(SPACE, FULL, 1009, seed=0)).trials
    assert len(trials) == 100
    assert len({SPACE.function_key(trial.genotype) for trial in trials}) == 100
    assert {(trial.parent, trial.start, trial.stop) for trial in trials} == {(None, 0, 10)}


def test_random_networks_end_with_the_space_unless_they_may_repeat(run):
    assert len(run(RandomBaseline(TINY, FULL, 1000, seed=0)).trials) == 8
    assert len(run(RandomBaseline(TINY, FULL, 1000, seed=0, distinct=False)).trials) == 100


# ---------------------------------------------------------------- regularised evolution


def test_evolution_starts_at_random_and_then_lets_the_oldest_go(run, fidelity):
    """A large sample always finds the best of those alive: the last four trained."""
    strategy = RegularizedEvolution(SPACE, FULL, 400, 0, population=4, sample=200)
    history = one_by_one(run, strategy)
    assert [trial.parent for trial in history.trials[:4]] == [None] * 4
    for trial in history.trials[4:]:
        alive = history.trials[trial.index - 4 : trial.index]
        best = max(alive, key=lambda one: (fidelity(one), -one.index))
        assert trial.parent == best.genotype.key
        assert sum(a != b for a, b in zip(trial.genotype.choices, best.genotype.choices, strict=True)) == 1


def test_a_sample_is_drawn_with_replacement():
    """The best of four is missed by two draws with probability 9/16."""
    strategy = RegularizedEvolution(SPACE, FULL, 20_000, 0, population=4, sample=2)
    start = strategy.ask(4, 0)
    strategy.tell([Record(index=t.index, ok=True, metrics={"accuracy": 1 - t.index / 10}) for t in start])
    children = strategy.ask(1000, 4)
    wins = sum(trial.parent == start[0].genotype.key for trial in children)
    assert abs(wins / 1000 - 7 / 16) < 4 * (7 / 16 * 9 / 16 / 1000) ** 0.5


def test_evolution_repeats_itself_as_published_unless_told_not_to(run):
    published = one_by_one(run, RegularizedEvolution(SPACE, FULL, 2000, 0, population=5, sample=5)).trials
    distinct = one_by_one(run, RegularizedEvolution(SPACE, FULL, 2000, 0, population=5, sample=5, distinct=True)).trials
    assert len({trial.genotype.key for trial in published}) < len(published)
    assert len({SPACE.function_key(trial.genotype) for trial in distinct}) == len(distinct)


def test_evolution_waits_for_someone_to_mutate_and_starts_again_where_all_failed(run):
    strategy = RegularizedEvolution(SPACE, FULL, 100, 0, population=3, sample=2)
    assert len(strategy.ask(5, 0)) == 3
    assert strategy.ask(5, 3) == []
    trials = run(RegularizedEvolution(SPACE, FULL, 100, 0, population=3, sample=2), fails=lambda trial: True).trials
    assert len(trials) == 10
    assert {trial.parent for trial in trials} == {None}


# ---------------------------------------------------------------- one setting, then retraining


@pytest.mark.parametrize("name", ["single fidelity", "random, retrained"])
def test_the_best_of_all_cheap_trainings_are_retrained_by_the_searchs_rule(run, name):
    parameters, strategy = numbers(300), MAKE[name](300, 0)
    history = one_by_one(run, strategy)
    cheap = [trial for trial in history.trials if trial.role != RETRAIN]
    final = history.trials[len(cheap) :]
    assert len(cheap) == parameters.search_budget // 3
    assert len(final) == parameters.retrained == 5
    assert [(t.setting, t.start, t.stop) for t in final] == [(FULL, 0, 10)] * 5
    ranked = sorted(cheap, key=lambda trial: (-history.accuracies[trial.index], trial.index))
    assert [trial.genotype for trial in final] == [trial.genotype for trial in ranked[:5]]
    assert len({SPACE.function_key(trial.genotype) for trial in cheap}) == len(cheap)
    assert [(one.genotype, one.score, one.trial, trial) for one, trial in strategy.finalists] == [
        (trial.genotype, history.accuracies[trial.index], trial.index, final[place].index)
        for place, trial in enumerate(ranked[:5])
    ]


@pytest.mark.parametrize("name", ["single fidelity", "random, retrained"])
def test_retraining_waits_for_the_last_cheap_training(name):
    strategy = MAKE[name](36, 0)
    asked = strategy.ask(20, 0)
    while more := strategy.ask(20, len(asked)):
        asked += more
    assert strategy.ask(4, len(asked)) == []
    assert strategy.resumable() == set()
    assert strategy.finalists == []


def test_retraining_may_be_a_chain_and_a_finalist_may_fail(run):
    parameters = replace(numbers(300), final_every=4)
    strategy = random_then_retrain(SPACE, parameters, 0)
    history = run(strategy, fails=lambda trial: trial.role == RETRAIN and trial.index % 5 == 0 and trial.start == 4)
    final = [[(t.start, t.stop) for t in cycle] for cycle in history.cycles[1:]]
    assert final == [[(0, 4)] * 5, [(4, 8)] * 5, [(8, 10)] * 4]
    assert strategy.resumable() == {trial.index for trial in history.cycles[-1]}
    assert [trial for _, trial in strategy.finalists] == [trial.index for trial in history.cycles[-1]]
    trials = {trial.index: trial for trial in history.trials}
    for one, trial in strategy.finalists:
        assert trials[trial].genotype == trials[one.trial].genotype == one.genotype


def test_only_what_was_trained_to_the_end_is_retrained_and_nobody_twice(run):
    """A search that stops early with some, and trains the same network again."""
    parameters = replace(numbers(300), stages=(10,), setting=FULL, final=ProxySetting(0, 0, 0, 20))
    strategy = ThenRetrain(SuccessiveHalving(SPACE, CONTINUED, 60, 0, eta=2), parameters)
    history = one_by_one(run, strategy, accuracy=lambda trial: 1 / (1 + trial.index))
    final = [trial for trial in history.trials if trial.role == RETRAIN]
    ended = [trial for trial in history.trials if trial.stop == 10]
    assert [trial.genotype for trial in final] == [trial.genotype for trial in ended][:5]
    assert 0 < len(final) < 5
    one = ChainSpace("one", (1, 1), str, str, lambda text: (0, 0))
    strategy = ThenRetrain(RandomBaseline(one, CHEAP, 30, 0, distinct=False), numbers(300))
    assert [trial.role for trial in run(strategy).trials] == ["child"] * 10 + [RETRAIN]


def test_where_everyone_failed_nobody_is_retrained(run):
    strategy = MAKE["random, retrained"](300, 0)
    history = run(strategy, fails=lambda trial: True)
    assert {trial.role for trial in history.trials} == {"child"}
    assert (strategy.finalists, strategy.resumable()) == ([], set())


# ---------------------------------------------------------------- successive halving


@pytest.mark.parametrize(("rungs", "eta"), [(SEPARATE, 3), (CONTINUED, 2), (SEPARATE, 10 / 3)])
def test_a_promotion_is_among_the_best_of_its_rung_and_the_highest_there_is(run, rungs, eta):
    history = one_by_one(run, SuccessiveHalving(SPACE, rungs, 600, 0, eta=eta))
    stops = [rung.stop for rung in rungs]
    ended, promoted = [[] for _ in rungs], set()  # by rung: (minus accuracy, trial)
    genotypes = {}
    for trial in history.trials:
        possible = [
            (level, index)
            for level in range(len(rungs) - 2, -1, -1)
            for _, index in sorted(ended[level])[: int(len(ended[level]) / eta)]
            if index not in promoted
        ]
        if possible:
            level, source = possible[0]
            promoted.add(source)
            assert (trial.role, trial.genotype, trial.stop) == (PROMOTION, genotypes[source], stops[level + 1])
            continued = rungs[level].setting == rungs[level + 1].setting
            assert (trial.resumes, trial.start) == ((source, stops[level]) if continued else (None, 0))
        else:
            assert (trial.role, trial.start, trial.stop) == ("child", 0, stops[0])
        genotypes[trial.index] = trial.genotype
        ended[stops.index(trial.stop)].append((-history.accuracies[trial.index], trial.index))
    assert len(ended[-1]) > 1
    assert all(len(low) > len(high) for low, high in pairwise(ended))


def test_the_highest_rung_comes_first_and_a_batch_stays_on_one():
    strategy = SuccessiveHalving(SPACE, CONTINUED, 600, 0, eta=2)

    def answered(n, first):
        trials = strategy.ask(n, first)
        strategy.tell([Record(index=t.index, ok=True, metrics={"accuracy": t.index / 100}) for t in trials])
        return [(trial.resumes, trial.stop) for trial in trials]

    assert answered(8, 0) == [(None, 2)] * 8
    assert answered(2, 8) == [(7, 5), (6, 5)]
    assert answered(9, 10) == [(9, 10)]
    assert answered(9, 11) == [(5, 5), (4, 5)]
    assert answered(1, 13) == [(12, 10)]
    assert answered(9, 14) == [(11, 10)]
    assert answered(3, 15) == [(None, 2)] * 3


def test_failed_networks_do_not_climb(run):
    history = one_by_one(run, MAKE["halving, continued"](600, 0), fails=lambda trial: trial.index % 4 == 0)
    assert not any(trial.resumes % 4 == 0 for trial in history.trials if trial.resumes is not None)
    assert any(trial.resumes is not None for trial in history.trials)


def test_halving_starts_functions_once_unless_told_not_to(run):
    def started(**options):
        trials = run(SuccessiveHalving(TINY, SEPARATE, 500, 0, eta=3, **options), n=1).trials
        return [trial.genotype for trial in trials if trial.stop == 3]

    assert len(started()) == 8
    assert len(started(distinct=False)) > 8


# ---------------------------------------------------------------- what is refused

REFUSED = {
    "a budget of 9 epochs pays no training of 10": lambda: RandomBaseline(SPACE, FULL, 9, 0),
    "population must be at least 1, got 0": lambda: RegularizedEvolution(SPACE, FULL, 100, 0, population=0),
    "sample must be at least 1, got 0": lambda: RegularizedEvolution(SPACE, FULL, 100, 0, sample=0),
    "ends with its budget, got none": lambda: evolution_then_retrain(SPACE, numbers(None), 0),
    "at least one rung, got none": lambda: SuccessiveHalving(SPACE, [], 100, 0),
    "rungs of one setting must ascend, got 5, 5 epochs": lambda: SuccessiveHalving(SPACE, [Rung(FULL, 5)] * 2, 100, 0),
    "eta must be above 1, got 1": lambda: SuccessiveHalving(SPACE, SEPARATE, 100, 0, eta=1),
    "a budget of 2 epochs pays no training of 3": lambda: SuccessiveHalving(SPACE, SEPARATE, 2, 0),
    "a rung of c0r0s0e10 ends after 1 to 10 epochs, got 11": lambda: Rung(FULL, 11),
}


@pytest.mark.parametrize("message", REFUSED)
def test_numbers_that_do_not_fit_are_refused(message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        REFUSED[message]()
    assert message in str(caught.value)
