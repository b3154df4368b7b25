"""Signals: what ranks cheap trainings and what judges finals, in every method, its audits, identity and report."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import spearmanr

from econas.history.alternatives import Alternative, alternatives
from econas.history.history import history
from econas.history.report import search_page, sentence, summary
from econas.history.survival import audited as audit_pairs
from econas.history.survival import passages
from econas.history.tables import finalists_frame
from econas.history.trajectory import AUDIT, CHILD, PROMOTION, RETRAIN
from econas.strategy.baselines import RegularizedEvolution, evolution_then_retrain, random_then_retrain
from econas.strategy.halving import Rung, SuccessiveHalving
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.population import Network, promoted
from econas.strategy.ranking import UNKNOWN, scorer
from zoo.population import Journal, Manager, Record
from zoo.population.executor import SerialExecutor
from zoo.population.trial import TRAIN_LOSSES
from zoo.reliability.signal import SIGNALS
from zoo.spaces.chain_space import NAS_BENCH_201 as SPACE

BEST, WEIGHTS = (3, 2, 3, 2, 3, 2), (1.0, 1.07, 1.13, 1.19, 1.27, 1.31)
"""A network of convolutions, and what a choice beside it costs at every position."""


def worth(trial):
    """What a network is worth, from 0 to 1: how near it is to the best one."""
    far = sum(w * abs(a - b) for w, a, b in zip(WEIGHTS, trial.genotype.choices, BEST, strict=True))
    return 1 - far / 24


def losses(trial):
    """The epochs of a stage, which begin where the last stage ended; all of them order networks by their worth."""
    return [2 - worth(trial) + 1 / (1 + epoch) for epoch in range(trial.start, trial.stop)]


def told(trial):
    """Losses that order networks perfectly, whatever accuracy says."""
    return {"loss": 3 - worth(trial) + 1 / trial.stop, "balanced_accuracy": worth(trial) / 2,
            "train_loss": losses(trial)[-1]}  # fmt: skip


def noted(trial):
    return {TRAIN_LOSSES: losses(trial)} if trial.stop - trial.start > 1 else {}


@pytest.fixture(scope="module")
def useless(fidelity):
    """An accuracy that knows nothing of cheap networks, and all of the retrained."""
    return lambda trial: worth(trial) if trial.role == RETRAIN else fidelity(trial) / 2


@pytest.fixture(scope="module")
def longer(small):
    """Numbers of a search that is long enough to find the best network if it knows which ones are better."""

    def make(**changes):
        numbers = {"start": 10, "parents": (4, 2, 2), "promotions": (4, 2), "cycles": 25, "ageing": 4}
        return small(**(numbers | changes))

    return make


@pytest.fixture(scope="module")
def found(journaled, useless):
    """What a strategy found on the planted measurements."""

    def make(strategy, numbers, folder=None, **changes):
        planted = {"accuracy": useless, "more": told, "notes": noted} | changes
        return history(journaled(strategy, numbers, folder, **planted))

    return make


# ---------------------------------------------------------------- what it ranks


@pytest.mark.parametrize("signal", ["loss", "train_loss", "train_loss_sum", "train_loss_late", "balanced_accuracy"])
def test_a_search_finds_the_best_by_a_signal_that_knows_it(longer, found, signal):
    for seed in (0, 2):
        numbers = longer(signal=signal, cycles=40)
        winner = found(HierarchicalSearch(SPACE, numbers, seed), numbers).winner
        assert (winner.trial.genotype.choices, winner.trial.role) == (BEST, RETRAIN)


def test_a_search_by_useless_accuracy_does_not(longer, found):
    for seed in (0, 2):
        numbers = longer(cycles=40)
        winner = found(HierarchicalSearch(SPACE, numbers, seed), numbers).winner
        assert winner.trial.genotype.choices != BEST
        assert worth(winner.trial) < 0.9


@pytest.mark.parametrize("method", [random_then_retrain, evolution_then_retrain])
def test_baselines_retrain_the_best_by_the_signal(small, run, useless, method):
    numbers = small(budget=300.0, stages=(6,), parents=(4,), promotions=(), signal="loss")
    sizes = {"population": 8, "sample": 4} if method is evolution_then_retrain else {}
    trials = run(method(SPACE, numbers, 0, **sizes), n=1, accuracy=useless, more=told).trials
    cheap = [trial for trial in trials if trial.role == CHILD]
    final = [trial.genotype for trial in trials if trial.role == RETRAIN]
    ranked = sorted(cheap, key=lambda trial: (-worth(trial), trial.index))
    assert final == [trial.genotype for trial in ranked[: numbers.retrained]]
    blind = run(method(SPACE, replace(numbers, signal="accuracy"), 0, **sizes), n=1, accuracy=useless, more=told)
    assert final != [trial.genotype for trial in blind.trials if trial.role == RETRAIN]


def one_by_one(strategy, useless):
    """Ask for one trial, tell it, and again."""
    trials = []
    while asked := strategy.ask(1, len(trials)):
        trials += asked
        metrics = {"accuracy": useless(asked[0])} | told(asked[0])
        strategy.tell([Record(index=asked[0].index, ok=True, metrics=metrics)])
    return trials


def best_of(trials):
    return max(trials, key=lambda one: (worth(one), -one.index))


def test_evolution_has_the_best_by_the_signal_as_parents_and_keeps_its_weights(useless, small):
    setting = small().setting
    strategy = RegularizedEvolution(SPACE, setting, 200, 0, population=4, sample=200, signal="train_loss")
    trials = one_by_one(strategy, useless)
    for trial in trials[4:]:
        assert trial.parent == best_of(trials[trial.index - 4 : trial.index]).genotype.key
    assert strategy.resumable() == {best_of(trials).index}


def test_halving_promotes_by_the_signal(useless, small):
    rungs = [Rung(small().final, stop) for stop in (2, 4, 9)]
    trials = one_by_one(SuccessiveHalving(SPACE, rungs, 100, 0, eta=2, signal="loss"), useless)
    promotions = [trial for trial in trials if trial.role == PROMOTION and trial.stop == 4]
    assert len(promotions) > 4
    for trial in promotions:
        before = sorted((t for t in trials[: trial.index] if not t.start), key=lambda one: (-worth(one), one.index))
        assert trial.genotype in [one.genotype for one in before[: len(before) // 2]]


def test_promotions_are_the_best_of_their_stage_by_the_sum_of_its_own_losses(longer, useless):
    """A later stage's losses are lower, and its stages may be longer: nobody is compared with another stage."""
    numbers = longer(signal="train_loss_sum", stages=(1, 2, 6), cycles=6, ageing=9)
    strategy, told_so_far = HierarchicalSearch(SPACE, numbers, 0), {}
    while cycle := _cycle(strategy, len(told_so_far)):
        for stop in (2, 6):
            asked = [trial.resumes for trial in cycle if trial.role == PROMOTION and trial.stop == stop]
            resumed = {trial.resumes for trial in told_so_far.values()}
            known = [t for t in told_so_far.values() if t.stop == {2: 1, 6: 2}[stop] and t.index not in resumed]
            ranked = sorted(known, key=lambda trial: (-worth(trial), trial.index))
            assert asked == [trial.index for trial in ranked[: len(asked)]]
        records = [
            Record(index=t.index, ok=True, metrics={"accuracy": useless(t)} | told(t), notes=noted(t),
                   epochs_paid=t.stop - t.start) for t in cycle
        ]  # fmt: skip
        strategy.tell(records)
        told_so_far |= {trial.index: trial for trial in cycle if trial.role != RETRAIN}
    assert {trial.stop for trial in told_so_far.values()} == {1, 2, 6}


def _cycle(strategy, first):
    trials = []
    while more := strategy.ask(100, first + len(trials)):
        trials += more
    return [] if trials and trials[0].role == RETRAIN else trials


def test_a_network_without_the_signal_ranks_last_and_stays(small, useless):
    score = scorer("loss")
    assert score(Record(index=0, ok=True, metrics={"accuracy": 0.9})) == UNKNOWN
    assert score(Record(index=0, ok=True, metrics={"loss": 9.0})) == -9.0
    genotype = SPACE.sample(np.random.default_rng(0))
    alive = [Network(genotype, 0, score, trial, 0) for trial, score in enumerate((UNKNOWN, -3.0, UNKNOWN, -2.0))]
    assert [one.trial for one in promoted(alive, 0, 4)] == [3, 1]
    strategy = HierarchicalSearch(SPACE, small(signal="loss", cycles=1, finalists=5), 0)
    trials = strategy.ask(5, 0)
    strategy.tell([Record(index=t.index, ok=True, metrics={"accuracy": useless(t)}) for t in trials[:4]])
    strategy.tell([Record(index=4, ok=True, metrics={"loss": 5.0})])
    assert [one.trial for one in strategy.alive] == [0, 1, 2, 3, 4]
    promotions = [trial.resumes for trial in _cycle(strategy, 5) if trial.role == PROMOTION]
    assert promotions == [4, 0]  # the only one with a loss, then the earliest without


# ---------------------------------------------------------------- arrival, audits


@pytest.mark.parametrize("signal", ["loss", "train_loss_sum"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_records_may_arrive_in_any_batches(longer, workers, trained, useless, signal, asynchronous):
    def journal(executor):
        made = Journal.memory({})
        numbers = longer(signal=signal, cycles=5, asynchronous=asynchronous)
        Manager(HierarchicalSearch(SPACE, numbers, 3), made, Kept(), batch=3).run(executor)
        return made

    def measured(jobs):
        return trained(jobs, accuracy=useless, more=told, notes=noted)

    whole = journal(SerialExecutor(measured))
    assert whole.counts()["failed"] == 0
    for count in (1, 4) if asynchronous else (1, 2, 5):
        other = journal(workers(count, seed=count, evaluator=measured))
        assert other.counts()["failed"] == 0
        if not asynchronous or count == 1:
            assert other.digest() == whole.digest()


class Kept(dict):
    """Weights in memory."""

    @property
    def names(self):
        return set(self)

    def put(self, data):
        self[str(hash(data))] = data
        return str(hash(data))

    def keep_only(self, names):
        for name in set(self) - set(names):
            del self[name]


def test_audits_compare_the_signal_with_the_metric(audited, found):
    """Loss agrees with the dearer balanced accuracy and not with its accuracy, accuracy with neither."""
    rhos = {}
    for signal, metric in (("loss", "balanced_accuracy"), ("loss", "accuracy"), ("accuracy", "balanced_accuracy")):
        numbers = audited(mode="warn", signal=signal, metric=metric)
        strategy = HierarchicalSearch(SPACE, numbers, 0)
        seen = found(strategy, numbers)
        last = strategy.verdicts[-1]
        score, pairs = scorer(signal), []
        for one in seen.of_role(AUDIT):
            first = seen.networks[one.network].trainings[0]
            pairs.append((score(first.record), one.record.metrics[metric]))
        assert last.rho == pytest.approx(spearmanr(*zip(*pairs, strict=True)).statistic)
        (way,) = audit_pairs(seen)
        assert [(one.before, one.after) for one in way.pairs] == pairs
        assert way.rho.value == pytest.approx(last.rho)
        rhos[signal, metric] = last.rho
    assert rhos["loss", "balanced_accuracy"] == pytest.approx(1)
    assert max(abs(rhos["loss", "accuracy"]), abs(rhos["accuracy", "balanced_accuracy"])) < 0.9


def test_an_audit_ranks_who_lacks_the_signal_below_all_others(audited, found):
    def some(trial):
        known = told(trial)
        if trial.index % 3 == 0 and trial.role == CHILD:
            del known["loss"]
        return known

    numbers = audited(mode="warn", signal="loss", metric="balanced_accuracy", ageing=9)
    strategy = HierarchicalSearch(SPACE, numbers, 0)
    found(strategy, numbers, more=some)
    pairs = [pair for part in strategy._pairs.values() for pair in part]
    assert any(score == UNKNOWN for score, _ in pairs)
    verdict = strategy.verdicts[-1]
    assert verdict.networks == len(pairs)
    lowest = min(score for score, _ in pairs if score != UNKNOWN) - 1
    clear = [(max(score, lowest), metric) for score, metric in pairs]
    assert verdict.rho == pytest.approx(spearmanr(*zip(*clear, strict=True)).statistic)


def test_audits_that_disagree_raise_the_setting_and_scores_begin_anew(audited, found):
    """At the next setting a loss is another number; whoever is not trained again there takes part in nothing."""
    numbers = audited(signal="loss", limit=0.9)
    strategy = HierarchicalSearch(SPACE, numbers, 0)
    seen = found(strategy, numbers, more=lambda trial: told(trial) | {"loss": 9 - worth(trial) - trial.setting.c})
    assert strategy.verdicts[0].decision == "escalated"
    assert {one.trial.setting.c for one in seen.trainings if one.cycle and one.cycle > 5} == {2}
    assert seen.unfinished == ""


# ---------------------------------------------------------------- finals


def test_the_winner_is_judged_by_the_metric(longer, found):
    def torn(trial):
        return told(trial) | ({"balanced_accuracy": 1 - worth(trial)} if trial.role == RETRAIN else {})

    for metric, turned in (("accuracy", 1), ("balanced_accuracy", -1)):
        numbers = longer(signal="loss", metric=metric, cycles=5, finalists=4)
        seen = found(HierarchicalSearch(SPACE, numbers, 0), numbers, more=torn)
        ends = [one.curve[-1].trial for one in seen.finalists]
        assert len({worth(trial) for trial in ends}) == 4
        assert seen.winner.trial == max(ends, key=lambda trial: turned * worth(trial))
        assert [seen.wins(one) for one in seen.finalists].count(True) == 1
        frame = finalists_frame(seen)
        assert frame.loc[frame["winner"], metric].item() == frame[metric].max() == seen.winner.judged
        assert f"test_{metric}" in frame


def test_before_the_retraining_the_signal_leads(longer, found):
    numbers = longer(signal="loss")
    seen = found(HierarchicalSearch(SPACE, numbers, 0), numbers, steps=60)
    ended = [one for one in seen.trainings if one.level == seen.winner.level and one.state == "ok"]
    assert seen.winner.trial.index == min(ended, key=lambda one: (one.metrics["loss"], one.trial.index)).trial.index
    assert "The best network so far by validation loss has" in sentence(seen)


# ---------------------------------------------------------------- the report


def test_a_report_names_the_signal_and_what_others_would_have_chosen(longer, found):
    numbers = longer(signal="loss", cycles=8, finalists=3)
    seen = found(HierarchicalSearch(SPACE, numbers, 0), numbers)
    page, answer = search_page(seen), summary(seen)
    assert "its best by validation loss first" in page
    assert "minus validation loss, P2" in page
    assert (answer["signal"], answer["metric"]) == ("loss", "accuracy")
    others = {one.signal.name: one for one in alternatives(seen)}
    assert set(others) == {"accuracy", "balanced_accuracy", "train_loss", "train_loss_sum", "train_loss_late"}
    assert others["train_loss"].sentence == (
        "By training loss of the last epoch the search would have retrained the same 3 networks, with the same one "
        "first."
    )
    last = [one for one in seen.trainings if one.level and one.level.last]
    ranked = sorted(last, key=lambda one: (-one.accuracy, one.trial.index))[:3]
    blind = others["accuracy"]
    assert blind.first == ranked[0].network
    assert blind.shared == len({one.network for one in ranked} & {one.network for one in seen.finalists}) < 3
    assert f"network {blind.first} instead of {seen.finalists[0].network} first" in blind.sentence
    assert all(one.sentence in page for one in others.values())
    assert answer["other_signals"]["accuracy"] == {
        "first": blind.first, "same_first": False, "shared": blind.shared, "of": 3
    }  # fmt: skip
    frame = finalists_frame(seen)
    assert list(frame["search_loss"]) == [seen.networks[n].reached.metrics["loss"] for n in frame["network"]]
    assert all(low <= high for low, high in pairwise(frame["search_loss"]))


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (
            (7, 7, 3, 3),
            "By validation loss the search would have retrained the same 3 networks, with the same one first.",
        ),
        ((9, 7, 3, 3), "retrained the same 3 networks, with network 9 instead of 7 first."),
        ((7, 7, 2, 3), "retrained 2 of the same 3 networks, with the same one first."),
        ((9, 7, 0, 3), "retrained none of the same 3 networks, with network 9 instead of 7 first."),
        ((7, 7, 1, 1), "retrained the same network."),
        ((9, 7, 0, 1), "retrained network 9 instead of 7."),
    ],
)
def test_a_choice_is_one_sentence(numbers, text):
    assert Alternative(SIGNALS["loss"], *numbers).sentence.endswith(text)
    summed = Alternative(SIGNALS["train_loss_sum"], *numbers).sentence
    assert summed.startswith("By training loss, summed over all epochs, the search would have retrained ")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"fails": lambda trial: trial.index % 4 == 1},
        {"cycles": 1, "finalists": 5},
        {"signal": "train_loss"},
        {"fails": lambda trial: trial.role == PROMOTION, "cycles": 1, "finalists": 5},
    ],
    ids=["usual", "some fail", "short", "by train_loss", "no promotions"],
)
def test_the_choice_is_repeated_from_the_journal(longer, found, changes):
    """Only where the search's own signal gives its finalists is anything said of others."""
    fails = {"fails": changes["fails"]} if "fails" in changes else {}
    numbers = longer(**({"cycles": 6} | {name: one for name, one in changes.items() if name != "fails"}))
    assert len(alternatives(found(HierarchicalSearch(SPACE, numbers, 0), numbers, **fails))) == 5


def test_only_what_every_candidate_has_is_compared(longer, found, journaled):
    numbers = longer(cycles=3)
    strategy = HierarchicalSearch(SPACE, numbers, 0)
    seen = found(strategy, numbers, notes=lambda trial: noted(trial) if trial.index > 8 else {})
    assert {one.signal.name for one in alternatives(seen)} == {"balanced_accuracy", "loss", "train_loss"}
    plain = history(journaled(HierarchicalSearch(SPACE, numbers, 0), numbers))
    assert alternatives(plain) == []
    assert "The choice by another signal" not in search_page(plain)


def test_survival_is_about_the_signal(longer, found):
    numbers = longer(signal="train_loss", cycles=8)
    first, second, final = passages(found(HierarchicalSearch(SPACE, numbers, 0), numbers))
    assert [way.judged for way in (first, second, final)] == [False, False, True]
    assert all(way.rho.value == pytest.approx(1) for way in (first, second))
    assert all(one.before < 0 for way in (first, second, final) for one in way.pairs)
    assert all(one.after < 0 for one in second.pairs)
    assert all(one.after > 0 for one in final.pairs)
