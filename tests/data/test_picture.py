from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zoo.data.picture import decode_picture

COLOURS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)  # (H, W, C)


def decoded(image: Image.Image, path, resolution: int = 8, channels: int = 3, **options) -> np.ndarray:
    image.save(path, **options)
    return decode_picture(path, resolution, channels).transpose(1, 2, 0)


def test_rgb_of_the_wanted_size_is_untouched(tmp_path):
    pixels = decode_picture(_saved(Image.fromarray(COLOURS), tmp_path / "a.png"), 8)
    assert pixels.shape == (3, 8, 8)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, COLOURS.transpose(2, 0, 1))


def _saved(image: Image.Image, path):
    image.save(path)
    return path


def test_grey_and_black_and_white_become_three_equal_channels(tmp_path):
    grey = decoded(Image.fromarray(COLOURS[..., 0]), tmp_path / "a.png")
    assert np.array_equal(grey, np.repeat(COLOURS[..., :1], 3, axis=2))
    bits = Image.fromarray(COLOURS[..., 0]).convert("1", dither=Image.Dither.NONE)
    assert set(np.unique(decoded(bits, tmp_path / "b.png"))) == {0, 255}


def test_one_channel_is_luma(tmp_path):
    expected = np.asarray(Image.fromarray(COLOURS).convert("L"))[..., None]
    assert np.array_equal(decoded(Image.fromarray(COLOURS), tmp_path / "a.png", channels=1), expected)


def test_palettes_are_looked_up(tmp_path):
    palette = Image.fromarray(COLOURS).quantize(16)
    assert palette.mode == "P"
    assert np.array_equal(decoded(palette, tmp_path / "a.png"), np.asarray(palette.convert("RGB")))
    assert np.array_equal(decoded(palette, tmp_path / "b.gif"), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("transparency", [0, bytes([0, 128, 255])])
def test_transparent_palette_entries_become_white(tmp_path, transparency):
    palette = Image.new("P", (8, 8))
    palette.putpalette([10, 20, 30] * 256)
    assert (decoded(palette, tmp_path / "a.png", transparency=transparency) == 255).all()


def test_transparent_pixels_become_white(tmp_path):
    alpha = np.full((8, 8, 1), 255, dtype=np.uint8)
    alpha[:4] = 0
    layered = Image.fromarray(np.concatenate([COLOURS, alpha], axis=2))
    pixels = decoded(layered, tmp_path / "a.png")
    assert (pixels[:4] == 255).all()
    assert np.array_equal(pixels[4:], COLOURS[4:])
    grey = decoded(layered.convert("LA"), tmp_path / "b.png")
    assert (grey[:4] == 255).all()
    assert (grey[4:] != 255).any()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_the_upper_eight(tmp_path, suffix):
    values = (COLOURS[..., 0].astype(np.uint16) << 8) | 7
    pixels = decoded(Image.fromarray(values), tmp_path / f"a.{suffix}")
    assert np.array_equal(pixels[..., 0], COLOURS[..., 0])


def test_cmyk_becomes_rgb(tmp_path):
    flat = Image.new("RGB", (8, 8), (200, 100, 50)).convert("CMYK")
    assert np.abs(decoded(flat, tmp_path / "a.jpg", quality=95).astype(int) - (200, 100, 50)).max() <= 4


def test_floating_point_pixels_are_refused(tmp_path):
    Image.new("F", (8, 8)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif: expected a readable image, got floating-point"):
        decode_picture(tmp_path / "a.tif", 8)


@pytest.mark.parametrize("size", [(40, 24), (24, 40), (9, 8), (8, 13), (5, 3)])
def test_the_shorter_side_is_resized_and_the_centre_kept(tmp_path, size):
    # A smooth picture: resizing and cropping in one step differs from the two steps by less than its slope.
    ramp = np.linspace(0, 255, size[0])[None, :, None] * np.ones((size[1], 1, 3))
    pixels = decoded(Image.fromarray(ramp.astype(np.uint8)), tmp_path / "a.png")
    assert pixels.shape == (8, 8, 3)
    side = min(size)
    left = (size[0] - side) // 2
    centres = left + (np.arange(8) + 0.5) * side / 8 - 0.5
    expected = np.interp(centres, np.arange(size[0]), ramp[0, :, 0])
    assert np.abs(pixels[:, 1:-1, 0] - expected[1:-1]).max() < 6


def test_shrinking_is_antialiased(tmp_path):
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.abs(decoded(Image.fromarray(board), tmp_path / "a.png").astype(int) - 127).max() <= 3


def test_a_large_jpeg_looks_as_if_decoded_in_full(tmp_path):
    rows, columns = np.indices((600, 800))
    smooth = np.stack([rows * 255 // 600, columns * 255 // 800, (rows + columns) * 255 // 1400], axis=2)
    image = Image.fromarray(smooth.astype(np.uint8))
    path = _saved(image, tmp_path / "a.jpg")
    full = Image.open(path).crop((100, 0, 700, 600)).resize((16, 16), Image.Resampling.BILINEAR)
    assert np.abs(decode_picture(path, 16).transpose(1, 2, 0).astype(int) - np.asarray(full)).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_orientation_is_respected(tmp_path, orientation, suffix):
    quadrants = np.kron(np.array([[255, 170], [85, 0]], dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))
    stored = {  # how a camera held that way stores what is upright
        1: quadrants,
        2: quadrants[:, ::-1],
        3: quadrants[::-1, ::-1],
        4: quadrants[::-1],
        5: quadrants.T,
        6: np.rot90(quadrants, 1),
        7: quadrants[::-1, ::-1].T,
        8: np.rot90(quadrants, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    pixels = decoded(image, tmp_path / f"a.{suffix}", 16, exif=exif)
    assert np.abs(pixels[..., 0].astype(int) - quadrants).max() <= 6


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5])
def test_damaged_files_are_named(tmp_path, suffix, kept):
    buffer = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, format={"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix))
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(buffer.getvalue()[: int(kept * len(buffer.getvalue()))])
    with pytest.raises(ValueError, match=rf"a\.{suffix}: expected a readable image, got \S") as caught:
        decode_picture(path, 8)
    assert "\n" not in str(caught.value)
