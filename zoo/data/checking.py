"""Which files of a folder are no readable pictures, found out before anything is trained on them."""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from PIL import Image

from zoo.data.picture import decode_picture, unreadable
from zoo.files import parsed_json, write_text

NAMED = 100
"""Bad files that an error names; it counts the others."""
_TAIL = 64
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b"\x3b"}
"""What a whole file has near its end, by Pillow's name of its format; where it lacks it, the file is decoded."""
_SIDE = 8  # pixels a side of a picture that is decoded only to see whether it can be

_log = logging.getLogger(__name__)


def bad_files(paths: Sequence[str], *, whole: bool = False) -> dict[str, str]:
    """The files that are no readable pictures, and why.

    Every header is read, and the end of the file, which a file that was cut off lacks; what looks cut off is decoded.

    Args:
        paths: of the files.
        whole: whether all of them are decoded.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="check") as threads:
        reasons = threads.map(partial(_wrong, whole=whole), paths, chunksize=64)
        return {path: reason for path, reason in zip(paths, reasons, strict=True) if reason}


def known_bad(files: Sequence[str], directory: Path, cache: Path, *, whole: bool = False) -> dict[str, str]:
    """As :func:`bad_files` of files below a directory, whose answer is kept as long as no file changes.

    Args:
        files: relative to the directory.
        directory: they lie in.
        cache: folder that keeps the answer; where it cannot be written, files are read every time.
        whole: whether all of them are decoded.
    """
    note = cache / f"checked-{_key(files, directory, whole)}.json"
    with suppress(OSError, ValueError):
        found: dict[str, str] = parsed_json(note.read_text(encoding="utf-8"))
        return found
    found = bad_files([str(directory / file) for file in files], whole=whole)
    with suppress(OSError, UnicodeEncodeError):  # a name that is no text
        cache.mkdir(parents=True, exist_ok=True)
        write_text(note, json.dumps(found))
    return found


def _key(files: Sequence[str], directory: Path, whole: bool) -> str:
    """A hash of names, sizes and times; a file that is gone has neither."""
    digest = hashlib.sha256(f"{whole}\n".encode())
    for file in files:
        status = None
        with suppress(OSError):
            status = os.stat(directory / file)
        facts = (None, None) if status is None else (status.st_size, status.st_mtime_ns)
        digest.update(f"{file}\0{facts}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def require_good(bad: Mapping[str, str]) -> None:
    """Complain about all bad files in one line.

    Raises:
        ValueError: naming them, if there are any.
    """
    if not bad:
        return
    if len(bad) == 1:
        (reason,) = bad.values()
        raise ValueError(f"{reason}; repair it, or leave it out with --skip-bad")
    rest = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    named = "; ".join([*bad.values()][:NAMED])
    raise ValueError(f"{len(bad)} images cannot be read: {named}{rest}; repair them, or leave them out with --skip-bad")


def say_left_out(directory: Path, bad: Iterable[str]) -> None:
    """Name the files that are left out because they cannot be read."""
    names = sorted(os.path.relpath(path, directory) for path in bad)
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    _log.warning("%s: %d unreadable images left out: %s%s", directory, len(names), ", ".join(names[:NAMED]), rest)


def _wrong(path: str, *, whole: bool) -> str:
    """Why a file is no readable picture; empty where it seems to be one."""
    try:
        with Image.open(path) as image:
            end = _ENDS.get(image.format or "")
        if not whole and (end is None or end in _tail(path)):
            return ""
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, zlib.error, ... on damaged files
        return unreadable(path, error)
    try:
        decode_picture(path, _SIDE)
    except ValueError as error:
        return str(error)
    return ""


def _tail(path: str) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
        return file.read()
