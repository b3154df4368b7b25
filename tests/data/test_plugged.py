"""Data sets of installed packages: found by name, split like any other, refused in one line."""

import numpy as np
import pytest

from tests.installed import install
from zoo.data import SOURCES, Arrays, load
from zoo.data.held import pool_of
from zoo.data.plugged import DATA_SETS
from zoo.experiments.source import ImageSource

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8), np.arange(60) % 3


def dots():
    return Arrays(images=IMAGES, labels=LABELS, classes=("one", "two", "three"))


def own_test():
    return Arrays(images=IMAGES[:40], labels=LABELS[:40], test_images=IMAGES[40:], test_labels=LABELS[40:], flip=False)


def pool():
    return pool_of(own_test())


def grey_test():
    return Arrays(images=IMAGES, labels=LABELS, test_images=IMAGES[..., 0], test_labels=LABELS)


def half_a_test():
    return Arrays(images=IMAGES, labels=LABELS, test_images=IMAGES)


def numbers():
    return IMAGES, LABELS


def fails():
    raise KeyError("no such file")


HERE = "tests.data.test_plugged"
PLACES = {name: f"{HERE}:{name}" for name in ("dots", "own_test", "pool", "grey_test", "half_a_test", "numbers")} | {
    "fails": f"{HERE}:fails",
    "absent": f"{HERE}:absent",
    "twice": f"{HERE}:dots",
    "twice ": f"{HERE}:own_test",
    "digits": f"{HERE}:dots",
}


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    install(monkeypatch, DATA_SETS, PLACES)


def test_arrays_are_split_and_named_like_any_data_set():
    images = load("dots", train=20, seed=1)
    assert (images.name, images.classes, images.resolution, images.channels) == (
        "dots", ("one", "two", "three"), 8, 3,
    )  # fmt: skip
    assert (len(images.train), len(images.test)) == (20, 12)
    assert images.flip
    again = ImageSource(name="dots", train=20).images(1)
    assert again.fingerprint == images.fingerprint


@pytest.mark.parametrize("name", ["own_test", "pool"])
def test_a_test_split_of_its_own_is_read_as_it_is(name):
    images = load(name)
    assert (len(images.train), len(images.validation), len(images.test)) == (32, 8, 20)
    np.testing.assert_array_equal(images.test.images, IMAGES[40:].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(images.test.labels, LABELS[40:])
    assert not images.flip


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("grey_test", r"'grey_test' of .*: test images must be like the others, \(3, 8, 8\), got \(1, 8, 8\)"),
        ("half_a_test", "a test split has images and labels"),
        ("numbers", "must give Arrays or a Pool, got tuple"),
        ("fails", "the data set 'fails' of tests.data.test_plugged:fails failed: KeyError: 'no such file'"),
        ("absent", "'absent' of tests.data.test_plugged:absent cannot be loaded: AttributeError"),
        ("twice", "comes from several packages, expected one: tests.data.test_plugged:dots, tests.data.*own_test"),
        ("digits", "has the name of a data set that is here already"),
        ("elsewhere", "expected digits, .*, absent, .*dots, .* or imagefolder:DIR, got 'elsewhere'"),
    ],
)
def test_what_cannot_be_used_is_one_line(name, message):
    with pytest.raises(ValueError, match=message) as caught:
        load(name)
    assert "\n" not in str(caught.value)


def test_others_are_read_beside_a_broken_one(monkeypatch):
    monkeypatch.undo()  # of all that the other tests have
    install(monkeypatch, DATA_SETS, {"absent": f"{HERE}:absent"})
    assert load("digits", train=20, validation=10).name == SOURCES[0]
