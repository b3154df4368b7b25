"""The difference of two networks over repeated trainings and shared images."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from zoo.reliability.repeats import image_weights, repeats_difference

RNG = np.random.default_rng(0)


def equal(count):
    return image_weights(np.zeros(count, dtype=int), balanced=False)


def test_weights_give_accuracy_and_balanced_accuracy():
    labels, right = np.array([0, 0, 0, 1]), np.array([True, True, False, False])
    assert right @ image_weights(labels, balanced=False) == pytest.approx(0.5)
    assert right @ image_weights(labels, balanced=True) == pytest.approx((2 / 3 + 0) / 2)


def test_without_chance_in_the_images_it_is_welchs_interval():
    """Many images, all equally hard: what is left is the spread of the trainings."""
    levels = ([0.90, 0.92, 0.95], [0.80, 0.88, 0.85, 0.81])
    count = 100_000
    hits = [np.array([np.arange(count) < level * count for level in side]) for side in levels]
    found = repeats_difference(*hits, equal(count))
    welch = ttest_ind(*levels, equal_var=False).confidence_interval()
    assert found.value == pytest.approx(np.mean(levels[0]) - np.mean(levels[1]))
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high), abs=2e-3)


def test_images_that_both_find_hard_are_not_counted_against_the_difference():
    hard = RNG.random(500) < 0.3
    same, apart = np.tile(hard, (3, 1)), RNG.random((3, 500)) < 0.3
    better = same | (np.arange(500) < 25)
    close = repeats_difference(better, same, equal(500))
    far = repeats_difference(better, apart, equal(500))
    assert close.high - close.low < (far.high - far.low) / 2


@pytest.mark.parametrize("trainings", [2, 3, 5])
def test_intervals_cover(trainings):
    """Images are hard by chance, and every training is good or bad by chance; 95 % intervals hold the truth."""
    inside, rounds, count, true = 0, 400, 300, 0.03
    truth = _truth(0.80 + true) - _truth(0.80)
    for number in range(rounds):
        rng = np.random.default_rng((number, trainings))
        difficulty = rng.random(count)
        sides = []
        for mean in (0.80 + true, 0.80):
            levels = mean + rng.normal(0, 0.015, trainings)
            sides.append(np.array([(difficulty + rng.normal(0, 0.15, count)) < level for level in levels]))
        found = repeats_difference(*sides, equal(count))
        inside += found.low <= truth <= found.high
    assert inside / rounds >= 0.93


def _truth(mean):
    """Share of images named right, over everything that is left to chance there."""
    rng = np.random.default_rng(7)
    return float(np.mean(rng.random(400_000) + rng.normal(0, 0.15, 400_000) + rng.normal(0, 0.015, 400_000) < mean))


def test_what_cannot_be_said_says_why():
    one, two = np.ones((1, 4), dtype=bool), np.zeros((2, 4), dtype=bool)
    assert "at least 2" in repeats_difference(one, two, equal(4)).reason
    assert "no training" in repeats_difference(one[:0], two, equal(4)).reason
    assert "the same images" in repeats_difference(two, two, equal(4)).reason
