import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data.image_set import ImageSet, Split, balanced_prefix, channel_statistics, split_off, subset

SIZES = st.lists(st.integers(1, 60), min_size=2, max_size=8)  # images per class
SEEDS = st.integers(0, 2**32)


def labels_of(sizes: list[int], seed: int) -> np.ndarray:
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)
    return np.random.default_rng(seed).permutation(labels)


def image_set(seed: int = 0, *, name: str = "a", classes=("cat", "dog"), flip: bool = True) -> ImageSet:
    rng = np.random.default_rng(seed)

    def split(count: int) -> Split:
        pixels = rng.integers(0, 256, (count, 3, 4, 4), dtype=np.uint8)
        return Split(images=pixels, labels=np.arange(count, dtype=np.int64) % 2)

    train, validation, test = split(6), split(4), split(2)
    mean, std = channel_statistics(train.images)
    return ImageSet(
        name=name,
        classes=classes,
        train=train,
        validation=validation,
        test=test,
        mean=mean,
        std=std,
        flip=flip,
    )


def fresh(seed: int) -> np.random.Generator:
    return np.random.default_rng((seed, 1))


@settings(max_examples=60, deadline=None)
@given(SIZES, SEEDS, st.data())
def test_split_off_parts_are_disjoint_complete_and_balanced(sizes, seed, data):
    labels = labels_of(sizes, seed)
    count = data.draw(st.integers(1, len(labels) - 1))
    taken, kept = split_off(labels, count, fresh(seed))
    assert len(taken) == count
    assert np.array_equal(np.sort(np.concatenate([taken, kept])), np.arange(len(labels)))
    assert np.all(np.diff(taken) > 0)
    assert np.all(np.diff(kept) > 0)
    if count >= len(sizes):
        present = np.bincount(labels[taken], minlength=len(sizes))
        assert all(present[c] > 0 for c, size in enumerate(sizes) if size > 1), "a class of two or more is missing"


@given(st.integers(2, 12), st.integers(1, 40), SEEDS, st.data())
@settings(max_examples=60, deadline=None)
def test_split_off_differs_by_at_most_one_image_between_equal_classes(classes, size, seed, data):
    labels = labels_of([size] * classes, seed)
    count = data.draw(st.integers(1, len(labels) - 1))
    counts = np.bincount(labels[split_off(labels, count, fresh(seed))[0]], minlength=classes)
    assert counts.max() - counts.min() <= 1


def test_split_off_takes_the_same_share_of_unequal_classes():
    labels = labels_of([1000, 500, 100, 10], 3)
    taken, _ = split_off(labels, 322, fresh(3))
    assert np.bincount(labels[taken]).tolist() == pytest.approx([200, 100, 20, 2], abs=1)


def test_split_off_leaves_the_only_image_of_a_class():
    labels = np.array([0] * 9 + [1], dtype=np.int64)
    for seed in range(20):
        _, kept = split_off(labels, 8, fresh(seed))
        assert 9 in kept


@settings(max_examples=60, deadline=None)
@given(SIZES, SEEDS, st.floats(0.001, 1), st.floats(0.001, 1))
def test_subset_of_a_smaller_share_is_contained_in_that_of_a_larger(sizes, seed, one, other):
    labels = labels_of(sizes, seed)
    small, large = (subset(labels, share, fresh(seed)) for share in sorted((one, other)))
    assert set(small) <= set(large)
    assert set(labels[small]) == set(range(len(sizes)))
    assert np.all(np.diff(small) > 0)


@pytest.mark.parametrize("level", range(5))
def test_subset_has_the_share_of_the_level_in_every_class(level):
    labels = labels_of([160] * 10, 5)
    chosen = subset(labels, 2.0**-level, fresh(5))
    assert np.bincount(labels[chosen]).tolist() == [160 // 2**level] * 10


def test_choices_depend_on_the_generator_alone():
    labels = labels_of([30] * 4, 0)
    assert np.array_equal(subset(labels, 0.25, fresh(7)), subset(labels, 0.25, fresh(7)))
    assert not np.array_equal(subset(labels, 0.25, fresh(7)), subset(labels, 0.25, fresh(8)))
    assert not np.array_equal(split_off(labels, 9, fresh(7))[0], split_off(labels, 9, fresh(8))[0])


def test_the_odd_image_is_not_always_of_the_first_class():
    labels = labels_of([10] * 5, 0)
    assert len({int(labels[balanced_prefix(labels, 1, fresh(seed))[0]]) for seed in range(40)}) == 5


@pytest.mark.parametrize("count", [-1, 0, 10])
def test_split_off_names_the_count(count):
    with pytest.raises(ValueError, match=rf"expected 1 to 9, got {count}$"):
        split_off(np.zeros(10, dtype=np.int64), count, fresh(0))


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_subset_names_the_share(share):
    with pytest.raises(ValueError, match=f"at most 1, got {share}"):
        subset(np.zeros(10, dtype=np.int64), share, fresh(0))


def test_balanced_prefix_names_the_count():
    with pytest.raises(ValueError, match="expected 1 to 10, got 11"):
        balanced_prefix(np.zeros(10, dtype=np.int64), 11, fresh(0))


def test_statistics_are_those_of_the_pixels():
    images = np.random.default_rng(0).integers(0, 200, (5000, 2, 3, 3), dtype=np.uint8)
    mean, std = channel_statistics(images)
    scaled = images / 255.0
    assert mean == pytest.approx(scaled.mean(axis=(0, 2, 3)))
    assert std == pytest.approx(scaled.std(axis=(0, 2, 3)))


def test_a_constant_channel_can_be_normalised():
    mean, std = channel_statistics(np.full((3, 1, 2, 2), 51, dtype=np.uint8))
    assert mean == pytest.approx((0.2,))
    assert std == (1.0,)


def test_fingerprint_is_of_the_contents_not_of_the_name():
    one = image_set(0)
    assert one.fingerprint == image_set(0, name="elsewhere").fingerprint
    assert len(one.fingerprint) == 64
    others = [image_set(1), image_set(0, classes=("cat", "cow")), image_set(0, flip=False)]
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 4


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("what", ["images", "labels"])
def test_fingerprint_sees_every_pixel_and_label(part, what):
    one = image_set(0)
    parts = {name: getattr(one, name) for name in ("train", "validation", "test")}
    arrays = {"images": parts[part].images.copy(), "labels": parts[part].labels.copy()}
    arrays[what].flat[-1] ^= 1
    parts[part] = Split(**arrays)
    other = ImageSet(name="a", classes=one.classes, mean=one.mean, std=one.std, flip=True, **parts)
    assert other.fingerprint != one.fingerprint


def test_fingerprint_is_pinned():
    """Golden: sha256 over repr((classes, flip)), then per split repr(shape), pixels, labels ("<i8").

    A change would make every stored run look like one on other data.
    """
    import hashlib

    one = image_set(0)
    text = repr((("cat", "dog"), True)).encode()
    for split in (one.train, one.validation, one.test):
        text += repr(split.images.shape).encode() + split.images.tobytes() + split.labels.astype("<i8").tobytes()
    assert one.fingerprint == hashlib.sha256(text).hexdigest()


def test_arrays_are_read_only_and_survive_pickling():
    one = image_set(0)
    assert (one.resolution, one.channels, len(one.train)) == (4, 3, 6)
    with pytest.raises(ValueError, match="read-only"):
        one.train.images[0] = 0
    copy = pickle.loads(pickle.dumps(one, protocol=5))
    assert copy.fingerprint == one.fingerprint
    assert np.array_equal(copy.test.images, one.test.images)


def test_the_callers_array_stays_writable():
    pixels = np.zeros((1, 1, 2, 2), dtype=np.uint8)
    Split(images=pixels, labels=np.zeros(1, dtype=np.int64))
    pixels[0] = 1


def test_split_names_a_wrong_type_or_shape():
    pixels, labels = np.zeros((2, 1, 4, 4), dtype=np.uint8), np.zeros(2, dtype=np.int64)
    with pytest.raises(ValueError, match=r"images: expected uint8 .* got float64"):
        Split(images=pixels.astype(float), labels=labels)
    with pytest.raises(ValueError, match=r"labels: expected int64 \(2,\), got int64 \(1,\)"):
        Split(images=pixels, labels=labels[:1])


def test_image_set_wants_images_of_one_shape():
    one = image_set(0)
    small = Split(images=np.zeros((1, 3, 2, 2), dtype=np.uint8), labels=np.zeros(1, dtype=np.int64))
    with pytest.raises(ValueError, match=r"test: expected images of shape \(3, 4, 4\)"):
        ImageSet(
            name="a",
            classes=one.classes,
            train=one.train,
            validation=one.validation,
            test=small,
            mean=one.mean,
            std=one.std,
            flip=True,
        )
