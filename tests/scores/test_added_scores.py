"""Scores of installed packages, and what is said of scores that cannot be."""

import pytest

from tests.installed import install
from zoo.scores import ADDED_SCORES, SCORES, Score, find_score

HERE = "tests.scores.test_added_scores"


def width(network, batches):
    return float(network.classifier.in_features)


WIDTH = Score(name="width", words="inputs of the classifier", measure=width)
LATE = Score(name="late", words="found when it is used", measure=f"{HERE}:width", batches=1, lower=True)
LOST = Score(name="lost", words="nowhere", measure=f"{HERE}:nowhere")


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    find_score.cache_clear()
    places = {"width": "WIDTH", "late": "LATE", "lost": "LOST", "other": "WIDTH", "plain": "width", "absent": "absent"}
    install(monkeypatch, ADDED_SCORES, {name: f"{HERE}:{place}" for name, place in places.items()})
    yield
    find_score.cache_clear()


class Stub:
    class classifier:  # noqa: N801
        in_features = 12


def test_an_added_score_is_found_by_its_name():
    assert find_score("width") is WIDTH
    assert find_score("width").of(Stub(), []) == 12


def test_a_function_given_as_text_is_imported_when_it_is_used():
    assert find_score("late").of(Stub(), [None]) == 12
    with pytest.raises(ValueError, match=r"the function '.*:nowhere' of the score 'lost' cannot be imported"):
        find_score("lost").of(Stub(), [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "fisher",
            "score: expected synflow, snip, grad_norm, naswot, zico, macs, params, depth, absent, .* or width, got",
        ),
        ("other", "'other' of .*:WIDTH must be a Score of that name, got Score"),
        ("plain", "'plain' of .*:width must be a Score of that name, got <function"),
        ("absent", "'absent' of .* cannot be loaded: AttributeError"),
    ],
)
def test_what_is_no_score_is_one_line(name, message):
    with pytest.raises(ValueError, match=message) as caught:
        find_score(name)
    assert "\n" not in str(caught.value)


def test_a_score_has_one_function_and_a_name_of_its_own():
    with pytest.raises(ValueError, match="'s' must have either a measure or a count"):
        Score(name="s", words="")
    with pytest.raises(ValueError, match="'s' must have either a measure or a count"):
        Score(name="s", words="", measure=width, count=width)
    for taken in ("training", "accuracy", "loss"):
        with pytest.raises(ValueError, match=f"must not be called '{taken}'"):
            Score(name=taken, words="", measure=width)


def test_counting_and_measuring_are_not_mixed_up():
    with pytest.raises(ValueError, match="'macs' is counted on an architecture, it needs no network"):
        SCORES["macs"].of(Stub(), [])
    with pytest.raises(ValueError, match="'width' is measured on a network, it needs a network"):
        WIDTH.counted(None, None)


def test_every_score_says_what_it_needs():
    assert {name: score.needs for name, score in SCORES.items()} == {
        "synflow": "a network",
        "snip": "1 mini-batch of images with labels",
        "grad_norm": "1 mini-batch of images with labels",
        "naswot": "1 mini-batch of images and nn.ReLU",
        "zico": "2 mini-batches of images with labels",
        "macs": "no network",
        "params": "no network",
        "depth": "no network",
    }
