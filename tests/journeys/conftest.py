"""What users of the command line meet in a pipe of 80 columns, and photos that a small network can tell apart."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.cli import main

CLASSES = ("across", "checks", "down")


def photo(kind, rng):
    """Stripes, or checks, of some colours, under noise, of some size; some lie on their side, which EXIF says."""
    width, height = (int(side) for side in rng.integers(20, 70, 2))
    period, phase = rng.uniform(0.25, 0.5), rng.uniform(0, 1)
    rows, columns = (np.arange(n) / min(width, height) for n in (height, width))
    across, down = (np.sin(2 * np.pi * (place / period + phase)) > 0 for place in (rows, columns))
    pattern = {"across": across[:, None] ^ (columns < 0), "down": down ^ (rows[:, None] < 0)}.get(kind)
    pattern = across[:, None] ^ down if pattern is None else pattern
    dark, light = rng.uniform(0, 110, 3), rng.uniform(146, 256, 3)
    pixels = np.where(pattern[:, :, None], light, dark) + rng.normal(0, 60, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def folder_of(folder, counts, rng):
    """So many photos of every class; half of them JPEG files, a quarter of those turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, count in counts.items():
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            made, name = photo(kind, rng), folder / kind / f"{number:03}"
            if number % 8 == 0:
                made.transpose(Image.Transpose.ROTATE_90).save(f"{name}.jpg", exif=exif, quality=95)
            else:
                made.save(f"{name}.jpg" if number % 2 == 0 else f"{name}.png")
    return folder


@pytest.fixture
def thriftnas(tmp_path, monkeypatch):
    """Runs a command line in this process, in a folder of its own; gives what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THRIFTNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")

    def call(line, code=0):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            found = main(line.split())
        assert found == code, err.getvalue()
        return out.getvalue()

    return call


def shape_of(text: str) -> list[str]:
    """The lines of an output with every number as #, without lines of progress, whose times differ."""
    lines = (line.rstrip() for line in text.splitlines())
    kept = [line for line in lines if line and not re.match(r"(training|decoding images): ", line)]
    return [re.sub(r"\s+", " ", re.sub(r"-?\d+(,\d{3})*(\.\d+)?(e[-+]\d+)?", "#", line)) for line in kept]


def whole(text: str, path: "Path | str") -> bool:
    """Whether a path stands in one line."""
    return any(str(path) in line for line in text.splitlines())
