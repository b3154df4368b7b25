"""A pool: every image a data set has, not read yet, and which of them may be trained on."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[int, int], None]  # images done, images in total


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """N images by number. Which ones are chosen is decided from the labels alone, before any is read.

    labels: int64 (N,); train, validation, test: disjoint indices into them, validation None where the data
    set has no such split of its own. base: pixels a side unless the user wants others. read(indices,
    resolution) gives a fresh uint8 array (len(indices), channels, resolution, resolution). files: where every
    image is a file, their paths below the data set's folder.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    train: NDArray[np.int64]
    validation: NDArray[np.int64] | None
    test: NDArray[np.int64]
    base: int
    channels: int
    flip: bool
    read: Callable[[NDArray[np.int64], int], NDArray[np.uint8]]
    files: Sequence[str] = ()


def estimate_bytes(images: int, channels: int, resolution: int) -> int:
    """Memory that so many uint8 images take, in bytes."""
    return images * channels * resolution * resolution


def available_bytes() -> int:
    """Memory that can be had now, in bytes; all there is where the system does not say how much is free."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    # Free pages (SC_AVPHYS_PAGES) would count the file cache as taken and refuse what fits.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_memory(name: str, images: int, channels: int, resolution: int) -> None:
    """Raises ValueError, naming what to lower, where the images would not fit into the memory available."""
    needed, available = estimate_bytes(images, channels, resolution), available_bytes()
    if needed > available:
        raise ValueError(
            f"{name}: expected at most {available / 1e9:.1f} GB (memory free), got {needed / 1e9:.1f} GB "
            f"({images} images of {channels} x {resolution} x {resolution}); lower --resolution or --train"
        )
