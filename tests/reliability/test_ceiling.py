"""The reliability of a reference: Spearman-Brown by hand, forwards and backwards; the correction for attenuation."""

import math

import numpy as np
import pytest
from scipy import stats

from zoo.reliability.ceiling import (
    agreement,
    as_columns,
    ceiling,
    corrected,
    how_reliable,
    networks_for,
    repeats_for,
    spearman_brown,
)
from zoo.reliability.correlation import spearman
from zoo.reliability.interval import Estimate

NAN = math.nan


def generator(seed=0):
    return np.random.default_rng(seed)


def repeated(networks=60, repeats=2, noise=0.5, seed=0):
    """A reference whose repeats are a quality and noise."""
    rng = generator(seed)
    return rng.standard_normal(networks)[:, None] + noise * rng.standard_normal((networks, repeats))


@pytest.mark.parametrize(
    ("single", "repeats", "expected"),
    [(0.5, 1, 0.5), (0.5, 2, 2 / 3), (0.6, 3, 1.8 / 2.2), (1.0, 4, 1.0), (0.0, 5, 0.0), (-0.2, 2, -0.5)],
)
def test_spearman_brown_by_hand(single, repeats, expected):
    assert spearman_brown(single, repeats) == pytest.approx(expected)


def test_spearman_brown_stays_a_correlation():
    assert spearman_brown(-0.5, 3) == -1  # 1 + 2 · (-0.5) is 0
    assert spearman_brown(-0.9, 4) == -1
    assert spearman_brown(-0.4, 3) == -1  # -1.2 / 0.2
    assert math.isnan(spearman_brown(NAN, 1))
    assert math.isnan(spearman_brown(NAN, 3))


def test_the_ceiling_is_that_of_the_mean_of_all_repeats():
    reference = repeated(repeats=3)
    pairs = [stats.spearmanr(reference[:, i], reference[:, j])[0] for i, j in ((0, 1), (0, 2), (1, 2))]
    r = np.mean(pairs)
    single, top = agreement(reference, generator()), ceiling(reference, generator())
    assert single.value == pytest.approx(r)
    assert top.value == pytest.approx(3 * r / (1 + 2 * r))
    assert [top.low, top.high] == pytest.approx([3 * one / (1 + 2 * one) for one in (single.low, single.high)])
    assert top.low < top.value < top.high


def test_a_pair_of_repeats_is_compared_over_the_networks_that_have_both():
    reference = repeated(repeats=2)
    reference[4, 1] = NAN
    kept = np.delete(reference, 4, axis=0)
    assert agreement(reference, generator()).value == spearman(kept[:, 0], kept[:, 1])
    gone = np.vstack([reference, [[NAN, NAN]] * 3])
    assert ceiling(gone, generator()) == ceiling(reference, generator())


def test_the_ceiling_says_how_two_such_means_agree():
    whole = repeated(networks=4000, repeats=6, noise=1.0)
    again = spearman(whole[:, :3].mean(axis=1), whole[:, 3:].mean(axis=1))
    assert ceiling(whole[:, :3][:800], generator(), 100).value == pytest.approx(again, abs=0.05)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (np.ones(9), "trained once"),
        (np.ones((9, 1)), "trained once"),
        (np.full((9, 2), 0.5), "constant"),
        (np.array([[0.1, NAN], [0.2, NAN], [NAN, 0.3], [NAN, 0.4]]), "share no networks"),
        (np.array([[0.1, 0.2], [NAN, NAN]]), "too few networks"),
    ],
)
def test_a_reference_without_a_ceiling_says_why(reference, reason):
    found = ceiling(reference, generator(), 100)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert reason in found.reason


def test_a_reference_has_one_or_two_dimensions():
    assert as_columns([1, 2, 3]).shape == (3, 1)
    with pytest.raises(ValueError, match=r"\(networks, repeats\), got shape \(2, 2, 2\)"):
        as_columns(np.ones((2, 2, 2)))


@pytest.mark.parametrize("single", [0.05, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("repeats", [1, 2, 5])
@pytest.mark.parametrize("target", [0.3, 0.8, 0.95])
def test_as_many_repeats_as_are_needed_reach_the_target_and_one_less_does_not(single, repeats, target):
    needed = repeats_for(spearman_brown(single, repeats), repeats, target)
    assert spearman_brown(single, needed) >= target - 1e-9
    assert needed == 1 or spearman_brown(single, needed - 1) < target


def test_repeats_by_hand():
    assert repeats_for(0.5, 1, 0.8) == 4
    assert repeats_for(2 / 3, 2, 0.8) == 4  # the same pair, and rounding errors cost nothing
    assert repeats_for(1.0, 2, 0.8) == 1
    assert repeats_for(0.0, 2, 0.8) is None
    assert repeats_for(-0.3, 2, 0.8) is None
    assert repeats_for(NAN, 2, 0.8) is None


def test_networks_that_narrow_the_interval_by_hand():
    top = Estimate(0.9, 0.7, 0.97)
    # pairs of 0.818, 0.538 and 0.667: 3 + 27 · ((1.151 - 0.602) / (1.151 - 0.805))² = 70.9
    assert networks_for(top, 2, 30, 0.8) == 71
    assert networks_for(top, 2, 30, 0.7) is None  # reached
    assert networks_for(top, 2, 30, 0.95) is None  # above the estimate
    assert networks_for(Estimate(NAN, NAN, NAN), 2, 30, 0.8) is None
    assert networks_for(top, 2, 3, 0.8) is None


def test_so_many_networks_do_narrow_the_interval_to_the_target():
    few = [ceiling(repeated(30, noise=0.45, seed=seed), generator(), 300) for seed in range(9)]
    typical = Estimate(*(float(np.median([getattr(one, end) for one in few])) for end in ("value", "low", "high")))
    number = networks_for(typical, 2, 30, 0.8)
    assert number is not None
    assert number > 30
    many = [ceiling(repeated(number, noise=0.45, seed=seed), generator(), 300).low for seed in range(9)]
    assert np.median(many) == pytest.approx(0.8, abs=0.05)


def test_corrected_is_divided_by_the_root_of_the_reliability():
    assert corrected(0.6, 0.81) == pytest.approx(0.6 / 0.9)
    assert corrected(-0.6, 0.25) == -1
    assert corrected(0.9, 0.5) == 1
    for unknown in (NAN, 0.0, -0.2):
        assert math.isnan(corrected(0.6, unknown))


def test_corrected_is_what_a_reference_without_noise_would_give():
    rng = generator(3)
    quality = rng.standard_normal(1500)
    x = quality + rng.standard_normal(1500)
    noisy = quality[:, None] + rng.standard_normal((1500, 2))
    top = ceiling(noisy[:500], generator(), 100).value
    seen = spearman(x, noisy.mean(axis=1))
    assert corrected(seen, top) == pytest.approx(spearman(x, quality), abs=0.04) != pytest.approx(seen, abs=0.04)


def test_repeats_that_do_not_agree_are_not_called_reliable():
    assert how_reliable(0.524) == "reliable only to rho 0.52"
    assert how_reliable(0.0) == how_reliable(-1.0) == "not reliable at all"
