"""Predictions: what a classifier says of image files, batch by batch, with a record for each of them; no torch."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.data.picture import decode_picture

BATCH = 32
"""Images at a time: memory does not grow with their number."""


class Classifier(Protocol):
    """What names the classes of images: a model, or an ONNX file."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the probabilities."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Channels of an image, and its pixels a side."""
        ...

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Class probabilities (N, classes) of images (N, channels, side, side)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a classifier says of one file.

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


def check_top(top: int) -> None:
    """Find out before a model is read whether so many classes can be named.

    Raises:
        ValueError: for fewer than one.
    """
    if top < 1:
        raise ValueError(f"top must be at least 1, got {top}")


def predictions(classifier: Classifier, images: Iterable[Path], top: int = 1) -> Iterator[Prediction]:
    """A record per image, in their order, with so many classes; or why a file cannot be read.

    Raises:
        ValueError: at once for ``top`` under 1.
    """
    check_top(top)
    left = iter(images)
    return (found for batch in iter(lambda: list(islice(left, BATCH)), []) for found in _of(classifier, batch, top))


def _of(classifier: Classifier, batch: Sequence[Path], top: int) -> Iterator[Prediction]:
    channels, side = classifier.shape
    pixels, errors = [], {}
    for path in batch:
        try:
            pixels.append(decode_picture(path, side, channels))
        except ValueError as error:
            errors[path] = str(error)
    chances = classifier.probabilities(np.stack(pixels)) if pixels else np.zeros((0, len(classifier.classes)))
    rows = iter(likeliest(chances, classifier.classes, top))
    for path in batch:
        if path in errors:
            yield Prediction(image=path, error=errors[path])
        else:
            yield Prediction(image=path, classes=tuple(next(rows)))


def likeliest(probabilities: NDArray[Any], classes: Sequence[str], top: int) -> list[list[tuple[str, float]]]:
    """For every row of probabilities (N, classes) its ``top`` classes with their probabilities, likeliest first."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [[(classes[i], float(row[i])) for i in best] for row, best in zip(probabilities, order, strict=True)]


def print_predictions(found: Iterable[Prediction], as_json: bool) -> None:
    """Print every record as soon as it is known: a line per class, with tabs, or a JSON list.

    Raises:
        ValueError: at the end, if some of the images could not be read.
    """
    bad, before = list[str](), "["
    for one in found:
        if one.error:
            bad.append(one.error)
        if as_json:
            print(before, json.dumps(one.to_dict()), sep="", flush=True)
            before = ","
            continue
        for name, chance in one.classes or [(f"cannot be read: {one.error}", None)]:
            print(one.image, name, *([] if chance is None else [f"{chance:.3f}"]), sep="\t", flush=True)
    if as_json:
        print("]" if before == "," else "[]")
    if bad:
        raise ValueError(f"{len(bad)} of the images cannot be read, the first: {bad[0]}")
