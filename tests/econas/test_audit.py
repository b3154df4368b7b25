"""Audits: whom they train, what they may cost, what they say, and what follows from it."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from econas.history.trajectory import AUDIT, CHILD, RENEWAL, RETRAIN
from econas.strategy.audit import Step, stratified
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters
from econas.strategy.population import Network
from zoo.population import ProxySetting
from zoo.purposes import AUDIT_INTERVALS, AUDITED
from zoo.reliability.correlation import resampled_spearman
from zoo.reliability.interval import bootstrap
from zoo.spaces.chain_space import NAS_BENCH_201 as SPACE

OLD, NEW, NEWER = (ProxySetting.parse(text) for text in ("c4r4s0e6", "c3r3s0e6", "c2r2s0e6"))
LADDER = (Step(NEW, 2.0), Step(NEWER, 3.0))
PRICES = {OLD: 1.0, NEW: 2.0, NEWER: 3.0}


def by_role(trials, role):
    return [trial for trial in trials if trial.role == role]


def cost(trials):
    return sum((trial.stop - trial.start) * PRICES[trial.setting] for trial in trials if trial.role != RETRAIN)


def decisions(search):
    return [verdict.decision.split(":")[0] for verdict in search.verdicts]


def said(search):
    return [verdict.to_dict() for verdict in search.verdicts]


# ---------------------------------------------------------------- the sample


@given(
    scores=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7]), min_size=1, max_size=40),
    count=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_a_sample_has_one_network_of_every_equal_part_of_the_ranking(scores, count, seed):
    genotype = SPACE.sample(np.random.default_rng(0))
    networks = [
        Network(genotype=genotype, level=0, score=0.0, trial=i, trained=0, first=first)
        for i, first in enumerate(scores)
    ]
    ranking = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    chosen = [one.trial for one in stratified(networks, count, np.random.default_rng(seed))]
    if len(scores) <= count:
        assert chosen == ranking
        return
    places = [ranking.index(trial) for trial in chosen]
    assert [place * count // len(scores) for place in places] == list(range(count)) or all(
        len(scores) * i // count <= place < len(scores) * (i + 1) // count for i, place in enumerate(places)
    )


def test_everyone_of_a_part_has_the_same_chance():
    genotype = SPACE.sample(np.random.default_rng(0))
    networks = [Network(genotype=genotype, level=0, score=0.0, trial=i, trained=0, first=-float(i)) for i in range(12)]
    drawn = Counter(
        one.trial
        for seed in range(400)
        for one in stratified(networks, 3, np.random.default_rng((seed, AUDITED)))
    )  # fmt: skip
    assert sorted(drawn) == list(range(12))
    assert all(abs(count - 100) < 4 * (400 * 3 / 16) ** 0.5 for count in drawn.values())


def test_audits_train_the_living_from_epoch_0_at_the_next_setting_and_nobody_twice(run, audited):
    history = run(HierarchicalSearch(SPACE, audited(mode="warn", ageing=9), 0))
    seen = set()
    for number, cycle in enumerate(history.cycles):
        audits = by_role(cycle, AUDIT)
        assert len(audits) == (8 if number in (2, 4) else 0)
        assert cycle[: len(audits)] == audits
        alive = {history.trials[trial].genotype for trial, _ in history.alive[number - 1]}
        for trial in audits:
            assert (trial.setting, trial.start, trial.stop, trial.resumes, trial.keep) == (NEW, 0, 6, None, False)
            assert trial.genotype in alive - seen
            seen.add(trial.genotype)


def test_a_warning_changes_neither_setting_nor_cycles(run, audited, absurd, small):
    search = HierarchicalSearch(SPACE, audited(mode="warn"), 0)
    history = run(search, accuracy=absurd)
    assert decisions(search) == ["warned", "warned"]
    plain = run(HierarchicalSearch(SPACE, audited(audit=None), 0), accuracy=absurd)
    assert {trial.setting for trial in history.trials if trial.role not in (AUDIT, RETRAIN)} == {OLD}
    assert RENEWAL not in {trial.role for trial in history.trials}

    def shape(cycle):
        return [(trial.role, trial.start, trial.stop) for trial in cycle if trial.role != AUDIT]

    assert [shape(cycle) for cycle in history.cycles] == [shape(cycle) for cycle in plain.cycles]


# ---------------------------------------------------------------- the price


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 100),
    budget=st.integers(300, 1200),
    dear=st.sampled_from([1.0, 2.5]),
    share=st.sampled_from([0.2, 0.3, 0.6]),
    limit=st.sampled_from([-1.0, 0.0, 0.99]),
    asynchronous=st.booleans(),
)
def test_neither_share_nor_budget_is_ever_exceeded(scattered, audited, seed, budget, dear, share, limit, asynchronous):
    ladder = (Step(NEW, dear), Step(NEWER, dear + 1))
    try:
        parameters = audited(
            ladder=ladder, share=share, limit=limit, budget=budget, cycles=(1, 3), asynchronous=asynchronous
        )
    except ValueError:  # too small for an audit, which another test looks at
        assume(False)
    costs = {OLD: 1.0, NEW: dear, NEWER: dear + 1}
    search = HierarchicalSearch(SPACE, parameters, seed)
    trials = scattered(search, seed=seed, fails=lambda trial: trial.index % 11 == 5).trials

    def paid(part):
        return sum((trial.stop - trial.start) * costs.get(trial.setting, 1.0) for trial in part)

    assert paid(trials) <= budget
    assert paid(by_role(trials, AUDIT)) <= share * parameters.search_budget + 1e-9
    assert paid(by_role(trials, RETRAIN)) == sum(t.stop for t in trials if t.role == RETRAIN) <= budget / 3
    assert all(verdict.decision.startswith("skipped") for verdict in search.verdicts) <= (not by_role(trials, AUDIT))


def test_every_audit_has_an_equal_part_of_the_share(run, audited):
    """Two audits of 5 networks, 12 epochs each; the share pays no 6th, and what one leaves is the next one's."""
    parameters = audited(mode="warn", share=0.3, budget=426.0)
    assert parameters.audit_money == pytest.approx(122.4)
    history = run(HierarchicalSearch(SPACE, parameters, 0))
    assert [len(by_role(cycle, AUDIT)) for cycle in history.cycles[:5]] == [0, 0, 5, 0, 5]


# ---------------------------------------------------------------- verdicts


def test_a_verdict_is_spearmans_correlation_with_the_bootstraps_interval(run, audited, fidelity):
    def noisy(trial):
        chance = np.random.default_rng((trial.index, 1)).normal()
        return 0.5 + fidelity(trial) / 10 + (0.02 * chance if trial.role == AUDIT else 0)

    search = HierarchicalSearch(SPACE, audited(mode="warn", networks=6), 5)
    history = run(search, accuracy=noisy, fails=lambda trial: trial.role == AUDIT and trial.index % 4 == 0)
    first = {t.genotype: history.accuracies[t.index] for t in history.trials if t.role == CHILD and not t.start}
    assert [verdict.cycle for verdict in search.verdicts] == [2, 4]
    for verdict in search.verdicts:
        held = [t for cycle in history.cycles[: verdict.cycle + 1] for t in by_role(cycle, AUDIT)]
        told = [trial for trial in held if trial.index in history.accuracies]
        assert len(told) < len(held)
        pairs = sorted((first[trial.genotype], history.accuracies[trial.index]) for trial in told)
        proxy, reference = zip(*pairs, strict=True)
        assert verdict.networks == len(pairs)
        assert verdict.rho == pytest.approx(spearmanr(proxy, reference).statistic)
        expected = bootstrap(
            resampled_spearman, proxy, reference, np.random.default_rng((5, verdict.cycle, AUDIT_INTERVALS))
        )  # fmt: skip
        assert (verdict.low, verdict.high) == (expected.low, expected.high)
        assert verdict.decision == ("trusted" if expected.low >= 0 else "warned")
        assert (verdict.setting, verdict.reference) == (OLD, NEW)


def test_the_lower_bound_counts_not_the_estimate(run, audited):
    """A correlation above the limit among eight networks may be chance."""
    doubtful = 0
    for seed in range(8):
        chance = np.random.default_rng(seed)
        search = HierarchicalSearch(SPACE, audited(mode="warn", cycles=(2,)), seed)
        run(search, accuracy=lambda trial, chance=chance: chance.random() if trial.role == AUDIT else trial.index / 1e3)
        (verdict,) = search.verdicts
        doubtful += verdict.rho > 0 > verdict.low
        assert verdict.decision == ("warned" if verdict.low < 0 else "trusted")
    assert doubtful


def test_audits_that_agree_are_trusted(run, audited):
    search = HierarchicalSearch(SPACE, audited(limit=0.2), 0)
    run(search)
    assert decisions(search) == ["trusted", "trusted"]
    assert all(verdict.rho == pytest.approx(1) and verdict.low > 0.2 for verdict in search.verdicts)


@pytest.mark.parametrize("fails", [True, False])
def test_audits_that_all_fail_or_all_tie_decide_nothing(run, audited, fails):
    search = HierarchicalSearch(SPACE, audited(), 0)
    history = run(
        search,
        accuracy=lambda trial: 0.5 if trial.role == AUDIT else trial.index / 1000,
        fails=lambda trial: fails and trial.role == AUDIT,
    )
    assert decisions(search) == ["undecided", "undecided"]
    assert RENEWAL not in {trial.role for trial in history.trials}
    assert [verdict.networks for verdict in search.verdicts] == ([0, 0] if fails else [8, 16])
    assert all(one["rho"] is one["low"] is None for one in said(search))


def test_everyone_alive_may_have_been_audited(run, audited):
    search = HierarchicalSearch(
        SPACE, audited(mode="warn", cycles=(1, 2), networks=40, share=0.9, parents=(1, 0, 0)), 0
    )
    run(search, fails=lambda trial: trial.role == CHILD and trial.parent is not None)
    assert [verdict.decision for verdict in search.verdicts][1] == "skipped: everyone alive was audited"
    assert search.verdicts[0].networks == 10


def test_a_dear_second_step_may_be_more_than_the_share_pays(run, audited, absurd):
    search = HierarchicalSearch(SPACE, audited(ladder=(Step(NEW, 2.0), Step(NEWER, 90.0))), 0)
    history = run(search, accuracy=absurd)
    assert decisions(search) == ["escalated", "skipped"]
    assert search.verdicts[1].decision == "skipped: its share pays 0 networks"
    assert (search.verdicts[1].setting, search.verdicts[1].reference) == (NEW, NEWER)
    assert NEWER not in {trial.setting for trial in history.trials}


def test_it_is_too_late_where_no_cycle_follows(run, audited, absurd):
    after = HierarchicalSearch(SPACE, audited(cycles=(6,)), 0)
    history = run(after, accuracy=absurd)
    assert decisions(after) == ["too late"]
    assert RENEWAL not in {trial.role for trial in history.trials}
    poor = HierarchicalSearch(SPACE, audited(budget=380.0, share=0.3, cycles=(3,)), 0)
    run(poor, accuracy=absurd)
    assert decisions(poor) == ["too late"]


@settings(max_examples=40, deadline=None)
@given(budget=st.integers(150, 400), cycle=st.integers(1, 5), seed=st.integers(0, 50))
def test_no_audit_takes_what_its_cycles_children_cost(run, audited, budget, cycle, seed):
    parameters = audited(mode="warn", cycles=(cycle,), share=0.6, budget=budget, networks=16)
    history = run(HierarchicalSearch(SPACE, parameters, seed))
    for trials in history.cycles:
        if by_role(trials, AUDIT):
            assert len(by_role(trials, AUDIT)) >= 4
            assert len(by_role(trials, CHILD)) == 8


# ---------------------------------------------------------------- numbers that do not fit

WRONG = {
    "audits warn or escalate, got 'shout'": {"mode": "shout"},
    "the cycles of audits must ascend from 1 up, got [2, 2]": {"cycles": (2, 2)},
    "the cycles of audits must ascend from 1 up, got [0, 2]": {"cycles": (0, 2)},
    "audits need a dearer setting with a positive price": {"ladder": ()},
    "an audit needs at least 4 networks for an interval, got 3": {"networks": 3},
    "limit must lie in [-1, 1) and share in (0, 1), got 1 and 0.1": {"limit": 1.0, "share": 0.1},
    "audits train for the search's 6 epochs, got c2r2s0e7": {
        "ladder": (Step(NEW, 2.0), Step(ProxySetting.parse("c2r2s0e7"), 3.0))
    },
    "audits train at another setting than the search's, got c4r4s0e6": {"ladder": (Step(OLD, 2.0),)},
    "an audit before cycle 7 of 6 cycles": {"cycles": (7,)},
    "2 audits of 4 networks at c3r3s0e6 cost 96": {"share": 0.1, "budget": 300.0},
}


@pytest.mark.parametrize("message", WRONG)
def test_numbers_that_do_not_fit_are_refused(audited, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        audited(**WRONG[message])
    assert message in str(caught.value)


def test_audits_are_ready_for_json(audited, absurd, run):
    numbers = audited().to_dict()["audit"]
    assert numbers["cycles"] == [2, 4]
    assert numbers["ladder"] == [{"setting": "c3r3s0e6", "price": 2.0}, {"setting": "c2r2s0e6", "price": 3.0}]
    search = HierarchicalSearch(SPACE, audited(), 0)
    run(search, accuracy=absurd)
    verdict = search.verdicts[0].to_dict()
    assert (verdict["setting"], verdict["reference"], verdict["decision"]) == ("c4r4s0e6", "c3r3s0e6", "escalated")


def test_what_is_written_is_read_and_knows_its_prices(audited):
    numbers = audited(final_price=5.0)
    assert Parameters.from_dict(json.loads(json.dumps(numbers.to_dict()))) == numbers
    assert [numbers.price(setting) for setting in (OLD, NEW, NEWER, numbers.final)] == [1.0, 2.0, 3.0, 5.0]
    with pytest.raises(ValueError, match=r"the search trains at .*, got c0r0s0e7"):
        numbers.price(ProxySetting.parse("c0r0s0e7"))
    with pytest.raises(ValueError, match="no parameters of a search"):
        Parameters.from_dict({"setting": "c4r4s0e6"})
