"""The short list against brute force on tiny zoos, its order among equals, and what its intervals hold."""

import itertools

import numpy as np
import pytest

from zoo.reliability.interval import resample
from zoo.reliability.shortlist import holds_best, regret


def every_resample(networks):
    """Every way to draw a zoo again, (networksⁿ, networks): how often each network was drawn."""
    drawn = itertools.product(range(networks), repeat=networks)
    return np.array([np.bincount(one, minlength=networks) for one in drawn], dtype=float)


def listed(x, y, counts, k):
    """The networks of one drawn zoo, copy by copy, the best by x first and equals worst first; the first k of them."""
    copies = [i for i, count in enumerate(counts.astype(int)) for _ in range(count)]
    return sorted(copies, key=lambda i: (-x[i], y[i]))[:k], copies


def by_hand(x, y, k, counts):
    """The share of zoos whose list holds the best, and the mean of what the lists miss."""
    held, missed = [], []
    for row in counts:
        short, copies = listed(x, y, row, k)
        best = max(y[i] for i in copies)
        found = max(y[i] for i in short)
        held.append(found == best)
        missed.append(best - found)
    return np.mean(held), np.mean(missed)


ZOOS = {
    "reversed": ([1.0, 2.0, 3.0, 4.0], [0.9, 0.7, 0.4, 0.2]),
    "swapped": ([2.0, 1.0, 4.0, 3.0], [0.1, 0.2, 0.5, 0.9]),
    "tied": ([1.0, 1.0, 2.0, 2.0], [0.3, 0.5, 0.5, 0.1]),
    "failed": ([-np.inf, 1.0, -np.inf, 0.5], [0.9, 0.2, 0.4, 0.7]),
    "five": ([5.0, 1.0, 4.0, 2.0, 3.0], [0.5, 0.1, 0.2, 0.3, 0.9]),
}


@pytest.mark.parametrize("name", ZOOS)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_chance_and_regret_are_the_means_over_all_zoos_drawn_again(name, k):
    x, y = map(np.array, ZOOS[name])
    counts = every_resample(len(x))
    chance, missed = by_hand(x, y, k, counts)
    assert holds_best(x, y, k, counts).value == pytest.approx(chance)
    assert regret(x, y, k, counts).value == pytest.approx(missed)


def test_a_perfect_order_always_holds_the_best_and_is_still_not_certain():
    x = np.arange(20.0)
    counts = resample(20, np.random.default_rng(0), 500)
    chance, missed = holds_best(x, x, 1, counts), regret(x, x, 1, counts)
    assert (chance.value, chance.high) == (1, 1)
    assert 0.2 < chance.low < 0.6  # of two or three different best networks
    assert (missed.value, missed.low) == (0, 0)
    assert 0 < missed.high < 1


def test_wilsons_interval_of_as_many_trials_as_there_are_different_best_networks():
    x, y = (np.array(one) for one in ZOOS["swapped"])
    counts = every_resample(4)
    best = [max(y[i] for i in np.flatnonzero(row)) for row in counts]
    shares = np.unique(best, return_counts=True)[1] / 256
    n, p, z = 1 / np.sum(shares**2), by_hand(x, y, 1, counts)[0], 1.959964
    assert shares[-1] == pytest.approx(1 - 0.75**4)
    middle, reach = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    found = holds_best(x, y, 1, counts)
    assert [found.low, found.high] == pytest.approx([(middle + sign * reach) / (1 + z * z / n) for sign in (-1, 1)])


def test_a_list_of_all_holds_the_best():
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 8))
    counts = resample(8, rng, 300)
    assert holds_best(x, y, 8, counts).value == 1
    assert regret(x, y, 8, counts).value == 0


def test_equals_are_listed_worst_first():
    y = np.array([0.1, 0.2, 0.3, 0.4])
    counts = np.ones((100, 4))
    x = np.array([0.0, 0.0, 1.0, 1.0])
    assert holds_best(x, y, 1, counts).value == 0
    assert regret(x, y, 1, counts).value == pytest.approx(0.1)
    assert holds_best(x, y, 2, counts).value == 1


def test_small_zoos_have_no_interval_and_constant_scores_no_list():
    counts = np.ones((100, 3))
    for measure in (holds_best, regret):
        three = measure(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]), 1, counts)
        assert np.isfinite(three.value)
        assert np.isnan(three.low)
        assert "no interval from 3" in three.reason
        assert "too few" in measure(np.ones(1), np.ones(1), 1, counts[:, :1]).reason
        assert "alike" in measure(np.ones(3), np.arange(3.0), 1, counts).reason
        assert "alike" in measure(np.full(3, -np.inf), np.arange(3.0), 1, counts).reason


@pytest.mark.parametrize("rho", [0.3, 0.8, 0.95])
def test_the_intervals_hold_the_chance_and_the_regret_of_such_zoos(rho):
    rng = np.random.default_rng(1)
    networks, k = 24, 6

    def zoos(number):
        y = rng.standard_normal((number, networks))
        return rho * y + np.sqrt(1 - rho**2) * rng.standard_normal((number, networks)), y

    x, y = zoos(4000)
    found = np.take_along_axis(y, np.argsort(-x, axis=1)[:, :k], axis=1).max(axis=1)
    chance, missed = np.mean(found == y.max(axis=1)), np.mean(y.max(axis=1) - found)
    held, values = [], []
    for a, b in zip(*zoos(60), strict=True):
        counts = resample(networks, rng, 200)
        intervals = holds_best(a, b, k, counts), regret(a, b, k, counts)
        values.append([one.value for one in intervals])
        held.append([one.low <= truth <= one.high for one, truth in zip(intervals, (chance, missed), strict=True)])
    assert (np.mean(held, axis=0) >= (0.87, 0.77)).all()
    assert np.mean(values, axis=0) == pytest.approx([chance, missed], abs=0.07)  # a list of k of few promised 0.16 more
