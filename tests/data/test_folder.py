import logging
import os
import random
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data import load
from zoo.data.folder import open_folder
from zoo.data.pool import available_bytes, estimate_bytes

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "cifar10.zip"


def write(folder: Path, counts: dict[str, int], *, size=(8, 8), seed: int = 0) -> Path:
    """PNG files `folder/class/i.png` of random pixels, so that contents identify them."""
    rng = np.random.default_rng(seed)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index:03}.png")
    return folder


@pytest.fixture
def read(tmp_path):
    def read(folder: Path, **options):
        options = {"resolution": 8, "root": tmp_path / "cache"} | options
        return load(f"imagefolder:{folder}", **options)

    return read


@pytest.fixture
def pets(tmp_path) -> Path:
    return write(tmp_path / "pets", {"cat": 20, "dog": 40})


def contents(split) -> list[bytes]:
    return [image.tobytes() for image in split.images]


def file_contents(folder: Path) -> set[bytes]:
    return {np.asarray(Image.open(p)).transpose(2, 0, 1).tobytes() for p in folder.rglob("*.png")}


def test_a_folder_of_classes_holds_a_test_split_out(pets, read):
    images = read(pets)
    assert images.classes == ("cat", "dog")
    assert np.bincount(images.test.labels).tolist() == [4, 8]
    assert np.bincount(images.validation.labels).tolist() == pytest.approx([10 / 3, 20 / 3], abs=1)
    found = contents(images.train) + contents(images.validation) + contents(images.test)
    assert len(found) == 60
    assert set(found) == file_contents(pets)
    cats = file_contents(pets / "cat")
    for split in (images.train, images.validation, images.test):
        assert [image in cats for image in contents(split)] == (split.labels == 0).tolist()
    assert np.array_equal(images.test.images, read(pets, seed=9, train=10).test.images)


def test_train_and_test_folders_are_kept_apart(tmp_path, read):
    write(tmp_path / "d" / "train", {"a": 10, "b": 10})
    write(tmp_path / "d" / "test", {"a": 2, "b": 3}, seed=1)
    images = read(tmp_path / "d", validation=4)
    assert (len(images.train), len(images.validation), len(images.test)) == (16, 4, 5)
    assert set(contents(images.test)) == file_contents(tmp_path / "d" / "test")


def test_a_val_folder_is_the_validation_split(tmp_path, read):
    for seed, (split, count) in enumerate({"train": 10, "val": 6, "test": 2}.items()):
        write(tmp_path / "d" / split, {"a": count, "b": count}, seed=seed)
    images = read(tmp_path / "d")
    assert (len(images.train), len(images.validation), len(images.test)) == (20, 12, 4)
    assert set(contents(images.validation)) == file_contents(tmp_path / "d" / "val")
    assert len(read(tmp_path / "d", validation=4).validation) == 4
    choices = {frozenset(contents(read(tmp_path / "d", train=10, seed=seed).train)) for seed in range(5)}
    assert len(choices) > 1, "the seed chooses the training images, too"
    with pytest.raises(ValueError, match="validation: expected 1 to 12 images, got 13"):
        read(tmp_path / "d", validation=13)


def test_train_without_test_holds_one_out(tmp_path, read):
    write(tmp_path / "d" / "train", {"a": 10, "b": 10})
    write(tmp_path / "d" / "val", {"a": 3, "b": 3}, seed=1)
    images = read(tmp_path / "d")
    assert (len(images.train), len(images.validation), len(images.test)) == (16, 6, 4)
    assert not set(contents(images.train)) & set(contents(images.test))


def test_classes_may_be_called_train_and_test(tmp_path, read):
    assert read(write(tmp_path / "d", {"train": 9, "test": 9, "bus": 9})).classes == ("bus", "test", "train")


def test_hidden_files_and_folders_and_other_files_are_ignored(pets, read):
    expected = read(pets).fingerprint
    write(pets / ".cache", {"x": 1})
    (pets / "cat" / ".hidden.png").write_bytes(b"")
    (pets / "cat" / ".thumbs").mkdir()
    shutil.copy(pets / "cat" / "000.png", pets / "cat" / ".thumbs" / "t.png")
    (pets / "cat" / "notes.txt").write_text("no image")
    (pets / "readme.md").write_text("no folder")
    assert read(pets).fingerprint == expected


def test_other_folders_beside_the_splits_are_named_in_the_log(tmp_path, read, caplog):
    write(tmp_path / "d" / "train", {"a": 5, "b": 5})
    write(tmp_path / "d" / "extra", {"a": 5, "b": 5})
    read(tmp_path / "d")
    assert "ignored: extra" in caplog.text


def test_the_fingerprint_is_of_the_pixels_not_of_the_place(pets, tmp_path, read):
    expected = read(pets).fingerprint
    moved = shutil.copytree(pets, tmp_path / "elsewhere")
    assert read(moved).fingerprint == expected
    Image.new("RGB", (8, 8)).save(moved / "cat" / "000.png")
    assert read(moved).fingerprint != expected


def test_base_is_32_pixels(pets, tmp_path):
    images = load(f"imagefolder:{pets}", root=tmp_path / "cache")
    assert (images.resolution, images.channels, images.flip) == (32, 3, True)


def refused(read, folder: Path, *parts: str, **options) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        read(folder, **options)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_folders_that_are_none_or_empty_are_refused(tmp_path, read):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    refused(read, tmp_path / "missing", str(tmp_path / "missing"), "No such file")
    refused(read, tmp_path / "file", str(tmp_path / "file"), "Not a directory")
    refused(read, tmp_path / "empty", str(tmp_path / "empty"), "at least 2 folders", "got none")


def test_a_folder_that_may_not_be_read_is_refused(pets, read, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", forbidden)
    refused(read, pets, str(pets), "Permission denied")


def test_a_single_class_and_an_empty_class_are_refused(tmp_path, read):
    refused(read, write(tmp_path / "one", {"cat": 3}), "at least 2 folders", "'cat'")
    refused(read, write(tmp_path / "two", {"cat": 3, "dog": 0}), str(tmp_path / "two" / "dog"), "got none")


def test_splits_of_different_classes_are_refused(tmp_path, read):
    write(tmp_path / "d" / "train", {"a": 2, "b": 2})
    write(tmp_path / "d" / "test", {"a": 2, "b": 2, "c": 2})
    refused(read, tmp_path / "d", "'c' in test but not in train")
    shutil.rmtree(tmp_path / "d" / "test")
    write(tmp_path / "d" / "test", {"a": 2})
    refused(read, tmp_path / "d", "'b' in train but not in test")


def test_splits_without_train_or_with_an_unknown_validation_are_refused(tmp_path, read):
    write(tmp_path / "d" / "test", {"a": 2, "b": 2})
    refused(read, tmp_path / "d", "train folder beside test")
    write(tmp_path / "d" / "train", {"a": 2, "b": 2})
    write(tmp_path / "d" / "valid", {"a": 2, "b": 2})
    refused(read, tmp_path / "d", "'val'", "'valid'")


def test_a_damaged_image_is_named_and_leaves_no_cache(pets, tmp_path, read):
    victim = pets / "dog" / "007.png"
    victim.write_bytes(victim.read_bytes()[:60])
    refused(read, pets, str(victim))
    assert list((tmp_path / "cache").glob("*")) == []
    victim.unlink()
    victim.symlink_to(tmp_path / "nowhere.png")
    refused(read, pets, str(victim), "No such file")


def test_imbalance_is_split_in_the_same_share(tmp_path, read):
    images = read(write(tmp_path / "d", {"a": 100, "b": 10, "c": 1}, size=(2, 2)))
    assert np.bincount(images.test.labels, minlength=3).tolist() == pytest.approx([20, 2, 0], abs=1)
    assert set(images.train.labels) == {0, 1, 2}
    assert {0, 1} <= set(images.validation.labels)


def test_files_are_decoded_once_for_all_counts(pets, read, monkeypatch):
    calls: list[tuple[int, int]] = []
    read(pets, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (60, 60)

    def never(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr("zoo.data.decoded.decode_picture", never)
    assert len(read(pets, train=10, validation=5, seed=3).train) == 10
    with pytest.raises(AssertionError, match="decoded again"):
        read(pets, resolution=4)


def test_a_changed_file_is_decoded_again(pets, read):
    before = read(pets).fingerprint
    Image.new("RGB", (8, 8), "red").save(pets / "cat" / "000.png")
    assert read(pets).fingerprint != before
    calls: list[int] = []
    os.utime(pets / "cat" / "000.png", (1, 1))  # rewritten with as many bytes
    read(pets, progress=lambda done, _: calls.append(done))
    assert calls


def test_resolutions_are_kept_side_by_side(pets, tmp_path, read, caplog):
    for resolution in (8, 4, 8, 4):
        assert read(pets, resolution=resolution).resolution == resolution
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert caplog.text == ""


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "text"])
def test_a_damaged_cache_entry_is_decoded_again(pets, tmp_path, read, damage, caplog):
    expected = read(pets).fingerprint
    (entry,) = (tmp_path / "cache").iterdir()
    good = entry.read_bytes()
    flipped = bytearray(good)
    flipped[-1] ^= 1
    entry.write_bytes({"truncated": good[:-9], "empty": b"", "flipped": bytes(flipped), "text": b"hello"}[damage])
    assert read(pets).fingerprint == expected
    assert "damaged" in caplog.text
    assert entry.read_bytes() == good


def test_a_cache_that_cannot_be_written_only_costs_time(pets, tmp_path, read, caplog):
    expected = read(pets).fingerprint
    (tmp_path / "blocked").write_text("a file, no folder")
    calls: list[tuple[int, int]] = []
    images = read(pets, train=10, root=tmp_path / "blocked" / "cache", progress=lambda *c: calls.append(c))
    assert caplog.records[0].levelno == logging.WARNING
    assert "cannot write" in caplog.text
    assert calls[-1] == (10 + len(images.validation) + len(images.test),) * 2, "only the chosen are decoded"
    assert read(pets, root=tmp_path / "blocked" / "cache").fingerprint == expected


def test_a_killed_decoding_leaves_nothing_for_ever(pets, tmp_path, read):
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in (".partial-old", ".partial-young"):
        (cache / name).write_bytes(b"x")
    os.utime(cache / ".partial-old", (1, 1))
    read(pets)
    assert sorted(p.name for p in cache.iterdir() if p.suffix != ".npy") == [".partial-young"]


def test_the_cache_defaults_to_the_environment(pets, tmp_path, monkeypatch):
    monkeypatch.setenv("THRIFTNAS_CACHE", str(tmp_path / "there"))
    load(f"imagefolder:{pets}", resolution=4)
    assert len(list((tmp_path / "there").glob("*.npy"))) == 1


def test_memory_is_estimated_before_anything_is_decoded(pets, read, monkeypatch):
    assert estimate_bytes(60, 3, 8) == 60 * 3 * 64
    assert available_bytes() > 1e6
    monkeypatch.setattr("zoo.data.pool.available_bytes", lambda: 60 * 3 * 64 - 1)
    monkeypatch.setattr("zoo.data.decoded.decode_picture", None)
    refused(read, pets, "60 images", "--resolution", "--train")


def test_a_listing_reads_no_image(pets, tmp_path):
    (pets / "cat" / "000.png").write_bytes(b"damaged")
    pool = open_folder(pets, cache=tmp_path / "cache")
    assert (len(pool.labels), len(pool.train), len(pool.test), pool.validation) == (60, 48, 12, None)


@pytest.mark.skipif(not REAL.exists(), reason="needs the shared CIFAR-10 folder")
def test_real_photographs(tmp_path, read):
    with zipfile.ZipFile(REAL) as archive:
        names = [n for n in archive.namelist() if n.endswith(".jpg")]
        chosen = random.Random(0).sample(names, 600)
        archive.extractall(tmp_path, chosen)
    images = read(tmp_path / "cifar10", resolution=16, train=200, validation=50)
    assert len(images.classes) == 10
    assert (len(images.train), len(images.validation)) == (200, 50)
    assert len(images.train) + len(images.validation) + len(images.test) < 600
    # Known for CIFAR-10: means 0.49, 0.48, 0.45, deviations 0.25, 0.24, 0.26; halving takes some contrast.
    assert images.mean == pytest.approx((0.49, 0.48, 0.45), abs=0.04)
    assert images.std == pytest.approx((0.23, 0.23, 0.25), abs=0.03)


def test_classes_are_the_same_in_both_forms_of_unicode(tmp_path, read):
    """Some systems write letters with accents in two characters: the same class in an archive of such a system."""
    composed, apart = "caf\u00e9", "cafe\u0301"
    write(tmp_path / "both/train", {apart: 6, "bar": 6})
    write(tmp_path / "both/test", {composed: 3, "bar": 3}, seed=1)
    images = read(tmp_path / "both")
    assert images.classes == ("bar", composed)
    assert np.bincount(images.test.labels).tolist() == [3, 3]
    write(tmp_path / "twice", {composed: 3, apart: 3, "bar": 3})
    with pytest.raises(ValueError, match="is there twice, in two forms of Unicode"):
        read(tmp_path / "twice")
