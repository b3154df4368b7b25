"""Calibration images kept beside a search: those it took batch-norm statistics from, where they were in memory only."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.files import draft

FILE = "calibration.npz"


def keep_calibration(folder: Path, images: NDArray[np.uint8]) -> None:
    """Write images (N, H, W, C) into the folder of a run, so that its networks can be extracted from it alone."""
    with draft(folder / FILE) as written:
        np.savez_compressed(written.file, allow_pickle=False, images=images)


def kept_calibration(folder: Path, count: int) -> NDArray[np.uint8] | None:
    """The images (count, H, W, C) that are kept in the folder of a run; None where there are none.

    Raises:
        ValueError: if the file is damaged, or has other images.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            images: NDArray[np.uint8] = file["images"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != count:
        raise ValueError(f"{path} holds other images than the {count} that the search was recalibrated on")
    return images
