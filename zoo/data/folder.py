"""A folder of images: `DIR/class/...`, or `DIR/{train,test}/class/...` with or without `val`."""

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.data.decoded import read_decoded
from zoo.data.image_set import split_off
from zoo.data.layout import splits_of, subfolders
from zoo.data.picture_files import left_over, readable
from zoo.data.pool import Pool, Progress
from zoo.purposes import TEST_SPLIT

OF_SYSTEMS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
"""Files that systems leave in folders of images."""
BASE = 32  # pixels a side unless the user wants others
TEST_SEED = (TEST_SPLIT, 1)  # fixed: which images are held out as test must not depend on a run's seed

_log = logging.getLogger(__name__)


def open_folder(
    directory: Path, *, cache: Path, progress: Progress | None = None, without: Collection[str] = ()
) -> Pool:
    """The images below `directory`, listed but not read. Hidden files and folders are ignored.

    Without a test folder, one fifth of the training images is held out, the same at every call. without: paths of
    files that are left out. Raises ValueError where the folder cannot be read, is empty, has one class or an empty
    one, its splits have different classes, or it has another layout than the one that is read.
    """
    splits = splits_of(directory)
    classes = _classes(splits)
    files: list[str] = []
    labels: list[int] = []
    numbers: dict[str, NDArray[np.int64]] = {}
    for name, folder in splits.items():
        listed = _list(folder, _spelled(folder, classes), without)
        numbers[name] = np.arange(len(files), len(files) + len(listed), dtype=np.int64)
        files += [file[len(os.path.join(directory, "")) :] for file, _ in listed]  # relative to directory
        labels += [label for _, label in listed]
    all_labels = np.array(labels, dtype=np.int64)
    train, test = _with_test(all_labels, numbers["train"], numbers.get("test"))

    def read(indices: NDArray[np.int64], resolution: int) -> NDArray[np.uint8]:
        return read_decoded(files, directory, indices, resolution, cache=cache, progress=progress)

    return Pool(
        classes=classes,
        labels=all_labels,
        train=train,
        validation=numbers.get("val"),
        test=test,
        base=BASE,
        channels=3,
        flip=True,
        read=read,
        files=files,
    )


def hold_out(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices left for training and the fifth held out as test: class-balanced, the same at every call."""
    test, train = split_off(labels, max(1, len(labels) // 5), np.random.default_rng(TEST_SEED))
    return train, test


def _with_test(
    labels: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if test is not None:
        return train, test
    kept, held_out = hold_out(labels[train])
    return train[kept], train[held_out]


def _classes(splits: dict[str, Path]) -> tuple[str, ...]:
    names = {split: [_composed(folder.name) for folder in subfolders(path)] for split, path in splits.items()}
    for split, found in names.items():
        if twice := [name for name, count in Counter(found).items() if count > 1]:
            raise ValueError(
                f"{splits[split]}: {twice[0]!r} is there twice, in two forms of Unicode; merge the folders"
            )
    classes = names["train"]
    if len(classes) < 2:
        got = f"one ({classes[0]!r})" if classes else "none"
        raise ValueError(f"{splits['train']}: expected at least 2 folders, one per class, got {got}")
    for split, found in names.items():
        differing = sorted(set(found) ^ set(classes))
        if differing:
            where = ("train", split) if differing[0] in classes else (split, "train")
            raise ValueError(
                f"{splits[split]}: expected the same classes as in train, got {differing[0]!r} in "
                f"{where[0]} but not in {where[1]}"
            )
    return tuple(sorted(classes))


def _composed(name: str) -> str:
    """A name as most systems write it: some take letters with accents apart, and what looks alike would differ."""
    return unicodedata.normalize("NFC", name)


def _spelled(folder: Path, classes: Sequence[str]) -> dict[str, int]:
    """Number of the class of every folder of a split, by the folder's own name."""
    numbers = {name: number for number, name in enumerate(classes)}
    return {one.name: numbers[_composed(one.name)] for one in subfolders(folder)}


def _list(folder: Path, numbers: Mapping[str, int], without: Collection[str]) -> list[tuple[str, int]]:
    """(path, class number) of every image of a split, sorted; what is left out for its kind is counted in the log."""
    from torchvision.datasets.folder import make_dataset  # here: a second of start-up that other data sets need not pay

    kinds = readable()
    others: Counter[str] = Counter()

    def is_image(path: str) -> bool:
        if any(left_over(part) for part in path[len(str(folder)) + 1 :].split(os.sep)):
            return False
        kind = os.path.splitext(path)[1].lower()
        if kind not in kinds:
            others[kind or "without an ending"] += os.path.basename(path).lower() not in OF_SYSTEMS
            return False
        return path not in without

    listed: list[tuple[str, int]] = make_dataset(str(folder), dict(numbers), is_valid_file=is_image, allow_empty=True)
    held = {label for _, label in listed}
    empty = sorted(name for name, number in numbers.items() if number not in held)
    if empty:
        got = f"{sum(others.values())} files of other kinds in {folder}" if +others else "none"
        raise ValueError(f"{folder / empty[0]}: expected at least one image ({', '.join(sorted(kinds))}), got {got}")
    if counted := ", ".join(f"{count} {kind}" for kind, count in sorted((+others).items())):
        _log.warning("%s: files left out, which are no images that can be read here: %s", folder, counted)
    return listed
