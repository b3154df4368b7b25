"""The layout of a folder: splits and classes are what was meant by them, and what archives leave is neither."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from zoo.data.folder import open_folder


def fill(folder: Path, *places: str) -> Path:
    """A few pictures in every place."""
    for place in places:
        (folder / place).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / place / f"{number}.png")
    return folder


def opened(folder: Path):
    return open_folder(folder, cache=folder.parent / "cache")


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (
            ("Training/cat", "Training/dog", "Testing/cat", "Testing/dog"),
            "look like splits, expected 'train' and 'test', got 'Testing' and 'Training': rename 'Testing' to 'test', "
            "'Training' to 'train'",
        ),
        (
            ("Train/cat", "Train/dog", "Val/cat", "Val/dog", "Test/cat", "Test/dog"),
            "expected 'train' and 'val' and 'test', got 'Test' and 'Train' and 'Val'",
        ),
        (("train/cat", "train/dog", "validation/cat", "validation/dog"), "rename 'validation' to 'val'"),
        (("train", "test"), "expected a folder per class in each split, as in test/CLASS/IMAGE, got images in"),
        (("Train", "Val", "Test"), "expected a folder per class in each split"),
        (
            ("cat/train", "cat/test", "dog/train", "dog/test"),
            "expected splits that hold classes, as test/cat, got cat/test",
        ),
        (("photos/cat", "photos/dog"), "got one ('photos'); it holds 2 folders: did you mean"),
    ],
)
def test_a_layout_that_was_not_meant_is_refused_with_the_one_that_was(tmp_path, places, message):
    with pytest.raises(ValueError, match="expected") as caught:
        opened(fill(tmp_path / "data", *places))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("places", "classes"),
    [
        (("cat", "dog"), ("cat", "dog")),
        (("train/cat", "train/dog", "test/cat", "test/dog"), ("cat", "dog")),
        (("train", "bus", "tram"), ("bus", "train", "tram")),  # vehicles
        (("Training/a", "sleeping/a", "running/a"), ("Training", "running", "sleeping")),  # what people do
        (("cat/indoors", "cat/outdoors", "dog/indoors"), ("cat", "dog")),
    ],
)
def test_other_layouts_are_what_they_were(tmp_path, places, classes):
    assert opened(fill(tmp_path / "data", *places)).classes == classes


def test_what_archives_and_systems_leave_is_no_class_and_no_image(tmp_path, caplog):
    folder = fill(tmp_path / "data", "cat", "dog")
    before = opened(folder).files
    for litter in ("__MACOSX/cat", "@eaDir", "cat/__MACOSX"):
        (folder / litter).mkdir(parents=True)
        shutil.copy(folder / "cat" / "0.png", folder / litter / "0.png")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"):
        (folder / "cat" / name).write_bytes(b"litter")
    (folder / ".DS_Store").write_bytes(b"litter")
    assert opened(folder).files == before
    assert caplog.text == ""


def test_pictures_of_all_kinds_are_read_and_others_counted(tmp_path, caplog):
    folder = fill(tmp_path / "data", "cat", "dog")
    Image.new("P", (4, 4)).save(folder / "cat" / "drawing.gif")
    Image.new("RGB", (4, 4)).save(folder / "cat" / "photo.JFIF", format="JPEG")
    for name in ("a.cr2", "b.cr2", "notes.txt"):
        (folder / "dog" / name).write_bytes(b"raw")
    pool = opened(folder)
    assert {"cat/drawing.gif", "cat/photo.JFIF"} <= set(pool.files)
    assert "files left out, which are no images that can be read here: 2 .cr2, 1 .txt" in caplog.text


def test_a_class_of_other_kinds_only_says_what_it_holds(tmp_path):
    folder = fill(tmp_path / "data", "cat")
    (folder / "dog").mkdir()
    (folder / "dog" / "a.cr2").write_bytes(b"raw")
    with pytest.raises(ValueError, match=r"dog: expected at least one image \(.*\.gif.*\), got 1 files of other kinds"):
        opened(folder)
