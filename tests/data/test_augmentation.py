import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import functional as tv

from zoo.data.augmentation import Augmentation, augment, draw, prepare

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


def images(count: int, channels: int, base: int, seed: int = 0) -> torch.Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, channels, base, base), dtype=np.uint8)
    return torch.from_numpy(pixels)


def augmented(pixels, augmentation, resolution, seed=0):
    base = pixels.shape[2]
    draws = draw(augmentation, np.random.default_rng(seed), len(pixels), base, base, resolution)
    channels = pixels.shape[1]
    return draws, augment(pixels, draws, augmentation, resolution, MEAN[:channels], STD[:channels])


def by_torchvision(image, draws, index, augmentation, resolution):
    """One image, by the library's own transforms, with the same draws."""
    base, channels = image.shape[1], len(image)
    padded = tv.pad(image, [augmentation.padding] * 4)
    out = tv.crop(padded, int(draws.top[index]), int(draws.left[index]), base, base)
    if draws.mirrored[index]:
        out = tv.hflip(out)
    out = tv.resize(out.float() / 255, [resolution, resolution], antialias=True)
    out = tv.normalize(out, MEAN[:channels], STD[:channels])
    row, column = int(draws.cut_row[index]), int(draws.cut_column[index])
    half = augmentation.cutout // 2  # DeVries & Taylor: clip(centre ± half) in both directions
    top, bottom = np.clip([row - half, row + half], 0, resolution)
    left, right = np.clip([column - half, column + half], 0, resolution)
    out[:, top:bottom, left:right] = 0
    return out


@pytest.mark.parametrize(
    ("channels", "base", "resolution"),
    [(3, 32, 32), (3, 32, 24), (3, 32, 8), (1, 28, 20), (1, 16, 16), (3, 16, 32)],
)
def test_equals_torchvision_image_by_image(channels, base, resolution):
    pixels = images(24, channels, base)
    augmentation = Augmentation.scaled(base, resolution, flip=True)
    draws, result = augmented(pixels, augmentation, resolution)
    assert result.shape == (24, channels, resolution, resolution)
    assert result.dtype == torch.float32
    for index in range(len(pixels)):
        expected = by_torchvision(pixels[index], draws, index, augmentation, resolution)
        torch.testing.assert_close(result[index], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("base", "resolution", "padding", "cutout"),
    [(32, 32, 4, 16), (32, 8, 4, 4), (16, 16, 2, 8), (16, 12, 2, 6), (28, 20, 4, 10), (64, 32, 8, 16)],
)
def test_padding_scales_with_the_base_and_cutout_with_the_resolution(base, resolution, padding, cutout):
    expected = Augmentation(padding=padding, flip=False, cutout=cutout)
    assert Augmentation.scaled(base, resolution, flip=False) == expected


def test_padding_and_cutout_can_be_given():
    assert Augmentation.scaled(32, 32, flip=True, padding=0, cutout=0) == Augmentation(padding=0, flip=True, cutout=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(4, 12), st.integers(0, 1000))
def test_cutout_blanks_the_clipped_square_and_nothing_else(side, resolution, seed):
    pixels = torch.full((16, 1, resolution, resolution), 255, dtype=torch.uint8)
    draws, result = augmented(pixels, Augmentation(padding=0, flip=True, cutout=side), resolution, seed)
    blank = (result[:, 0] == 0).numpy()
    for index in range(16):
        expected = np.zeros((resolution, resolution), dtype=bool)
        top, left = int(draws.cut_row[index]) - side // 2, int(draws.cut_column[index]) - side // 2
        expected[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = True
        assert np.array_equal(blank[index], expected)


def test_without_cutout_nothing_is_blank():
    pixels = torch.full((64, 1, 8, 8), 255, dtype=torch.uint8)
    assert (augmented(pixels, Augmentation(padding=0, flip=True, cutout=0), 8)[1] != 0).all()


def test_without_flip_no_image_is_mirrored_and_with_it_about_half():
    pixels = images(400, 1, 8)
    plain, result = augmented(pixels, Augmentation(padding=0, flip=False, cutout=0), 8)
    assert not plain.mirrored.any()
    assert torch.equal(result, prepare(pixels, 8, MEAN[:1], STD[:1]))
    mirrored, _ = augmented(pixels, Augmentation(padding=0, flip=True, cutout=0), 8)
    assert 150 < int(mirrored.mirrored.sum()) < 250


def test_draws_reach_every_offset_and_centre():
    draws = draw(Augmentation(padding=2, flip=True, cutout=4), np.random.default_rng(0), 2000, 16, 16, 8)
    for values, bound in ((draws.top, 5), (draws.left, 5), (draws.cut_row, 8), (draws.cut_column, 8)):
        assert sorted(set(values.tolist())) == list(range(bound))


def test_resolutions_share_crops_and_flips():
    one = draw(Augmentation.scaled(32, 32, flip=True), np.random.default_rng(3), 50, 32, 32, 32)
    other = draw(Augmentation.scaled(32, 8, flip=True), np.random.default_rng(3), 50, 32, 32, 8)
    assert torch.equal(one.top, other.top)
    assert torch.equal(one.left, other.left)
    assert torch.equal(one.mirrored, other.mirrored)


@pytest.mark.parametrize("resolution", [16, 12, 8])
def test_an_image_does_not_depend_on_its_batch(resolution):
    pixels = images(50, 3, 16)
    augmentation = Augmentation.scaled(16, resolution, flip=True)
    draws, whole = augmented(pixels, augmentation, resolution)
    for start, stop in ((0, 7), (7, 8), (8, 50)):
        part = augment(pixels[start:stop], draws[start:stop], augmentation, resolution, MEAN, STD)
        assert len(draws[start:stop]) == stop - start
        assert torch.equal(part, whole[start:stop])


def test_repeated_calls_are_identical_and_leave_the_images_alone():
    pixels = images(20, 3, 16)
    before = pixels.clone()
    augmentation = Augmentation.scaled(16, 12, flip=True)
    _, one = augmented(pixels, augmentation, 12, seed=5)
    _, two = augmented(pixels, augmentation, 12, seed=5)
    _, other = augmented(pixels, augmentation, 12, seed=6)
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(pixels, before)


@pytest.mark.parametrize("resolution", [16, 8])
def test_prepare_resizes_and_normalises_and_nothing_else(resolution):
    pixels = images(2050, 3, 16)  # more than one chunk
    result = prepare(pixels, resolution, MEAN, STD)
    resized = tv.resize(pixels.float() / 255, [resolution, resolution], antialias=True)
    torch.testing.assert_close(result, tv.normalize(resized, MEAN, STD), rtol=0, atol=1e-5)


def test_padding_must_leave_some_of_the_image():
    with pytest.raises(ValueError, match="less than the image's 8 pixels, got 8"):
        draw(Augmentation(padding=8, flip=True, cutout=0), np.random.default_rng(0), 4, 8, 8, 8)


@pytest.mark.parametrize("name", ["padding", "cutout"])
def test_negative_sizes_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}: expected 0 pixels or more, got -1"):
        Augmentation(**{"padding": 0, "flip": True, "cutout": 0, name: -1})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("resolution", [32, 16])
def test_devices_see_the_same_augmentation(resolution):
    pixels = images(64, 3, 32)
    augmentation = Augmentation.scaled(32, resolution, flip=True)
    draws, here = augmented(pixels, augmentation, resolution)
    there = augment(pixels.cuda(), draws.to("cuda"), augmentation, resolution, MEAN, STD)
    torch.testing.assert_close(there.cpu(), here, rtol=0, atol=1e-5)
