"""Scales of qualities: steep towards the best, or by rank."""

import numpy as np
import pytest

from zoo.surrogates import LogGap, log_gaps, normal_scores


def test_a_log_gap_grows_towards_the_best_and_is_undone():
    quality = np.array([0.1, 0.2, 0.5, 0.8, 0.9])
    scale = LogGap.of(quality)
    assert scale.top == pytest.approx(0.9 + (0.9 - 0.5) / 2)
    scaled = scale.to(quality)
    assert scaled[4] - scaled[3] > scaled[1] - scaled[0] > 0
    assert scale.back(scaled) == pytest.approx(quality)
    assert (scale.back(np.array([50.0])) <= scale.top).all()


@pytest.mark.parametrize("flat", [[0.3, 0.3, 0.3], [0.1, 0.3, 0.3], [0.3, 0.3 + 1e-16, 0.3], [1.0, 1.0 - 1e-16, 0.0]])
def test_qualities_that_are_alike_have_a_gap(flat):
    assert np.isfinite(LogGap.of(np.array(flat)).to(np.array(flat))).all()


def test_the_unit_of_a_quality_does_not_matter():
    values = np.random.default_rng(0).random(30)
    once, again = log_gaps(values), log_gaps(100 * values - 7)
    assert again + np.log(100) == pytest.approx(once)


def test_what_is_infinitely_bad_counts_as_the_worst():
    assert log_gaps(np.array([-np.inf, 0.0, 1.0, 2.0]))[0] == log_gaps(np.array([0.0, 0.0, 1.0, 2.0]))[1]
    assert log_gaps(np.array([-np.inf, -np.inf])).tolist() == [0.0, 0.0]


def test_normal_scores_are_quantiles_of_ranks():
    assert normal_scores(np.array([5.0, 1.0, 3.0])) == pytest.approx([0.967, -0.967, 0], abs=1e-3)
    assert normal_scores(np.array([2.0, 2.0])).tolist() == [0.0, 0.0]
    assert np.isfinite(normal_scores(np.array([-np.inf, 0.0, 1.0]))).all()
