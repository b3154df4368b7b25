"""Arrays and tensors as image sets: their forms, their splits, and what is refused."""

import numpy as np
import pytest
import torch

from zoo.data.arrays import image_set_of

LABELS = np.arange(60) % 3


def images(*shape):
    return np.random.default_rng(0).integers(0, 256, (60, *shape), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 8, 1), (8, 8)])
def test_colours_may_come_first_or_last_in_arrays_or_tensors(shape):
    last = images(*shape)
    found = image_set_of(last, LABELS)
    first = last[:, None] if last.ndim == 3 else last.transpose(0, 3, 1, 2)
    assert found.fingerprint == image_set_of(torch.from_numpy(first.copy()), torch.from_numpy(LABELS)).fingerprint
    assert (found.resolution, found.channels, found.classes) == (8, first.shape[1], ("0", "1", "2"))
    assert [len(part) for part in (found.train, found.validation, found.test)] == [38, 10, 12]


def test_other_pixels_and_other_labels_are_other_images():
    seen = {
        image_set_of(pixels, labels).fingerprint
        for pixels, labels in [(images(8, 8), LABELS), (images(8, 8) // 2, LABELS), (images(8, 8), LABELS[::-1])]
    }
    assert len(seen) == 3


def test_counts_sizes_and_names_are_as_asked():
    found = image_set_of(images(8, 8), LABELS, classes="abc", train=30, validation=9, resolution=4)
    assert (len(found.train), len(found.validation), found.resolution) == (30, 9, 4)
    assert found.classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (images(8, 8).astype(np.float32), LABELS, "images must be uint8 .* got float32"),
        (images(8), LABELS, r"images must be uint8 .* got uint8 \(60, 8\)"),
        (images(8, 8, 2), LABELS, "1 or 3 colours"),
        (images(8, 8, 3), LABELS[:-1], "a label for each of at least 4 images, got 60 and 59"),
        (images(8, 8, 3), LABELS / 2, "labels must be whole numbers"),
        (images(8, 8, 3), LABELS - 1, "labels must lie between 0 and 1, got -1 to 1"),
        (images(8, 8, 3), LABELS * 0, "labels must lie between"),
        ([[1], [2, 3]], LABELS, "images must be"),
    ],
)
def test_bad_arrays_are_one_line(pixels, labels, message):
    with pytest.raises(ValueError, match=message) as caught:
        image_set_of(pixels, labels)
    assert "\n" not in str(caught.value)
