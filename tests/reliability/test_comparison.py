"""All measures of all candidates, each as the function of its own name gives it, and paired differences."""

from functools import reduce
from operator import add

import numpy as np
import pytest

from zoo.reliability.ceiling import corrected
from zoo.reliability.comparison import compare, difference, score
from zoo.reliability.correlation import kendall, resampled_spearman, spearman, tolerant_spearman, top_k_overlap
from zoo.reliability.interval import bootstrap, resample
from zoo.reliability.partial import partial_spearman
from zoo.reliability.recommendation import Candidate, choose
from zoo.reliability.shortlist import holds_best, regret

NAMES = ["fast", "middle", "slow"]


def generator(seed=0):
    return np.random.default_rng(seed)


def zoo(noises, networks=60, repeats=2, seed=0):
    """Scores (candidates, networks) and reference (networks, repeats); noises in standard deviations."""
    rng = generator(seed)
    quality = rng.standard_normal(networks)
    x = quality + np.array(noises)[:, None] * rng.standard_normal((len(noises), networks))
    return x, quality[:, None] + 0.02 * rng.standard_normal((networks, repeats))


def test_score_measures_every_candidate():
    scores, reference = zoo([1, 0.3, 0.1], networks=17)
    scores[0, 3] = np.nan
    control = generator(5).random(17)
    rows = score(scores, reference, NAMES, generator(), tolerance=0.01, control=control, resamples=300)
    mean = np.round(reference.mean(axis=1), 12)
    counts = resample(17, generator(), 300)  # the candidates share them
    for x, row, name in zip(scores, rows, NAMES, strict=True):
        assert (row.name, row.k, row.tolerance, row.networks, row.left_out) == (name, 4, 0.01, 17, 0)
        assert row.spearman.value == spearman(x, mean)
        assert row.tolerant.value == tolerant_spearman(x, mean, 0.01)
        assert row.kendall.value == kendall(x, mean)
        assert row.top_k.value == top_k_overlap(x, mean, 4)
        assert row.spearman.low < row.spearman.value < row.spearman.high
        ranked = np.where(np.isnan(x), -np.inf, x)
        assert row.beyond == partial_spearman(ranked, mean, control, counts)
        assert row.holds_best == holds_best(ranked, mean, 4, counts)
        assert row.regret == regret(ranked, mean, 4, counts)
        assert np.isnan(row.corrected)  # it needs the reliability
    assert [row.failed for row in rows] == [1, 0, 0]
    fine = score(scores, reference[:, 0], NAMES, generator(), k=2, resamples=300)
    assert (fine[0].tolerance, fine[0].k) == (0.0015, 2)
    assert fine[0].beyond.reason == "there is no control"


def test_networks_without_a_reference_are_left_out_of_every_measure():
    scores, reference = zoo([1, 0.3])
    control = generator(5).random(60)
    padded = np.hstack([scores, np.ones((2, 2))]), np.vstack([reference, np.full((2, 2), np.nan)])
    plain, other = (
        score(x, y, NAMES[:2], generator(), control=z, resamples=100)
        for x, y, z in ((scores, reference, control), (*padded, np.append(control, [7, 7])))
    )
    assert [(row.left_out, row.networks) for row in (*plain, *other)] == [(0, 60)] * 2 + [(2, 60)] * 2
    for a, b in zip(plain, other, strict=True):
        assert (a.spearman, a.beyond, a.holds_best, a.regret) == (b.spearman, b.beyond, b.holds_best, b.regret)


def test_the_mean_reference_skips_failed_repeats():
    scores, reference = zoo([0.3])
    reference[0, 1] = np.nan
    mean = [reference[0, 0], *reference[1:].mean(axis=1)]
    row = score(scores, reference, ["one"], generator(), resamples=100)[0]
    assert row.spearman.value == spearman(scores[0], mean)
    assert row.left_out == 0


def test_equal_means_tie_however_they_were_added():
    reference = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.9, 0.9, 0.9], [0.95, 0.95, 0.95]]
    # By rounding alone; one after the other, since `sum` of Python 3.12 and later makes up for it.
    assert reduce(add, reference[0]) != reduce(add, reference[1])
    row = score([[2, 1, 3, 4]], reference, ["one"], generator(), resamples=100)[0]
    assert row.spearman.value == spearman([2, 1, 3, 4], [1, 1, 2, 3])


def candidates(scores, speeds=(64.0, 8.0, 2.0)):
    return [Candidate(*one) for one in zip(NAMES, scores, speeds, strict=False)]


def test_a_comparison_is_its_scores_its_recommendation_and_its_placebo():
    scores, reference = zoo([1, 0.3, 0.1], repeats=3)
    found = compare(
        candidates(scores), reference, generator(), target=0.7, tolerance=0.1, control=np.arange(60.0), resamples=200
    )  # fmt: skip
    answer = choose(candidates(scores), reference, generator(), target=0.7, resamples=200)
    assert (found.recommendation.index, found.recommendation.sentence) == (answer.index, answer.sentence)
    assert [row.name for row in found.scores] == NAMES
    for row in found.scores:
        assert row.corrected == corrected(row.spearman.value, answer.ceiling.value)
        assert abs(row.corrected) >= abs(row.spearman.value)
        assert row.tolerance == 0.1
    assert found.placebo.low <= 0 <= found.placebo.high
    assert found.placebo.value != 0
    without = compare(candidates(scores), reference, generator(), resamples=200)
    assert without.placebo.reason == "there is no control"
    once = compare(candidates(scores), reference[:, 0], generator(), resamples=200)
    assert all(np.isnan(row.corrected) for row in once.scores)


def test_a_sequence_reaches_the_recommendation():
    scores, reference = zoo([1, 0.3, 0.1])
    with pytest.raises(ValueError, match="from 0 to 2"):
        compare(candidates(scores), reference, generator(), sequence=[3], resamples=100)


# ---------------------------------------------------------------- differences


def two(common, own, networks=40, seed=0):
    """Two measurements that err alike, and their reference."""
    rng = generator(seed)
    quality, both = rng.standard_normal((2, networks))
    first, second = quality + common * both + own * rng.standard_normal((2, networks))
    return Candidate("first", first, 4.0), Candidate("second", second, 4.0), quality


def test_a_difference_is_of_the_same_networks():
    first, second, reference = two(0.6, 0.2)
    found = difference(first, second, reference, generator(), 400)
    assert (found.first, found.second) == ("first", "second")
    assert found.spearman.value == pytest.approx(spearman(first.values, reference) - spearman(second.values, reference))
    draws = [resampled_spearman(one.values, reference, resample(40, generator(), 400)) for one in (first, second)]
    low, high = np.quantile(draws[0] - draws[1], (0.025, 0.975))
    assert (found.spearman.low, found.spearman.high) == pytest.approx((low, high))
    other_way = difference(second, first, reference, generator(), 400).spearman
    assert (other_way.value, other_way.low) == pytest.approx((-found.spearman.value, -found.spearman.high))


def test_its_interval_is_narrower_than_that_of_two_unpaired_measurements():
    for seed in range(5):
        first, second, reference = two(0.8, 0.1, seed=seed)
        paired = difference(first, second, reference, generator(), 400).spearman
        alone = [bootstrap(resampled_spearman, one.values, reference, generator(), 400) for one in (first, second)]
        unpaired = np.hypot(*[one.high - one.low for one in alone])
        assert paired.high - paired.low < 0.6 * unpaired


def test_equal_measurements_do_not_differ_and_a_better_one_does():
    first, _, reference = two(0.5, 0.1)
    same = difference(first, first, reference, generator(), 100).spearman
    assert (same.value, same.low, same.high) == (0, 0, 0)
    worse = Candidate("worse", reference + 3 * generator(8).standard_normal(40), 4.0)
    assert difference(first, worse, reference, generator(), 400).spearman.low > 0


def test_the_interval_of_equally_good_ones_holds_zero_in_most_zoos():
    found = [difference(*two(0.5, 0.5, 24, seed), generator(seed), 150).spearman for seed in range(60)]
    assert sum(one.low <= 0 <= one.high for one in found) >= 53


def test_a_difference_that_is_undefined_says_why():
    first, second, reference = two(0.5, 0.5)
    constant = Candidate("constant", np.ones(40), 4.0)
    assert "constant" in difference(first, constant, reference, generator(), 100).spearman.reason
    few = [Candidate(one.name, one.values[:3], 4.0) for one in (first, second)]
    found = difference(*few, reference[:3], generator(), 100).spearman
    assert np.isfinite(found.value)
    assert "no interval from 3" in found.reason
    gone = np.full(40, np.nan)
    gone[0] = 1.0
    assert "expected at least 2, got 1" in difference(first, second, gone, generator(), 100).spearman.reason
