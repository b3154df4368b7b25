"""Predictions: what a model says of image files, batch by batch, with a record for each of them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from zoo.data.folder import readable
from zoo.data.layout import left_over
from zoo.data.picture import decode_picture
from zoo.export.model import Model, likeliest

BATCH = 32
"""Images at a time: memory does not grow with their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model says of one file.

    Attributes:
        image: its path.
        classes: names with their probabilities, likeliest first; empty where the file cannot be read.
        error: why it cannot be read; else empty.
    """

    image: Path
    classes: tuple[tuple[str, float], ...] = ()
    error: str = ""

    def to_dict(self) -> dict[str, object]:
        """The record as JSON-ready data."""
        if self.error:
            return {"image": str(self.image), "error": self.error}
        named = [{"name": name, "probability": chance} for name, chance in self.classes]
        return {"image": str(self.image), "classes": named}


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


def predictions(model: Model, images: Iterable[Path], top: int = 1) -> Iterator[Prediction]:
    """A record per image, in their order, with so many classes, 1 or more; or why a file cannot be read."""
    left = iter(images)
    while batch := list(islice(left, BATCH)):
        yield from _predicted(model, batch, top)


def _predicted(model: Model, batch: Sequence[Path], top: int) -> Iterator[Prediction]:
    pixels, errors = [], {}
    for path in batch:
        try:
            pixels.append(decode_picture(path, model.skeleton.resolution, model.skeleton.in_channels))
        except ValueError as error:
            errors[path] = str(error)
    found: list[list[tuple[str, float]]] = []
    if pixels:
        found = likeliest(model.predict(torch.from_numpy(np.stack(pixels))), model.classes, top)
    rows = iter(found)
    for path in batch:
        if path in errors:
            yield Prediction(image=path, error=errors[path])
        else:
            yield Prediction(image=path, classes=tuple(next(rows)))
