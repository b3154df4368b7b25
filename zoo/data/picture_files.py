"""Picture files: which of the files in folders are pictures that can be read, and which are litter."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

PICTURES = (
    ".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".apng", ".gif", ".webp", ".bmp", ".ppm", ".pgm", ".pnm", ".tif", ".tiff",
    ".avif", ".heic", ".heif", ".jp2",
)  # fmt: skip
"""Endings of photographs and drawings."""
LITTER = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
"""Folders that archives and systems leave; hidden ones are litter, too."""


def left_over(name: str) -> bool:
    """Whether a file or folder of this name is no part of a data set."""
    return name.startswith(".") or name in LITTER


def readable() -> frozenset[str]:
    """Endings of the files that are read, in lower case: pictures of the usual kinds, where Pillow reads them here."""
    Image.init()
    known = Image.registered_extensions()
    return frozenset(ending for ending in PICTURES if known.get(ending) in Image.OPEN)


def image_files(places: Iterable[Path]) -> Iterator[Path]:
    """The files among places, and every image below the folders among them, in the order of their names.

    Raises:
        ValueError: for a folder without images.
    """
    kinds = readable()
    for place in places:
        if not place.is_dir():
            yield place
            continue
        found = 0
        for root, folders, files in os.walk(place):
            folders[:] = sorted(name for name in folders if not left_over(name))
            for name in sorted(files):
                if not left_over(name) and os.path.splitext(name)[1].lower() in kinds:
                    found += 1
                    yield Path(root) / name
        if not found:
            raise ValueError(f"{place}: expected images in this folder, got none")
