"""Files that appear whole or not at all: written under another name first, then renamed."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO


@dataclass(slots=True)
class Draft:
    """A file that is being written.

    Attributes:
        file: what is written to.
        path: where it will be; may be decided while it is written.
    """

    file: BinaryIO
    path: Path


@contextmanager
def draft(path: Path, *, sync: bool = False, shared: str = "") -> Iterator[Draft]:
    """Write a file whole or not at all; where that fails, nothing is left and nothing is replaced.

    Args:
        path: of the file; its folder exists.
        sync: wait until the bytes are on the disk before the file gets its name, and then until it has it there.
        shared: where several processes write into the folder at once, what names of unfinished files begin with; each
            then has one of its own. A killed process leaves its unfinished file behind.

    Raises:
        OSError: if it cannot be written.
    """
    if shared:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=shared)
        temporary, file = Path(name), os.fdopen(handle, "wb")
    else:
        temporary = path.with_name(f".{path.name}.new")
        file = temporary.open("wb")
    try:
        with file:
            written = Draft(file, path)
            yield written
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, written.path)
        if sync:
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk: a file may be synced and its name lost in a power cut.

    Raises:
        OSError: if it cannot be read.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where they are missing, and wait until their names are on the disk.

    The name of one that is there already is waited for too: whoever made it may have been killed before that.

    Raises:
        OSError: if it cannot be made, or there is something else.
    """
    folder = folder.absolute()
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    with suppress(OSError):  # what lies outside may be none of ours, or on a file system that cannot
        sync_folder((missing[-1].parent if missing else folder).parent)
    for path in reversed(missing):  # each is on the disk before the next is in it
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)
    folder.mkdir(exist_ok=True)  # complains of a file


def write_bytes(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write a file of bytes whole or not at all.

    Raises:
        OSError: as :func:`draft`.
    """
    with draft(path, sync=sync) as new:
        new.file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Raises:
        OSError: as :func:`draft`.
    """
    write_bytes(path, text.encode())


def write_json(path: Path, data: Any) -> None:
    """Write JSON, indented, whole or not at all.

    Raises:
        OSError: as :func:`draft`.
        ValueError: for a number that JSON does not have, such as NaN.
    """
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def parsed_json(text: str | bytes) -> Any:
    """What a JSON text holds, whatever that is.

    Raises:
        ValueError: if it is no JSON, or nested too deeply to be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
