"""The layout of a folder of images: which of its folders are splits, which are classes, and which are neither."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from zoo.data.picture_files import left_over

SPLITS = ("train", "val", "test")
_MEANT = {
    "train": ("train", "training", "trainset", "train_set"),
    "val": ("val", "valid", "validation", "dev", "valset", "val_set"),
    "test": ("test", "testing", "testset", "test_set", "eval", "evaluation"),
}
"""What people call splits, in lower case."""

_log = logging.getLogger(__name__)


def splits_of(directory: Path) -> dict[str, Path]:
    """Folders of classes by split; a folder without splits is all `train`.

    A folder named train is a split if it holds folders: it may be a class (of vehicles, say) as well.

    Raises:
        ValueError: for a folder that cannot be read, or a layout that means splits and would be taken for classes;
            says which layout was meant.
    """
    folders = {folder.name: folder for folder in subfolders(directory)}
    _refuse_what_was_not_meant(directory, folders)
    splits: dict[str, Path] = {name: folders[name] for name in SPLITS if name in folders}
    if not splits or not any(subfolders(folder) for folder in splits.values()):
        return {"train": directory}
    if "train" not in splits:
        raise ValueError(f"{directory}: expected a train folder beside {' and '.join(splits)}, got none")
    others = sorted(folders.keys() - splits.keys())
    if others:
        _log.warning("%s: only train, val and test are read; ignored: %s", directory, ", ".join(others))
    return splits


def subfolders(directory: Path) -> list[Path]:
    """The folders in a folder by name, without hidden ones and those that archives leave.

    Raises:
        ValueError: if it cannot be read.
    """
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not left_over(entry.name))
    except OSError as error:
        raise ValueError(f"{directory}: expected a readable folder, got {error.strerror}") from error
    return [directory / name for name in names]


def _refuse_what_was_not_meant(directory: Path, folders: Mapping[str, Path]) -> None:
    """Complain about splits of other names, about splits that hold no classes, and about classes that hold splits."""
    meant = _meant(folders)
    deep = [name for name in meant if subfolders(folders[name])]
    if deep and (len(set(meant.values())) > 1 or meant.keys() == folders.keys()):
        wrong = [name for name in meant if name not in SPLITS]
        if wrong:
            right = " and ".join(repr(name) for name in SPLITS if name in set(meant.values()))
            renames = ", ".join(f"{name!r} to {meant[name]!r}" for name in wrong)
            raise ValueError(
                f"{directory}: these folders look like splits, expected {right}, got {_listed(meant)}: rename {renames}"
            )
    if len(folders) > 1 and not deep and meant.keys() == folders.keys():
        raise ValueError(
            f"{directory}: expected a folder per class in each split, as in {next(iter(meant.values()))}/CLASS/IMAGE, "
            f"got images in {_listed(meant)} themselves"
        )
    inner = {name: _meant(folder.name for folder in subfolders(path)) for name, path in folders.items() if not meant}
    if len(inner) > 1 and all(len(set(found.values())) > 1 for found in inner.values()):
        name, found = next(iter(inner.items()))
        split, what = next(iter(found.items()))
        raise ValueError(f"{directory}: expected splits that hold classes, as {what}/{name}, got {name}/{split}")
    if len(folders) == 1 and not meant:
        (only,) = folders.values()
        if len(within := subfolders(only)) > 1:
            raise ValueError(
                f"{directory}: expected at least 2 folders, one per class, got one ({only.name!r}); it holds "
                f"{len(within)} folders: did you mean {only}?"
            )


def _meant(names: Iterable[str]) -> dict[str, str]:
    """The names that people give to splits, with the split each means."""
    known = {called: split for split, names_ in _MEANT.items() for called in names_}
    return {name: known[name.lower()] for name in names if name.lower() in known}


def _listed(names: Iterable[str]) -> str:
    return " and ".join(map(repr, names))
