"""Decoded pictures: the pixels of a folder's files, kept on disk so that they are decoded once."""

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.data.caches import user_cache
from zoo.data.checking import bad_files, require_good
from zoo.data.picture import decode_picture
from zoo.data.pool import Progress
from zoo.files import draft

SCHEMA = 1  # raise it when the same file decodes to other pixels
_CHUNK = 64  # files per task: small enough for a smooth progress bar on large photographs
_PARTIAL = ".partial-"
_ABANDONED = 86_400  # seconds without a write

_log = logging.getLogger(__name__)


def default_cache() -> Path:
    """$THRIFTNAS_CACHE, or a folder in the user's cache."""
    return user_cache("decoded", "THRIFTNAS_CACHE")


def read_decoded(
    files: Sequence[str],
    directory: Path,
    indices: NDArray[np.int64],
    resolution: int,
    *,
    cache: Path,
    progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """Pixels, uint8 (len(indices), 3, resolution, resolution), of the chosen ones of `files` (relative to
    directory).

    The first time all files are decoded into `cache`, in which another choice finds them again as long as no
    file's path, size or modification time changes. Where the cache cannot be written, the chosen files are
    decoded each time and a warning is logged. Raises ValueError, naming all files that cannot be read.
    """
    key = _key(files, directory, resolution)
    shape = (len(files), 3, resolution, resolution)
    paths = [str(directory / file) for file in files]
    stored = _stored(cache, key, shape)
    if stored is None:
        require_good(bad_files(paths))  # names all at once, and long before the last of them would be decoded
        try:
            stored = _store(cache, key, shape, _decode(paths, resolution, progress))
        except OSError as error:  # a picture that cannot be read is a ValueError, so this is the cache
            _log.warning("decoded images are not kept: cannot write to %s (%s)", cache, error)
            chosen = [paths[index] for index in indices]
            return np.concatenate(list(_decode(chosen, resolution, progress)))
    return np.asarray(stored[indices])


def _key(files: Sequence[str], directory: Path, resolution: int) -> str:
    digest = hashlib.sha256(f"{SCHEMA} {resolution}\n".encode())
    for file in files:
        try:
            status = os.stat(directory / file)
        except OSError as error:
            raise ValueError(f"{directory / file}: expected a readable image, got {error.strerror}") from error
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _decode(paths: Sequence[str], resolution: int, progress: Progress | None) -> Iterator[NDArray[np.uint8]]:
    """Chunks (n, 3, resolution, resolution) in order. Threads: decoders release the interpreter's lock.

    Raises ValueError at the end, naming all files that cannot be decoded.
    """
    bad: dict[str, str] = {}
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    done = 0
    threads = ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="decode")
    try:
        for pixels in threads.map(partial(_decode_chunk, resolution=resolution, bad=bad), chunks):
            yield pixels
            done += len(pixels)
            if progress is not None:
                progress(done, len(paths))
    finally:
        threads.shutdown(cancel_futures=True)
    require_good(dict(sorted(bad.items())))


def _decode_chunk(paths: Sequence[str], resolution: int, bad: dict[str, str]) -> NDArray[np.uint8]:
    """The pixels of some files; those that cannot be decoded are noted, and black."""
    pixels = np.zeros((len(paths), 3, resolution, resolution), dtype=np.uint8)
    for place, path in enumerate(paths):
        try:
            pixels[place] = decode_picture(path, resolution)
        except ValueError as error:
            bad[path] = str(error)
    return pixels


def _store(cache: Path, key: str, shape: tuple[int, ...], chunks: Iterator[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Write `KEY-DIGEST.npy` under a temporary name, rename it, map it. Raises OSError where that fails."""
    cache.mkdir(parents=True, exist_ok=True)
    _sweep(cache)
    digest = hashlib.sha256()
    # Written, not memory-mapped: on a full disk a write raises OSError, a mapped page kills the process.
    with draft(cache / f"{key}.npy", sync=True, shared=_PARTIAL) as new:
        np.lib.format.write_array_header_1_0(new.file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for pixels in chunks:
            digest.update(pixels.data)
            new.file.write(pixels.data)
        new.path = cache / f"{key}-{digest.hexdigest()[:16]}.npy"
    mapped: NDArray[np.uint8] = np.load(new.path, mmap_mode="r", allow_pickle=False)
    return mapped


def _sweep(cache: Path) -> None:
    """Remove what killed processes left half-written; younger files may belong to a process at work."""
    for partial_file in cache.glob(_PARTIAL + "*"):
        with suppress(OSError):
            if time.time() - partial_file.stat().st_mtime > _ABANDONED:
                partial_file.unlink()


def _stored(cache: Path, key: str, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The mapped entry, checked against the digest in its name; None where there is none or a damaged one."""
    for path in sorted(cache.glob(f"{key}-*.npy")):
        try:
            pixels: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
            name = f"{key}-{hashlib.sha256(pixels.data).hexdigest()[:16]}"
            if pixels.shape == shape and pixels.dtype == np.uint8 and path.stem == name:
                return pixels
        except (OSError, ValueError, EOFError):
            pass
        _log.warning("%s is damaged and will be decoded again", path)
    return None
