from functools import partial

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage import NETWORKS, RHOS, WORLDS, coverage
from zoo.reliability.correlation import (
    resampled_entropy,
    resampled_kendall,
    resampled_overlap,
    resampled_spearman,
    resampled_tolerant,
    spearman,
)
from zoo.reliability.interval import bootstrap

MEASURES = [
    (resampled_spearman, "fisher", -1),
    (partial(resampled_tolerant, tolerance=0.01), "fisher", -1),
    (resampled_kendall, "fisher", -1),
    (partial(resampled_overlap, k=4), "percentile", 0),
]


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("measure", "scale", "lowest"), MEASURES)
@pytest.mark.parametrize("noise", [0, 0.05, 1])
def test_an_interval_contains_its_value_and_stays_in_range(measure, scale, lowest, noise):
    y = generator().random(16)
    x = y + noise * generator(1).random(16)
    estimate = bootstrap(measure, x, y, generator(2), 300, scale=scale)
    assert lowest <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.reason == ""


def test_the_interval_narrows_with_networks_and_widens_with_level():
    x, y = generator().standard_normal((2, 400))
    y = y + x
    few = bootstrap(resampled_spearman, x[:20], y[:20], generator(), 500)
    many = bootstrap(resampled_spearman, x, y, generator(), 500)
    surer = bootstrap(resampled_spearman, x, y, generator(), 500, level=0.99)
    assert few.high - few.low > many.high - many.low
    assert surer.low < many.low < many.high < surer.high
    assert many.value == spearman(x, y)


def test_perfect_order_in_a_small_zoo_is_no_certainty():
    estimate = bootstrap(resampled_spearman, range(8), range(8), generator(), 300)
    assert estimate.value == estimate.high == 1
    assert 0.5 < estimate.low < 0.97


def test_the_seed_decides():
    x, y = generator().random((2, 20))
    first, again, other = (bootstrap(resampled_spearman, x, y, generator(s), 200) for s in (1, 1, 2))
    assert first == again != other


def test_a_network_without_a_reference_changes_nothing():
    x, y = generator().random((2, 20))
    padded = bootstrap(resampled_spearman, [*x, 0.5], [*y, np.nan], generator(), 200)
    assert padded == bootstrap(resampled_spearman, x, y, generator(), 200)


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([0.5] * 8, range(8), "proxy scores are all equal"),
        (range(8), [0.5] * 8, "reference values are all equal"),
        ([np.nan] * 8, range(8), "every network failed"),
        ([1], [1], "too few networks"),
        ([], [], "too few networks"),
    ],
)
def test_undefined_has_a_reason(x, y, reason):
    estimate = bootstrap(resampled_spearman, x, y, generator(), 200)
    assert np.isnan([estimate.value, estimate.low, estimate.high]).all()
    assert reason in estimate.reason


def test_three_networks_have_a_value_but_no_interval():
    estimate = bootstrap(resampled_kendall, [1, 2, 3], [1, 2, 3], generator(), 200)
    assert estimate.value == 1
    assert np.isnan([estimate.low, estimate.high]).all()
    assert "at least 4" in estimate.reason


def test_all_tied_within_the_tolerance_has_a_reason():
    x, y = generator().random((2, 8))
    estimate = bootstrap(partial(resampled_tolerant, tolerance=2), x, y, generator(), 200)
    assert np.isnan(estimate.value)
    assert "tied" in estimate.reason


def test_entropy_along_a_factor():
    rng = generator()
    y = rng.standard_normal(60)
    x = y + np.array([[0.05], [0.6], [2], [12]]) * rng.standard_normal((4, 60))
    falling = bootstrap(resampled_entropy, x, y, generator(), 300, scale="percentile")
    assert falling.value == -1
    assert falling.low == -1
    assert -1 <= falling.high < -0.3
    alike = np.stack([y] * 3)
    assert "tied" in bootstrap(resampled_entropy, alike, y, generator(), 300, scale="percentile").reason


@pytest.mark.parametrize(("options", "expected"), [({"resamples": 10}, "100"), ({"level": 1.5}, "level")])
def test_bad_options_name_what_was_expected(options, expected):
    with pytest.raises(ValueError, match=f"expected .*{expected}"):
        bootstrap(resampled_spearman, range(8), range(8), generator(), **options)


def assert_covers(row, draws, error=1e-4):
    """Between 93 and 97 %, give or take what chance does to `draws` zoos with probability `error`."""
    fewest, most = stats.binom.ppf(error, draws, 0.93), stats.binom.ppf(1 - error, draws, 0.97)
    assert fewest <= row["coverage"] * draws <= most, row


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_intervals_cover(world):
    assert_covers(coverage(world, 0.8, 24, draws=400, seed=3, resamples=300), 400)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("networks", NETWORKS)
@pytest.mark.parametrize("rho", RHOS)
def test_intervals_cover_everywhere(world, networks, rho):
    if world.bad and rho < 0.6:
        pytest.skip("networks that are bad everywhere agree to 0.4 by themselves")
    assert_covers(coverage(world, rho, networks, draws=1500, seed=4), 1500)
