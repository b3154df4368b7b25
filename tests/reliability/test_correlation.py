import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from zoo.reliability.correlation import (
    entropy,
    kendall,
    resampled_entropy,
    resampled_kendall,
    resampled_overlap,
    resampled_spearman,
    resampled_tolerant,
    spearman,
    tolerant_spearman,
    top_k_overlap,
    undefined_because,
)

accuracies = st.integers(0, 20).map(lambda k: k / 20)  # few values: many ties


@st.composite
def zoos(draw, smallest=4, largest=30):
    """Two columns that are not constant."""
    n = draw(st.integers(smallest, largest))
    column = st.lists(accuracies, min_size=n, max_size=n).filter(lambda v: len(set(v)) > 1)
    return np.array(draw(column)), np.array(draw(column))


@settings(deadline=None)
@given(zoos())
def test_agreement_with_scipy(zoo):
    x, y = zoo
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)
    assert kendall(x, y) == pytest.approx(stats.kendalltau(x, y)[0], abs=1e-12)


@settings(deadline=None)
@given(zoos())
def test_tolerance_zero_is_spearman(zoo):
    assert tolerant_spearman(*zoo, tolerance=0) == pytest.approx(spearman(*zoo), abs=1e-12)


@settings(deadline=None)
@given(zoos(), st.randoms(use_true_random=False))
def test_neither_the_order_of_networks_nor_a_monotone_scale_matters(zoo, random):
    x, y = zoo
    order = np.array(random.sample(range(len(x)), len(x)))
    for measure in (spearman, kendall, lambda a, b: top_k_overlap(a, b, 3)):
        value = measure(x, y)
        assert measure(x[order], y[order]) == pytest.approx(value, abs=1e-12)
        assert measure(np.exp(3 * x), y**3) == pytest.approx(value, abs=1e-12)
    assert spearman(-x, y) == pytest.approx(-spearman(x, y), abs=1e-12)
    b = 0.12
    assert tolerant_spearman(x[order], y[order], b) == pytest.approx(tolerant_spearman(x, y, b), abs=1e-12)
    assert tolerant_spearman(x + 0.25, y + 0.5, b) == pytest.approx(tolerant_spearman(x, y, b), abs=1e-9)


def test_tolerant_by_hand():
    # b = 1: only 0 and 1 are within 1 of each other in both settings; rank_x = rank_y = (1.5, 1.5, 3, 4)
    assert tolerant_spearman([0, 1, 2, 3], [1, 0, 2, 3.5], 1) == pytest.approx(1)
    assert spearman([0, 1, 2, 3], [1, 0, 2, 3.5]) == pytest.approx(0.8)
    # ties need not be transitive: (0, 1) and (1, 2) are tied, (0, 2) is not, 3 is far from all.
    # Sums of s_x: -2, -1, 0, 3; of s_y: 0, 1, 2, -3; rank = 2.5 + half of that
    rank_x, rank_y = [1.5, 2, 2.5, 4], [2.5, 3, 3.5, 1]
    expected = np.corrcoef(rank_x, rank_y)[0, 1]
    assert tolerant_spearman([0, 1, 2, 9], [0, 1, 2, -9], 1) == pytest.approx(expected)


def test_exactly_the_tolerance_is_within_it():
    low, high = 1700 / 2000, 1703 / 2000
    assert high - low > 0.0015  # by rounding alone
    assert tolerant_spearman([low, high, 0.95], [high, low, 0.95], 0.0015) == pytest.approx(1)
    assert tolerant_spearman([low, high + 0.0005, 0.95], [high, low, 0.95], 0.0015) == pytest.approx(0.5)


def test_a_pair_close_in_one_setting_only_is_no_tie():
    assert tolerant_spearman([0.9, 0.901, 0.95], [0.95, 0.9, 0.97], 0.0015) == pytest.approx(0.5)


def test_top_k_overlap_breaks_ties_at_random():
    assert top_k_overlap([4, 3, 2, 1], [40, 30, 20, 10], 2) == 1
    assert top_k_overlap([1, 2, 3, 4], [40, 30, 20, 10], 2) == 0
    assert top_k_overlap([4, 3, 3, 1], [4, 3, 2, 1], 2) == 0.75  # half the draws miss one of two
    assert top_k_overlap([1, 1, 1, 1], [4, 3, 2, 1], 1) == 0.25  # a constant proxy finds k / n
    assert top_k_overlap([1, 5, 3], [2, 9, 4], 3) == 1
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 4, 12), rng.integers(0, 4, 12)
    broken = [
        len(set(np.argsort(x + rng.random(12))[-5:]) & set(np.argsort(y + rng.random(12))[-5:])) / 5
        for _ in range(4000)
    ]
    assert top_k_overlap(x, y, 5) == pytest.approx(np.mean(broken), abs=5 * np.std(broken) / 4000**0.5)


def test_entropy():
    assert entropy([0.1, 0.2, 0.4, 0.9]) == 1
    assert entropy([0.9, 0.4, 0.2]) == -1
    assert entropy([0.5, 0.7, 0.6, 0.6, 0.2]) == pytest.approx(stats.spearmanr([0.5, 0.7, 0.6, 0.6, 0.2], range(5))[0])
    for undefined in ([], [0.5], [0.5, 0.5, 0.5], [0.1, np.nan, 0.3]):
        assert np.isnan(entropy(undefined))


def test_a_failure_ranks_last_and_failures_tie():
    y = [0.9, 0.8, 0.7, 0.6]
    assert spearman([np.nan, 0.3, 0.2, 0.1], y) == spearman([-1, 0.3, 0.2, 0.1], y)
    assert spearman([0.4, 0.3, np.nan, np.nan], y) == spearman([0.4, 0.3, 0, 0], y)
    assert tolerant_spearman([0.4, 0.3, np.nan, np.nan], y, 0.0015) == pytest.approx(
        tolerant_spearman([0.4, 0.3, 0, 0], y, 0.0015)
    )
    assert kendall([0.4, 0.3, np.nan, np.nan], y) == pytest.approx(kendall([0.4, 0.3, 0, 0], y))
    assert top_k_overlap([np.nan, 0.3, 0.2, 0.1], y, 1) == 0


def test_a_network_without_a_reference_is_left_out():
    x, y = [0.1, 0.2, 0.3, 0.4, 0.25], [0.5, 0.7, 0.6, 0.9, np.nan]
    for measure in (spearman, kendall, lambda a, b: tolerant_spearman(a, b, 0.1)):
        assert measure(x, y) == measure(x[:4], y[:4])


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1, 1, 1], [1, 2, 3], "proxy scores are all equal"),
        ([1, 2, 3], [2, 2, 2], "reference values are all equal"),
        ([np.nan] * 3, [1, 2, 3], "every network failed"),
        ([1], [1], "expected at least 2, got 1"),
        ([1, 2], [np.nan, 1], "expected at least 2, got 1"),
        ([], [], "expected at least 2, got 0"),
    ],
)
def test_undefined_is_nan_with_a_reason_and_no_warning(x, y, reason):
    assert np.isnan(spearman(x, y))
    assert np.isnan(kendall(x, y))
    assert np.isnan(tolerant_spearman(x, y, 0.1))
    assert reason in undefined_because(x, y)


def test_all_within_the_tolerance_is_undefined():
    assert np.isnan(tolerant_spearman([0.1, 0.2, 0.3], [0.3, 0.1, 0.2], 0.5))
    assert undefined_because([0.1, 0.2], [0.1, 0.2]) == ""


@pytest.mark.parametrize(
    ("x", "y"),
    [([1, 2], [1, 2, 3]), ([[1, 2]], [1, 2]), (1, [1]), ([1, 2], [[1, 2]]), ([1, np.inf], [1, 2])],
)
def test_bad_input_names_what_was_expected(x, y):
    for measure in (spearman, kendall, undefined_because, lambda a, b: tolerant_spearman(a, b, 0)):
        with pytest.raises(ValueError, match=r"expected .*got"):
            measure(x, y)


def test_bad_options_name_what_was_expected():
    with pytest.raises(ValueError, match=r"expected k between 1 and the 3 .*got 4"):
        top_k_overlap([1, 2, 3], [1, 2, 3], 4)
    with pytest.raises(ValueError, match=r"expected a tolerance of at least 0, got -1"):
        tolerant_spearman([1, 2], [1, 2], -1)


@settings(deadline=None)
@given(zoos(), st.integers(0, 2**32 - 1))
def test_a_row_of_counts_is_the_zoo_drawn_that_way(zoo, seed):
    x, y = zoo
    drawn = np.random.default_rng(seed).integers(0, len(x), len(x))
    counts = np.bincount(drawn, minlength=len(x))[None].astype(float)
    a, b, k = x[drawn], y[drawn], len(x) // 2
    for resampled, direct in (
        (resampled_spearman(x, y, counts), spearman(a, b)),
        (resampled_kendall(x, y, counts), kendall(a, b)),
        (resampled_tolerant(x, y, counts, tolerance=0.1), tolerant_spearman(a, b, 0.1)),
        (resampled_overlap(x, y, counts, k=k), top_k_overlap(a, b, k)),
        (
            resampled_entropy(np.stack([x, y, -x]), y, counts),
            entropy([spearman(a, b), spearman(b, b), spearman(-a, b)]),
        ),
    ):
        assert resampled[0] == pytest.approx(direct, abs=1e-12, nan_ok=True)
