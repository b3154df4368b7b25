"""Partial Spearman against scipy, and the placebo: what says nothing beyond the control is not seen to."""

import numpy as np
import pytest
from scipy import stats

from zoo.reliability.correlation import spearman
from zoo.reliability.interval import resample
from zoo.reliability.partial import partial_spearman, placebo


def generator(seed=0):
    return np.random.default_rng(seed)


def zoo(networks=40, seed=0):
    """A control, a reference that rises with it, and a measurement that knows something else of the reference."""
    rng = generator(seed)
    control, quality = rng.standard_normal((2, networks))
    y = control + quality
    return quality + 0.5 * control + rng.standard_normal(networks), y, control


def partial(x, y, control, resamples=200, seed=0):
    return partial_spearman(x, y, control, resample(len(y), generator(seed), resamples))


def test_it_is_the_formula_of_the_three_correlations():
    x, y, control = zoo()
    xy, xz, yz = (stats.spearmanr(a, b)[0] for a, b in ((x, y), (x, control), (y, control)))
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    found = partial(x, y, control)
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high


@pytest.mark.parametrize("ties", [False, True])
def test_it_is_the_correlation_of_what_the_control_leaves_of_the_ranks(ties):
    x, y, control = zoo()
    if ties:
        x, y, control = (np.round(one) for one in (x, y, control))
    design = np.column_stack([np.ones(len(x)), stats.rankdata(control)])
    both = (stats.rankdata(x), stats.rankdata(y))
    left = [ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0] for ranks in both]
    assert partial(x, y, control).value == pytest.approx(stats.pearsonr(*left)[0])


def test_a_failed_network_is_ranked_last_here_too():
    x, y, control = zoo()
    failed, low = x.copy(), x.copy()
    failed[3], low[3] = -np.inf, x.min() - 1
    assert partial(failed, y, control) == partial(low, y, control)


def test_what_is_undefined_says_why():
    x, y, control = zoo()
    for found in (
        partial(control, y, control),
        partial(x, 2 * control, control),
        partial(np.ones(40), y, control),
        partial(x, np.ones(40), control),
        partial(x, y, np.ones(40)),
    ):
        assert np.isnan([found.value, found.low, found.high]).all()
        assert "constant, or that of the control" in found.reason
    assert "too few" in partial_spearman(x[:1], y[:1], control[:1], np.zeros((100, 1))).reason
    assert "no interval from 3" in partial(x[:3], y[:3], control[:3]).reason


def test_a_placebo_is_the_control_and_noise():
    control = np.exp(3 * generator().standard_normal(400))  # only its order counts
    found = placebo(control, generator(1))
    assert spearman(found, control) == pytest.approx(0.9, abs=0.03)
    assert np.array_equal(found, placebo(np.log(control), generator(1)))
    assert not np.array_equal(found, placebo(control, generator(2)))


def test_the_interval_of_the_placebo_holds_zero_in_nearly_all_zoos():
    held = 0
    for seed in range(100):
        _, y, control = zoo(24, seed)
        found = partial(placebo(control, generator((seed, 1))), y, control, 150, seed)
        held += found.low <= 0 <= found.high
    assert held >= 90


def test_what_does_know_more_than_the_control_is_seen_to():
    found = [partial(*zoo(60, seed), 150).low > 0 for seed in range(10)]
    assert sum(found) >= 8
