"""The metric a run is judged by: accuracy, but where classes are unequal; and networks that name one class only."""

import pytest

from zoo.population.metric import AUTO, check_metric, names_one_class, settled, unequal


@pytest.mark.parametrize(
    ("counts", "expected"), [((10, 10), False), ((10, 30), False), ((10, 31), True), ((1, 2, 2), False), ((), False)]
)
def test_classes_are_unequal_below_half_of_their_mean(counts, expected):
    assert unequal(counts) is expected


def test_balanced_accuracy_is_the_default_on_unequal_classes_only_and_said():
    said = []
    assert settled(AUTO, (50, 50), said.append) == "accuracy"
    assert settled("accuracy", (5, 95), said.append) == "accuracy"
    assert settled("balanced_accuracy", (50, 50), said.append) == "balanced_accuracy"
    assert said == []
    assert settled(AUTO, (5, 95), said.append) == "balanced_accuracy"
    (sentence,) = said
    assert "The classes are unequal (5 to 95 training images): judged by balanced accuracy" in sentence
    assert "--metric accuracy" in sentence


@pytest.mark.parametrize(
    ("accuracy", "balanced", "counts", "expected"),
    [
        (0.95, 0.5, (5, 95), True),
        (0.05, 0.5, (5, 95), True),
        (0.94, 0.5, (5, 95), False),
        (0.95, 0.6, (5, 95), False),
        (0.9, 1 / 3, (90, 5, 5), True),
        (0.5, 0.5, (10, 10), False),  # a network that guesses looks the same
        (0.95, 1 / 2, (95, 0, 5), True),  # of a class that is not there nothing is asked
        (float("nan"), 0.5, (5, 95), False),
    ],
)
def test_a_network_that_names_one_class_is_known_by_its_accuracies(accuracy, balanced, counts, expected):
    assert names_one_class(accuracy, balanced, counts) is expected


def test_another_metric_is_refused():
    with pytest.raises(ValueError, match="metric must be accuracy or balanced_accuracy, got 'speed'"):
        check_metric("speed")
