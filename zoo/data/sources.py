"""Sources: where image sets come from, by name."""

import contextlib
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.caches import user_cache
from zoo.data.checking import known_bad, say_left_out
from zoo.data.decoded import default_cache
from zoo.data.folder import hold_out, open_folder
from zoo.data.idx import FASHION, PACKAGED_FASHION, packaged, read_idx
from zoo.data.image_set import ImageSet, Split, balanced_prefix, channel_statistics, split_off
from zoo.data.plugged import added_names, added_pool
from zoo.data.pool import Pool, Progress, check_memory
from zoo.data.resizing import resize
from zoo.purposes import TRAIN_CHOICE, VALIDATION_SPLIT

SOURCES = ("digits", "cifar10", "cifar100", "svhn", "fashion-mnist", "imagefolder:DIR")
FOLDER = "imagefolder:"
_DIGITS = tuple(str(digit) for digit in range(10))


def load(
    name: str,
    *,
    resolution: int | None = None,
    train: int | None = None,
    validation: int | None = None,
    seed: int = 0,
    root: Path | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> ImageSet:
    """The image set of that name, square, its images resized once, antialiased bilinear.

    The name is one of SOURCES, or that of an installed package's data set (see :mod:`zoo.data.plugged`).

    resolution: pixels a side; None: digits 16, fashion-mnist 28, the others of SOURCES 32, an added data set the
    height of its images. train, validation: images in total, class-balanced, chosen by `seed`; None: all that
    remain, and one fifth of the training images.
    Validation comes out of the training images unless a folder has its own; the test split depends on neither
    the seed nor the counts. root: where downloads are kept, by default $THRIFTNAS_DATA or
    ~/.cache/thriftnas/data, and where decoded folders are, by default $THRIFTNAS_CACHE or ~/.cache/thriftnas/decoded.
    progress(done, total) is called while images are decoded.

    Raises ValueError, one line with what was expected and got: unknown name, count out of range, folder or
    image that cannot be read, download that failed, too little memory.
    """
    for option, value in (("resolution", resolution), ("train", train), ("validation", validation)):
        if value is not None and value < 1:
            raise ValueError(f"{option}: expected a positive number, got {value}")
    if seed < 0:
        raise ValueError(f"seed: expected 0 or more, got {seed}")
    pool = _open(name, root=root, download=download, progress=progress)
    return image_set(name, pool, resolution=resolution, train=train, validation=validation, seed=seed)


def image_set(
    name: str, pool: Pool, *, resolution: int | None, train: int | None, validation: int | None, seed: int
) -> ImageSet:
    """The images chosen out of a pool, read and split.

    Raises ValueError for a count out of range, an image that cannot be read, or too little memory.
    """
    for option, value in (("resolution", resolution), ("train", train), ("validation", validation)):
        if value is not None and value < 1:
            raise ValueError(f"{option}: expected a positive number, got {value}")
    side = pool.base if resolution is None else resolution
    train_indices, validation_indices = divide(pool, train, validation, seed)
    chosen = (train_indices, validation_indices, pool.test)
    check_memory(name, sum(map(len, chosen)), pool.channels, side)
    images = np.ascontiguousarray(pool.read(np.concatenate(chosen), side))
    ends = np.cumsum([len(indices) for indices in chosen])
    parts = [
        Split(images=images[end - len(indices) : end], labels=pool.labels[indices])
        for indices, end in zip(chosen, ends, strict=True)
    ]
    mean, std = channel_statistics(parts[0].images)
    return ImageSet(
        name=name,
        classes=pool.classes,
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        mean=mean,
        std=std,
        flip=pool.flip,
    )


def default_root() -> Path:
    """Where downloads are kept: $THRIFTNAS_DATA, or a folder in the user's cache."""
    return user_cache("data", "THRIFTNAS_DATA")


def readable_pool(name: str, progress: Progress | None = None) -> Pool:
    """As :func:`load` reads it from the default places, without the files of a folder that cannot be read.

    Raises ValueError as load does, but not for such files.
    """
    pool = _open(name, root=None, download=True, progress=progress)
    if not name.startswith(FOLDER):
        return pool
    directory, cache = Path(name.removeprefix(FOLDER)).expanduser(), default_cache()
    bad = known_bad(pool.files, directory, cache, whole=True)
    if not bad:
        return pool
    say_left_out(directory, bad)
    return open_folder(directory, cache=cache, progress=progress, without=bad)


def _open(name: str, *, root: Path | None, download: bool, progress: Progress | None) -> Pool:
    if name.startswith(FOLDER) and name != FOLDER:
        directory = Path(name.removeprefix(FOLDER)).expanduser()
        return open_folder(directory, cache=root or default_cache(), progress=progress)
    added = added_pool(name, SOURCES)
    if added is not None:
        return added
    if name == "digits":
        return _digits()
    if name in _ARCHIVES:
        return _archive(name, root or default_root(), download)
    known = [*SOURCES[:-1], *added_names()]
    raise ValueError(f"data set: expected {', '.join(known)} or {SOURCES[-1]}, got {name!r}")


def divide(
    pool: Pool, train: int | None, validation: int | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the training and the validation images; the latter do not depend on the former's count.

    Raises ValueError for a count out of range or one that leaves a class without a training image.
    """
    rng = np.random.default_rng((seed, VALIDATION_SPLIT))
    if pool.validation is None:
        available = len(pool.train) - 1
        count = max(1, round(len(pool.train) / 5)) if validation is None else validation
        _check_count("validation", count, available)
        taken, kept = split_off(pool.labels[pool.train], count, rng)
        validation_indices, rest = pool.train[taken], pool.train[kept]
    else:
        count = len(pool.validation) if validation is None else validation
        _check_count("validation", count, len(pool.validation))
        validation_indices = pool.validation[balanced_prefix(pool.labels[pool.validation], count, rng)]
        rest = pool.train
    count = len(rest) if train is None else train
    _check_count("train", count, len(rest), f" ({len(validation_indices)} are for validation)")
    rng = np.random.default_rng((seed, TRAIN_CHOICE))
    train_indices = rest[balanced_prefix(pool.labels[rest], count, rng)]
    for number in np.setdiff1d(np.arange(len(pool.classes)), pool.labels[train_indices]):
        raise ValueError(
            f"train: expected at least one image of each of the {len(pool.classes)} classes, got none of "
            f"{pool.classes[number]!r} among {len(train_indices)}"
        )
    return train_indices, validation_indices


def _check_count(name: str, count: int, available: int, note: str = "") -> None:
    if not 1 <= count <= available:
        raise ValueError(f"{name}: expected 1 to {available} images{note}, got {count}")


def _digits() -> Pool:
    """Scikit-learn's 1,797 handwritten digits of 8 x 8, grey values 0 to 16; a fifth is the test split."""
    import torch
    from sklearn.datasets import load_digits  # here: half a second that the other data sets need not pay
    from torch.nn import functional

    digits = load_digits()
    labels = digits.target.astype(np.int64)
    train, test = hold_out(labels)
    grey = torch.from_numpy(digits.images).float()[:, None] / 16  # (N, 1, 8, 8), 0 to 1

    def read(indices: NDArray[np.int64], resolution: int) -> NDArray[np.uint8]:
        pixels = functional.interpolate(
            grey[torch.from_numpy(indices)], size=(resolution, resolution), mode="bilinear", antialias=True
        )
        return (pixels * 255).round_().clamp_(0, 255).to(torch.uint8).numpy()

    return Pool(
        classes=_DIGITS,
        labels=labels,
        train=train,
        validation=None,
        test=test,
        base=16,
        channels=1,
        flip=False,
        read=read,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Archive:
    """A data set that torchvision downloads and reads."""

    dataset: str  # its class in torchvision.datasets
    files: str  # what to place by hand where there is no network
    base: int
    channels: int
    flip: bool
    splits: tuple[dict[str, Any], dict[str, Any]]  # arguments for train and test
    classes: tuple[str, ...] = ()  # empty: torchvision knows them


_TRAIN_FLAG = ({"train": True}, {"train": False})
_ARCHIVES = {
    "cifar10": _Archive(
        dataset="CIFAR10", files="cifar-10-python.tar.gz", base=32, channels=3, flip=True, splits=_TRAIN_FLAG
    ),
    "cifar100": _Archive(
        dataset="CIFAR100",
        files="cifar-100-python.tar.gz",
        base=32,
        channels=3,
        flip=True,
        splits=_TRAIN_FLAG,
    ),
    "svhn": _Archive(
        dataset="SVHN",
        files="train_32x32.mat and test_32x32.mat",
        base=32,
        channels=3,
        flip=False,
        splits=({"split": "train"}, {"split": "test"}),
        classes=_DIGITS,
    ),
    "fashion-mnist": _Archive(
        dataset="FashionMNIST",
        files="FashionMNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz",
        base=28,
        channels=1,
        flip=True,
        splits=_TRAIN_FLAG,
        classes=FASHION,
    ),
}


def _archive(name: str, root: Path, download: bool) -> Pool:
    archive = _ARCHIVES[name]
    train: Any  # torchvision's data set, or what has the same two arrays
    own = (root / archive.dataset).is_dir()  # what a user has placed there comes first
    if name == "fashion-mnist" and not own and packaged(PACKAGED_FASHION):
        train, test = read_idx(PACKAGED_FASHION, "train"), read_idx(PACKAGED_FASHION, "t10k")
    else:
        train, test = _read_archive(name, archive, root, download)
    pixels = np.concatenate([_as_images(train.data), _as_images(test.data)])  # (N, C, H, W)
    labels = np.concatenate([_labels(train), _labels(test)])

    def read(indices: NDArray[np.int64], resolution: int) -> NDArray[np.uint8]:
        return resize(pixels[indices], resolution)

    return Pool(
        classes=archive.classes or tuple(train.classes),
        labels=labels,
        train=np.arange(len(train.data), dtype=np.int64),
        validation=None,
        test=np.arange(len(train.data), len(labels), dtype=np.int64),
        base=archive.base,
        channels=archive.channels,
        flip=archive.flip,
        read=read,
    )


def _read_archive(name: str, archive: _Archive, root: Path, download: bool) -> tuple[Any, Any]:
    import torchvision.datasets  # here: a second of start-up that digits need not pay

    make: Callable[..., Any] = getattr(torchvision.datasets, archive.dataset)
    try:
        # Its messages must not mix with tables on standard output; the pickles of 2009 make a new numpy warn.
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
            first, second = (make(str(root), download=download, **split) for split in archive.splits)
            return first, second
    except (OSError, RuntimeError, EOFError, ValueError) as error:  # no network, no files, damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        how = "download failed" if download else "not found"
        raise ValueError(f"{name}: {how} ({reason}); expected {archive.files} in {root}") from error


def _as_images(data: Any) -> NDArray[np.uint8]:
    """torchvision's arrays or tensors, (N, H, W, 3), (N, 3, H, W) or (N, H, W), as (N, C, H, W)."""
    images = np.asarray(data, dtype=np.uint8)
    if images.ndim == 3:
        return images[:, None]
    return images if images.shape[1] == 3 else images.transpose(0, 3, 1, 2)


def _labels(dataset: Any) -> NDArray[np.int64]:
    found = dataset.labels if hasattr(dataset, "labels") else dataset.targets
    return np.asarray(found, dtype=np.int64)
