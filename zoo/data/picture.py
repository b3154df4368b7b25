"""A picture: one image file of any size and mode, read as a square of pixels."""

from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_ORIENTATION = 0x0112  # EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_picture(path: str | Path, resolution: int, channels: int = 3) -> NDArray[np.uint8]:
    """uint8 (channels, resolution, resolution): shorter side resized (antialiased bilinear), centre-cropped,
    upright.

    Every mode becomes RGB (channels = 3) or grey (channels = 1): palettes are looked up, 16 bits keep the
    upper 8, transparent pixels become white. Raises ValueError, naming the file, where it is no image or a
    damaged one.
    """
    try:
        with Image.open(path) as image:
            # A JPEG decoder can halve, quarter or eighth for free; the filter gets twice the wanted side.
            image.draft(None, (2 * resolution, 2 * resolution))
            image.load()
            square = _centre_square(_opaque(image).convert("RGB" if channels == 3 else "L"), resolution)
            turn = _UPRIGHT.get(_orientation(image))
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, zlib.error, ... on damaged files
        raise ValueError(unreadable(path, error)) from error
    pixels = np.asarray(square if turn is None else square.transpose(turn))  # (H, W, C) or (H, W)
    return np.ascontiguousarray(pixels.reshape(resolution, resolution, channels).transpose(2, 0, 1))


def open_picture(path: str | Path) -> Image.Image:
    """The whole picture of a file, RGB, upright, of its own size; modes and errors as :func:`decode_picture`."""
    try:
        with Image.open(path) as image:
            image.load()
            turn = _UPRIGHT.get(_orientation(image))
            picture = _opaque(image).convert("RGB")
    except Exception as error:
        raise ValueError(unreadable(path, error)) from error
    return picture if turn is None else picture.transpose(turn)


def unreadable(path: str | Path, error: Exception) -> str:
    """What is said of a file that is no readable picture."""
    return f"{path}: expected a readable image, got {' '.join(str(error).split()) or type(error).__name__}"


def _centre_square(image: Image.Image, resolution: int) -> Image.Image:
    """Crop and resize in one step: resizing the parts that are cut off would be wasted."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    if side == resolution:
        return image if width == height else image.crop(box)
    return image.resize((resolution, resolution), Image.Resampling.BILINEAR, box=box)


def _opaque(image: Image.Image) -> Image.Image:
    """An image of 8 bits without transparency, in a mode that converts to RGB as it looks."""
    if image.mode.startswith("I"):  # convert() would clip 16 bits at 255 instead of scaling them
        wide = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray((wide >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels, which have no agreed range")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered)
    return image


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 (upright) if there is none. Ask after loading: the TIFF reader turns by itself."""
    with suppress(Exception):  # unreadable metadata does not make the pixels unreadable
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1
