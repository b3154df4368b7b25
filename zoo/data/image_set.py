"""An image set: three splits of images as arrays, the class names, the training images' statistics."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STATISTICS_CHUNK = 4096  # images counted at once: bounds the temporary integers, not the result


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Images and their labels. The arrays are read-only views, as they are behind Ray's object store.

    images: uint8 (N, C, H, W); labels: int64 (N,), indices into the classes of the image set.
    Raises ValueError where a type or a shape is another one.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise ValueError(f"images: expected uint8 (N, C, H, W), got {self.images.dtype} {self.images.shape}")
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"labels: expected int64 ({len(self.images)},), got {self.labels.dtype} {self.labels.shape}"
            )
        # In one process an accidental write would go unnoticed; on a worker it fails. So it fails everywhere.
        object.__setattr__(self, "images", _read_only(self.images))
        object.__setattr__(self, "labels", _read_only(self.labels))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSet:
    """Three splits, of which a search sees train and validation and the final report sees test.

    mean, std: per channel, of the training images only, pixels in [0, 1]. flip: whether a mirrored image
    keeps its class. fingerprint: SHA-256 of the contents (pixels and labels of all splits, classes, flip), never of a
    name or a path; computed once, here. part_of: the fingerprint of a larger set that these images are a part of, which
    counts instead; empty: of none.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    part_of: str = ""
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        for name, split in (("validation", self.validation), ("test", self.test)):
            if split.images.shape[1:] != self.train.images.shape[1:]:
                raise ValueError(
                    f"{name}: expected images of shape {self.train.images.shape[1:]} like those of train, "
                    f"got {split.images.shape[1:]}"
                )
        object.__setattr__(self, "fingerprint", self.part_of or _fingerprint(self))

    @property
    def resolution(self) -> int:
        """Height (= width) of the images, in pixels."""
        return int(self.train.images.shape[2])

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return int(self.train.images.shape[1])


def channel_statistics(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of uint8 images (N, C, H, W), as fractions of 255.

    Counted in integers, so the result depends on no summation order. A constant channel gets standard
    deviation 1: it is zero after the mean is subtracted, and dividing by 0 would make it NaN.
    """
    values = np.arange(256) / 255.0
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = np.zeros(256, dtype=np.int64)
        for start in range(0, len(images), _STATISTICS_CHUNK):
            pixels = images[start : start + _STATISTICS_CHUNK, channel].ravel()
            counts += np.bincount(pixels, minlength=256)
        share = counts / counts.sum()
        mean = float(share @ values)
        variance = float(share @ (values - mean) ** 2)
        means.append(mean)
        deviations.append(variance**0.5 if np.count_nonzero(counts) > 1 else 1.0)
    return tuple(means), tuple(deviations)


def split_off(
    labels: NDArray[np.int64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sorted indices of `count` images taken from all classes in the same share, and of the images left.

    Every class of two or more images gives at least one where `count` allows; a class of one image keeps it
    to the last. From one rng state, a smaller count takes a subset of a larger one. Raises ValueError unless
    0 < count < number of labels.
    """
    if not 0 < count < len(labels):
        raise ValueError(f"images to split off: expected 1 to {len(labels) - 1}, got {count}")
    order = _balanced_order(labels, rng, spare_singles=True)
    return np.sort(order[:count]), np.sort(order[count:])


def subset(labels: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Sorted indices of a class-balanced `share` of the images: the sample ratio 2^-k (3, Zhou 2020).

    At least one image of every class. From one rng state, a smaller share is contained in a larger one.
    Raises ValueError unless 0 < share <= 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"sample share: expected above 0 and at most 1, got {share}")
    order = _balanced_order(labels, rng, spare_singles=False)
    count = max(int(np.floor(share * len(labels) + 0.5)), len(np.unique(labels)))  # ties round up
    return np.sort(order[:count])


def balanced_prefix(labels: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Sorted indices of `count` images (0 < count <= N), class-balanced, with every class if count allows."""
    if not 0 < count <= len(labels):
        raise ValueError(f"images to choose: expected 1 to {len(labels)}, got {count}")
    return np.sort(_balanced_order(labels, rng, spare_singles=False)[:count])


def _balanced_order(labels: NDArray[np.int64], rng: np.random.Generator, *, spare_singles: bool) -> NDArray[np.int64]:
    """All indices in an order of which every prefix holds the classes in the same share, as nearly as whole
    images can.

    The i-th image (from 0) of a class of n sorts at (i + 1/2)/n: prefixes are then Sainte-Laguë
    apportionments, which, unlike largest remainders, never take an image back when the total grows. Each
    class's first image comes before all that, so that rare classes are present; `spare_singles` puts the only
    image of a class last instead.
    """
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, starts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    size = np.repeat(sizes, sizes)
    place = np.arange(len(labels)) - np.repeat(starts, sizes)
    key = np.where(place == 0, 0.0, (place + 0.5) / size)
    if spare_singles:
        key[size == 1] = np.inf
    # Equal keys (equal classes) are broken at random, or the low class numbers would always come first.
    return by_class[np.lexsort((rng.random(len(labels)), key))].astype(np.int64)


def _fingerprint(image_set: ImageSet) -> str:
    digest = hashlib.sha256(repr((image_set.classes, image_set.flip)).encode())
    for split in (image_set.train, image_set.validation, image_set.test):
        digest.update(repr(split.images.shape).encode())
        digest.update(np.ascontiguousarray(split.images).data)
        digest.update(np.ascontiguousarray(split.labels, dtype="<i8").data)
    return digest.hexdigest()


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
