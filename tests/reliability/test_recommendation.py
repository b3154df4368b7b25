from functools import reduce
from operator import add

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage import WORLDS, recommendations
from zoo.reliability.correlation import kendall, spearman, tolerant_spearman, top_k_overlap
from zoo.reliability.recommendation import ceiling, recommend, score


def generator(seed=0):
    return np.random.default_rng(seed)


def zoo(noises, networks=60, repeats=2, repeat_noise=0.02, seed=0):
    """Scores (settings, networks) and reference (networks, repeats); noises in standard deviations."""
    rng = generator(seed)
    quality = rng.standard_normal(networks)
    x = quality + np.array(noises)[:, None] * rng.standard_normal((len(noises), networks))
    return x, quality[:, None] + repeat_noise * rng.standard_normal((networks, repeats))


NAMES = ["fast", "middle", "slow"]
SPEEDS = [64.0, 8.0, 2.0]


def test_the_fastest_that_qualifies_is_recommended():
    found = recommend(*zoo([3, 0.1, 0.05]), SPEEDS, NAMES, generator())
    assert found.index == 1
    assert "middle" in found.sentence
    assert "8 times cheaper" in found.sentence
    assert found.promised == found.bounds[1] >= found.target == 0.8
    assert found.bounds[0] < 0.8
    assert found.warning == ""
    assert found.needed_networks is None
    assert 0.99 < found.ceiling.low <= found.ceiling.value <= 1


def test_the_order_of_settings_does_not_matter():
    scores, reference = zoo([3, 0.1, 0.05])
    flipped = recommend(scores[::-1], reference, SPEEDS[::-1], NAMES[::-1], generator())
    assert flipped.index == 1
    assert flipped.bounds[::-1] == pytest.approx(
        recommend(scores, reference, SPEEDS, NAMES, generator()).bounds, abs=0.02
    )


def test_nothing_above_the_ceiling_is_promised():
    scores, reference = zoo([0, 0, 0], networks=100, repeat_noise=0.45)
    scores = np.tile(reference.mean(axis=1), (3, 1))  # better than one repeat knows another
    found = recommend(scores, reference, SPEEDS, NAMES, generator(), target=0.75)
    assert found.index == 0
    assert found.promised == found.ceiling.value < found.bounds[0]


def test_a_target_above_the_ceiling_cannot_be_met():
    found = recommend(*zoo([0.1, 0.1, 0.1], repeat_noise=1), SPEEDS, NAMES, generator())
    assert found.index is None
    assert found.promised is None
    assert found.warning.startswith("Warning: the reference itself repeats only to")
    assert f"{found.ceiling.value:.2f}" in found.sentence


def test_one_repeat_has_no_ceiling_and_says_so():
    found = recommend(*zoo([0.1, 0.1, 0.1], repeats=1), SPEEDS, NAMES, generator())
    assert found.index == 0
    assert np.isnan(found.ceiling.value)
    assert "trained once" in found.ceiling.reason
    assert "ceiling is unknown" in found.sentence


def test_none_qualifies_and_how_many_networks_would_do():
    found = recommend(*zoo([2, 1, 0.45], networks=20), SPEEDS, NAMES, generator())
    assert found.index is None
    assert found.needed_networks > 20
    assert found.sentence.endswith(f"needs about {found.needed_networks}.")
    assert "slow" in found.sentence
    more = recommend(*zoo([2, 1, 0.45], networks=3 * found.needed_networks), SPEEDS, NAMES, generator())
    assert more.index == 2


def test_no_number_of_networks_would_do():
    found = recommend(*zoo([3, 3, 3]), SPEEDS, NAMES, generator())
    assert found.index is None
    assert found.needed_networks is None
    assert "no number of networks would do" in found.sentence


@pytest.mark.parametrize("networks", [0, 1, 3])
def test_too_few_networks_to_judge(networks):
    found = recommend(*zoo([0.1, 0.1, 0.1], networks=networks), SPEEDS, NAMES, generator())
    assert found.index is None
    assert np.isnan(found.bounds).all()
    if networks != 3:
        assert "at least 4 are needed" in found.sentence


def test_a_setting_without_a_ranking_is_never_recommended():
    scores, reference = zoo([0.05, 0.05, 0.05])
    scores[0] = 0.5
    scores[1] = np.nan
    found = recommend(scores, reference, SPEEDS, NAMES, generator())
    assert found.index == 2
    assert np.isnan(found.bounds[:2]).all()
    scores[2] = 0.5
    assert "at none" in recommend(scores, reference, SPEEDS, NAMES, generator()).sentence


def test_networks_without_a_reference_change_nothing():
    scores, reference = zoo([3, 0.1, 0.05])
    padded = np.hstack([scores, np.ones((3, 2))]), np.vstack([reference, np.full((2, 2), np.nan)])
    plain, other = (recommend(s, r, SPEEDS, NAMES, generator()) for s, r in ((scores, reference), padded))
    assert plain.sentence == other.sentence
    assert plain.bounds.tolist() == other.bounds.tolist()
    assert plain.ceiling == other.ceiling
    assert [s.left_out for s in score(*padded, NAMES, generator(), validation_images=1500)] == [2, 2, 2]


def test_the_ceiling_is_the_mean_over_pairs_of_repeats():
    _, reference = zoo([0], repeats=3, repeat_noise=0.5)
    pairs = [stats.spearmanr(reference[:, i], reference[:, j])[0] for i, j in ((0, 1), (0, 2), (1, 2))]
    estimate = ceiling(reference, generator())
    assert estimate.value == pytest.approx(np.mean(pairs))
    assert estimate.low < estimate.value < estimate.high
    reference[4, 1] = np.nan
    kept = np.delete(reference, 4, axis=0)
    assert ceiling(reference[:, :2], generator()).value == spearman(kept[:, 0], kept[:, 1])


def test_a_constant_reference_has_no_ceiling():
    assert "constant" in ceiling(np.full((9, 2), 0.5), generator()).reason


def test_score_measures_every_setting():
    scores, reference = zoo([1, 0.3, 0.1], networks=17)
    scores[0, 3] = np.nan
    rows = score(scores, reference, NAMES, generator(), validation_images=100, resamples=300)
    mean = reference.mean(axis=1)
    for x, row, name in zip(scores, rows, NAMES, strict=True):
        assert (row.setting, row.k, row.tolerance, row.networks, row.left_out) == (name, 4, 0.01, 17, 0)
        assert row.spearman.value == spearman(x, mean)
        assert row.tolerant.value == tolerant_spearman(x, mean, 0.01)
        assert row.kendall.value == kendall(x, mean)
        assert row.top_k.value == top_k_overlap(x, mean, 4)
        assert row.spearman.low < row.spearman.value < row.spearman.high
    assert [row.failed for row in rows] == [1, 0, 0]
    fine = score(scores, reference[:, 0], NAMES, generator(), validation_images=5000, k=2, resamples=300)
    assert (fine[0].tolerance, fine[0].k) == (0.0015, 2)


def test_the_mean_reference_skips_failed_repeats():
    scores, reference = zoo([0.3])
    reference[0, 1] = np.nan
    mean = [reference[0, 0], *reference[1:].mean(axis=1)]
    row = score(scores, reference, ["one"], generator(), validation_images=1000)[0]
    assert row.spearman.value == spearman(scores[0], mean)
    assert row.left_out == 0


def test_equal_means_tie_however_they_were_added():
    reference = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.9, 0.9, 0.9], [0.95, 0.95, 0.95]]
    # By rounding alone; one after the other, since `sum` of Python 3.12 and later makes up for it.
    assert reduce(add, reference[0]) != reduce(add, reference[1])
    row = score([[2, 1, 3, 4]], reference, ["one"], generator(), validation_images=1000)[0]
    assert row.spearman.value == spearman([2, 1, 3, 4], [1, 1, 2, 3])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"scores": np.ones((2, 9))}, r"\(3, 9\)"),
        ({"scores": np.ones(9)}, r"\(3, 9\)"),
        ({"reference": np.ones((9, 2, 2))}, "networks, repeats"),
        ({"acceleration": [1, 2]}, "3 settings"),
        ({"acceleration": [1, 2, 0]}, "positive"),
        ({"acceleration": [1, 2, np.nan]}, "positive"),
        ({"target": 1.5}, "between 0 and 1"),
        ({"level": 0}, "between 0 and 1"),
    ],
)
def test_bad_input_names_what_was_expected(change, expected):
    inputs = {"scores": np.ones((3, 9)), "reference": np.ones(9), "acceleration": SPEEDS, "names": NAMES}
    with pytest.raises(ValueError, match=f"expected .*{expected}.*got"):
        recommend(**{**inputs, **change}, rng=generator())


def assert_rarely_false(row, draws, error=1e-4):
    """At most 5 %, give or take what chance does to `draws` zoos with probability `error`."""
    assert row["false"] * draws <= stats.binom.ppf(1 - error, draws, 0.05), row


@pytest.mark.parametrize("world", WORLDS[1:3], ids=lambda world: world.name)
def test_a_setting_below_the_target_is_rarely_recommended(world):
    draws = 150
    assert_rarely_false(recommendations(world, "all just below", 24, draws, seed=3, resamples=300), draws)


def test_a_good_setting_is_found_in_most_zoos():
    row = recommendations(WORLDS[1], "rising", 50, draws=60, seed=3, resamples=300)
    assert row["right"] > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("scenario", ["all just below", "fast half just below", "rising"])
@pytest.mark.parametrize("networks", [16, 24, 50])
def test_a_setting_below_the_target_is_rarely_recommended_anywhere(world, scenario, networks):
    assert_rarely_false(recommendations(world, scenario, networks, 800, seed=4), 800)
