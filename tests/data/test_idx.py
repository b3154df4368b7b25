"""Files of MNIST's format: read as they are, and refused in one line where they are not."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from zoo.data import idx, load, sources

PIXELS = np.arange(20 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(20, 28, 28)
LABELS = np.arange(20, dtype=np.uint8) % 10


def write(path: Path, values: np.ndarray, kind: int = 8) -> None:
    header = bytes((0, 0, kind, values.ndim)) + struct.pack(f">{values.ndim}i", *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split in ("train", "t10k"):
        write(tmp_path / f"{split}-images-idx3-ubyte.gz", PIXELS)
        write(tmp_path / f"{split}-labels-idx1-ubyte.gz", LABELS)
    return tmp_path


def test_a_split_is_its_images_and_labels(folder: Path) -> None:
    found = idx.read_idx(folder, "train")
    assert np.array_equal(found.data, PIXELS)
    assert np.array_equal(found.targets, LABELS)
    assert found.targets.dtype == np.int64


def test_the_package_is_read_where_it_lies(folder: Path, tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setattr(sources, "PACKAGED_FASHION", folder)
    found = load("fashion-mnist", train=10, validation=10, root=tmp_path_factory.mktemp("none"), download=False)
    assert found.classes[9] == "Ankle boot"
    assert np.array_equal(found.test.images[:, 0], PIXELS)


def test_what_a_user_placed_comes_before_the_package(folder: Path, tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setattr(sources, "PACKAGED_FASHION", folder)
    own = tmp_path_factory.mktemp("own")
    (own / "FashionMNIST").mkdir()
    with pytest.raises(ValueError, match="not found"):
        load("fashion-mnist", root=own, download=False)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"no gzip"), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "cannot be read"),
        (lambda path: write(path, PIXELS, kind=9), "no IDX file of bytes in 3 dimensions"),
        (lambda path: write(path, PIXELS[0]), "no IDX file of bytes in 3 dimensions"),
        (lambda path: write(path, PIXELS[:19]), "a label for each of 19 images"),
        (lambda path: path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1])), "bytes, got"),
    ],
)
def test_a_damaged_file_is_one_line(folder: Path, damage, message: str) -> None:
    damage(folder / "train-images-idx3-ubyte.gz")
    with pytest.raises(ValueError, match=message) as caught:
        idx.read_idx(folder, "train")
    assert "\n" not in str(caught.value)


def test_without_one_of_its_files_there_is_no_package(folder: Path) -> None:
    assert idx.packaged(folder)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert not idx.packaged(folder)
