"""Weights on the driver's disk: bytes stored under their own hash, and never parsed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from zoo.files import make_folder, sync_folder, write_bytes


class LostWeights(ValueError):
    """Weights that a record names and that are not there; whoever can trains them again.

    Attributes:
        index: of the trial whose weights they are.
    """

    def __init__(self, index: int, folder: Path) -> None:
        super().__init__(f"the weights of trial {index} are missing or damaged in {folder}")
        self.index = index


class WeightStore:
    """A folder of files named by the SHA-256 of what they hold.

    A file appears whole or not at all: it is written under another name, synced and renamed, and its name is synced.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = False

    def put(self, data: bytes) -> str:
        """Store bytes durably and return their SHA-256 in hexadecimal.

        Raises:
            OSError: if they cannot be written, for want of space or rights; nothing is left behind.
        """
        name = hashlib.sha256(data).hexdigest()
        path = self.folder / name
        if not self._made:
            make_folder(self.folder)
            self._made = True
        if self.get(name) is None:
            write_bytes(path, data, sync=True)
        else:
            sync_folder(self.folder)  # whoever put it there may have been killed before its name was on the disk
        return name

    def get(self, name: str) -> bytes | None:
        """The bytes called ``name``, or None where they are missing or do not match their hash."""
        try:
            data = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        return data if hashlib.sha256(data).hexdigest() == name else None

    @property
    def names(self) -> set[str]:
        """What is stored, unfinished files among it."""
        return {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()

    def keep_only(self, names: Iterable[str]) -> None:
        """Delete every file not named."""
        for name in self.names - set(names):
            (self.folder / name).unlink(missing_ok=True)
