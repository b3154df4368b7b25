"""IDX files: images and labels in the format of MNIST, as Debian's package of Fashion-MNIST installs them."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PACKAGED_FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package ``dataset-fashion-mnist`` has its files."""
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
"""The classes of Fashion-MNIST, by number (Xiao et al. 2017)."""

_BYTES = 8  # the type of values that these files have: unsigned, of one byte


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One split: uint8 images (N, H, W) and their labels (N,)."""

    data: NDArray[np.uint8]
    targets: NDArray[np.int64]


def packaged(folder: Path) -> bool:
    """Whether a folder has the four files."""
    return all(path.is_file() for split in ("train", "t10k") for path in _files(folder, split))


def read_idx(folder: Path, split: str) -> Labelled:
    """The images and labels of a split, "train" or "t10k".

    Raises:
        ValueError: for a file that cannot be read or is of another format, or counts that differ.
    """
    images, labels = (_values(path, dimensions) for path, dimensions in zip(_files(folder, split), (3, 1), strict=True))
    if len(images) != len(labels):
        raise ValueError(f"{folder}: expected a label for each of {len(images)} images of {split}, got {len(labels)}")
    return Labelled(images, labels.astype(np.int64))


def _files(folder: Path, split: str) -> tuple[Path, Path]:
    return folder / f"{split}-images-idx3-ubyte.gz", folder / f"{split}-labels-idx1-ubyte.gz"


def _values(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """A file's array: a header of two zeros, type, number of dimensions, sizes as big-endian int32."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    header = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, _BYTES, dimensions)) or len(content) < header:
        raise ValueError(f"{path} is no IDX file of bytes in {dimensions} dimension{'s' if dimensions > 1 else ''}")
    sizes = np.frombuffer(content, ">i4", dimensions, 4)
    values = np.frombuffer(content, np.uint8, offset=header)
    if values.size != np.prod(sizes, dtype=np.int64):
        raise ValueError(f"{path}: expected {' x '.join(map(str, sizes))} bytes, got {values.size}")
    return values.reshape(sizes)
