"""A folder of images: `DIR/class/...`, or `DIR/{train,test}/class/...` with or without `val`."""

import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.data.decoded import read_decoded
from zoo.data.image_set import split_off
from zoo.data.pool import Pool, Progress
from zoo.purposes import TEST_SPLIT

BASE = 32  # pixels a side unless the user wants others
TEST_SEED = (TEST_SPLIT, 1)  # fixed: which images are held out as test must not depend on a run's seed

_log = logging.getLogger(__name__)


def open_folder(directory: Path, *, cache: Path, progress: Progress | None = None) -> Pool:
    """The images below `directory`, listed but not read. Hidden files and folders are ignored.

    Without a test folder, one fifth of the training images is held out, the same at every call. Raises
    ValueError where the folder cannot be read, is empty, has one class or an empty one, or its splits have
    different classes.
    """
    splits = _splits(directory)
    classes = _classes(splits)
    files: list[str] = []
    labels: list[int] = []
    numbers: dict[str, NDArray[np.int64]] = {}
    for name, folder in splits.items():
        listed = _list(folder, classes)
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


def _splits(directory: Path) -> dict[str, Path]:
    """Folders of classes by split; a folder without splits is all `train`.

    A folder named train is a split if it holds folders: it may be a class (of vehicles, say) as well.
    """
    folders = {folder.name: folder for folder in _subfolders(directory)}
    splits: dict[str, Path] = {name: folders[name] for name in ("train", "val", "test") if name in folders}
    if not splits or not any(_subfolders(folder) for folder in splits.values()):
        return {"train": directory}
    if "train" not in splits:
        raise ValueError(f"{directory}: expected a train folder beside {' and '.join(splits)}, got none")
    others = sorted(folders.keys() - splits.keys())
    for name in others:
        if name.startswith("valid"):
            raise ValueError(f"{directory / name}: expected validation images in a folder named 'val', got {name!r}")
    if others:
        _log.warning("%s: only train, val and test are read; ignored: %s", directory, ", ".join(others))
    return splits


def _subfolders(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise ValueError(f"{directory}: expected a readable folder, got {error.strerror}") from error
    return [directory / name for name in names]


def _classes(splits: dict[str, Path]) -> tuple[str, ...]:
    names = {split: [folder.name for folder in _subfolders(path)] for split, path in splits.items()}
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
    return tuple(classes)


def _list(folder: Path, classes: tuple[str, ...]) -> list[tuple[str, int]]:
    """(path, class number) of every image of a split, sorted."""
    from torchvision.datasets.folder import (  # here: a second of start-up that other data sets need not pay
        IMG_EXTENSIONS,
        has_file_allowed_extension,
        make_dataset,
    )

    def is_image(path: str) -> bool:
        hidden = os.sep + "." in path[len(str(folder)) :]
        return has_file_allowed_extension(path, IMG_EXTENSIONS) and not hidden

    numbers = {name: number for number, name in enumerate(classes)}
    listed: list[tuple[str, int]] = make_dataset(str(folder), numbers, is_valid_file=is_image, allow_empty=True)
    empty = sorted(set(numbers.values()) - {label for _, label in listed})
    if empty:
        kinds = ", ".join(IMG_EXTENSIONS)
        raise ValueError(f"{folder / classes[empty[0]]}: expected at least one image ({kinds}), got none")
    return listed
