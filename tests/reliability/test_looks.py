"""Looks: their levels, what they show, what is decided there, and how often that is wrong."""

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage import GRID, SIGNALS, WORLDS, draw_signals, until_decided
from zoo.reliability.interval import Estimate
from zoo.reliability.looks import NETWORKS, Decision, Judgement, Look, Rule, decision, in_sequence, judge, looks, spent
from zoo.reliability.recommendation import Candidate, Recommendation

LOOK = Look(24, 0.99, False)
RULE = Rule(target=0.8, at_least=4, resamples=200)
KNOWN = Estimate(0.95, 0.9, 0.98)


def zoo(noises, networks=24, seed=0):
    """Candidates by noise in standard deviations, and the reference (networks, 2)."""
    rng = np.random.default_rng(seed)
    quality = rng.standard_normal(networks)
    rows = quality + np.array(noises)[:, None] * rng.standard_normal((len(noises), networks))
    return rows, quality[:, None] + 0.05 * rng.standard_normal((networks, 2))


def candidates(rows, speeds):
    return [Candidate(f"candidate {i}", row, speed) for i, (row, speed) in enumerate(zip(rows, speeds, strict=True))]


def judged(noises, speeds, look=LOOK, **options):
    rows, reference = zoo(noises, look.networks)
    return judge(candidates(rows, speeds), reference, np.random.default_rng(1), look=look, rule=RULE, **options)


# ---------------------------------------------------------------- levels


@pytest.mark.parametrize(
    ("most", "sizes"), [(12, [12]), (13, [12, 13]), (24, [12, 16, 24]), (40, [12, 16, 24, 36, 40])]
)
def test_looks_end_with_the_last_network(most, sizes):
    found = looks(most)
    assert [look.networks for look in found] == sizes
    assert [look.last for look in found] == [False] * (len(sizes) - 1) + [True]


@pytest.mark.parametrize("most", [12, 20, 36, 50, 200])
def test_the_errors_of_all_looks_add_up_to_the_error_of_the_study(most):
    found = looks(most)
    assert math.fsum(1 - look.level for look in found) == pytest.approx(0.05, abs=1e-12)
    assert all(0.949 < look.level < 1 for look in found)
    assert [look.level for look in found] == sorted((look.level for look in found), reverse=True)
    assert {look.networks for look in looks(50)} == set(NETWORKS)


def test_a_look_with_nothing_to_spend_falls_away():
    assert [look.networks for look in looks(80)] == [16, 24, 36, 50, 80]
    assert looks(1000) == (Look(1000, 0.95, True),)


def test_a_small_study_spends_no_more_on_its_first_looks_than_a_large_one():
    assert [look.level for look in looks(24)[:2]] == [look.level for look in looks(50)[:2]]


def test_more_is_spent_the_more_is_measured_and_all_at_the_end():
    shares = np.linspace(0, 1, 11)
    assert np.all(np.diff([spent(share) for share in shares]) > 0)
    assert (spent(0), spent(1, 0.1)) == (0, pytest.approx(0.1))
    assert spent(0.5) == pytest.approx(2 - 2 * stats.norm.cdf(stats.norm.ppf(0.975) / math.sqrt(0.5)))


def test_a_study_that_ends_before_its_first_look_is_refused():
    with pytest.raises(ValueError, match=r"models must be at least 12 until decided, .* got 11"):
        looks(11)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 1}, "between 0 and 1, got 1"),
        ({"at_least": 0.5}, "at least 1, got 0.5"),
        ({"at_least": math.nan}, "nan"),
    ],
)
def test_a_rule_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Rule(**options)


# ---------------------------------------------------------------- bounds


def test_upper_bounds_lie_as_far_above_as_lower_ones_below():
    found = judged([0.2, 0.5, 1, 3], [2, 4, 8, 16], sequence=[])
    lower, upper = np.arctanh(found.recommendation.bounds), np.arctanh(found.upper)
    wider = np.arctanh(judged([0.2, 0.5, 1, 3], [2, 4, 8, 16], Look(24, 0.999, False), sequence=[]).upper)
    assert np.all(lower < upper)
    assert np.all(upper < wider)
    spread = upper - lower
    assert np.all(spread > 2 * 2.5 / math.sqrt(21)), "as wide as normal theory has it for one candidate, at least"


def test_a_candidates_own_bound_is_lower_than_the_one_that_holds_for_all():
    found = judged([1, 2, 3, 4], [5, 6, 7, 8])
    assert np.all(found.own < found.upper)
    assert np.all(found.own > np.tanh(np.arctanh(found.recommendation.bounds)))


def test_nobody_asks_for_own_bounds_where_an_estimate_reaches_the_target():
    assert np.isnan(judged([0.1, 3], [8, 8]).own).all()
    assert not np.isnan(judged([0.1, 3], [2, 8]).own).any(), "the good one is not cheap enough"


def test_too_few_networks_have_no_bounds():
    found = judged([0.1, 1], [8, 8], Look(3, 0.99, False))
    for bounds in (found.recommendation.bounds, found.upper, found.own):
        assert np.isnan(bounds).all()


def test_the_sequence_is_of_what_is_cheap_enough_and_ends_at_what_was_dropped():
    held = candidates(np.zeros((6, 3)), [2, 4, 8, 16, 32, 64])
    assert in_sequence(held, range(6), [], RULE) == [1, 2, 3, 4, 5]
    assert in_sequence(held, [1, 3, 5], [20.0], RULE) == [1, 3]
    assert in_sequence(held, range(6), [3.0], RULE) == [1, 2, 3, 4, 5], "a dropped one that is not in it ends nothing"
    assert in_sequence(held, range(6), [4.0, 99.0], RULE) == []


# ---------------------------------------------------------------- decisions


def judgement(index=None, upper=(0.9, 0.9, 0.9), own=(0.85, 0.85, 0.85), ceiling=KNOWN):
    promised = None if index is None else 0.83
    answer = Recommendation(index, "", "", promised, 0.8, ceiling, None, np.zeros(3))
    return Judgement(answer, np.array(upper), np.array(own), ceiling)


def decided(found, speeds=(64.0, 8.0, 2.0), groups=("c4r0s0e1", "c2r0s0e1", "c0r0s0e1"), look=LOOK):
    return decision(found, candidates(np.zeros((3, 4)), speeds), groups, look, RULE)


def test_a_safe_candidate_that_is_cheap_enough_ends_a_study():
    found = decided(judgement(1))
    assert (found.answer, found.candidate, found.acceleration, found.rho, found.ends) == (
        "safe", "candidate 1", 8, 0.83, True,
    )  # fmt: skip
    assert found.sentence == (
        "After 24 networks: candidate 1 is safe, 8 times cheaper than the reference in MACs with rho of at least 0.83 "
        "(95 % confidence over all looks)."
    )


def test_a_safe_candidate_that_is_too_dear_ends_nothing():
    found = decided(judgement(2))
    assert (found.answer, found.candidate, found.ends) == ("open", "candidate 2", False)
    assert "is safe, but only 2 times cheaper than the reference in MACs; 4 times are asked for" in found.sentence


def test_a_study_ends_where_nothing_cheap_can_be_safe():
    found = decided(judgement(own=(0.7, 0.75, 0.95)))
    assert (found.answer, found.candidate, found.rho, found.ends) == ("none", "candidate 1", 0.75, True)
    assert found.sentence.endswith(
        "nothing 4 times cheaper than the reference can reach rho 0.80: "
        "the best of them, candidate 1, reaches 0.75 at most."
    )


@pytest.mark.parametrize("own", [(0.7, 0.81, 0.1), (np.nan, 0.7, 0.1), (np.nan, np.nan, np.nan)])
def test_a_study_goes_on_while_one_may_be_safe(own):
    found = decided(judgement(own=own))
    assert (found.answer, found.ends, found.dropped) == ("open", False, ())


def test_a_study_ends_where_the_reference_is_not_reliable_enough():
    found = decided(judgement(ceiling=Estimate(0.5, 0.2, 0.77)))
    assert (found.answer, found.candidate, found.rho) == ("ceiling", "", 0.77)
    assert "reliable to rho 0.77 at most" in found.sentence
    assert decided(judgement(ceiling=Estimate(math.nan, math.nan, math.nan, "once"))).answer == "open"


def test_a_setting_is_dropped_by_all_of_its_signals_together():
    groups = ("c4r0s0e1", "c4r0s0e1", "c2r0s0e1")
    assert decided(judgement(upper=(0.7, 0.7, 0.9)), groups=groups).dropped == ("c4r0s0e1",)
    assert decided(judgement(upper=(0.7, 0.9, 0.7)), groups=groups).dropped == ("c2r0s0e1",)
    assert decided(judgement(upper=(np.nan, 0.7, np.nan)), groups=groups).dropped == ("c4r0s0e1",)
    assert decided(judgement(upper=(0.1, 0.1, 0.1)), groups=("", "", "")).dropped == (), "scores are no settings"


def test_what_is_dropped_is_said_where_the_study_goes_on():
    assert "c4r0s0e1 cannot reach the target" in decided(judgement(upper=(0.7, 0.9, 0.9))).sentence
    assert "cannot reach" not in decided(judgement(1, upper=(0.7, 0.9, 0.9))).sentence


@pytest.mark.parametrize("index", [None, 1, 2])
def test_the_last_look_ends_a_study_and_says_what_networks_after_it_are_worth(index):
    found = decided(judgement(index), look=Look(50, 0.97, True))
    assert found.ends
    assert found.sentence.endswith("This was the last look: networks that are added carry no guarantee.")


def test_a_decision_is_what_its_json_says():
    for found in (decided(judgement(1)), decided(judgement(upper=(0.7, np.nan, 0.7))), decided(judgement(2))):
        assert Decision.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found
    assert {field.name for field in dataclasses.fields(Decision)} == set(found.to_dict())


# ---------------------------------------------------------------- how often they are wrong


@pytest.mark.parametrize(("rho", "answer"), [(0.795, ""), (0.97, "safe"), (0.1, "none")])
def test_simulated_studies_end_as_they_should(rho, answer):
    """`python -m benchmarks coverage` has more of them, and more worlds."""
    strength = 2 * math.sin(math.pi * rho / 6)  # Pearson's correlation of a normal pair; the reference has no noise
    rng, rule = np.random.default_rng(0), Rule(resamples=100)
    zoos = [draw_signals(WORLDS[0], np.full((GRID, SIGNALS), strength), 50, rng) for _ in range(10)]
    found = [until_decided(*drawn, rng, rule) for drawn in zoos]
    if answer:
        assert [one.answer for one in found] == [answer] * 10
        assert max(one.networks for one in found) < 50
    else:
        assert sum(one.index is not None for one in found) <= 2  # 5 in 100
