"""Files that cannot be read are all named before anything is trained, or left out on request."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo.data.checking
from zoo.data.checking import bad_files
from zoo.data.stream import open_stream
from zoo.experiments import ImageSource


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    """12 pictures of each of two classes, in a folder with splits."""
    monkeypatch.setenv("THRIFTNAS_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 4)):
        for name in ("cat", "dog"):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.{'jpg' if number % 2 else 'png'}")
    return tmp_path / "pictures"


def damage(folder: Path) -> dict[str, Path]:
    """A file of every kind that cannot be read."""
    bad = {
        "cut": folder / "train" / "cat" / "1.jpg",
        "cut png": folder / "test" / "cat" / "0.png",
        "empty": folder / "train" / "dog" / "2.png",
        "text": folder / "test" / "dog" / "3.jpg",
    }
    for name, path in bad.items():
        content = path.read_bytes()
        path.write_bytes({"empty": b"", "text": b"no picture"}.get(name, content[: len(content) * 2 // 3]))
    return bad


def opened(folder: Path, kind: str, **options):
    name = f"imagefolder:{folder}"
    if kind == "stream":
        return open_stream(name, resolution=8, **options)
    return ImageSource(name=name, resolution=8, **options).images(0)


@pytest.mark.parametrize("kind", ["stream", "held"])
def test_all_bad_files_are_named_in_one_go_or_left_out(pictures, kind, caplog):
    bad = damage(pictures)
    with pytest.raises(ValueError, match="4 images cannot be read") as caught:
        opened(pictures, kind)
    assert all(str(path) in str(caught.value) for path in bad.values())
    assert "--skip-bad" in str(caught.value)
    assert "\n" not in str(caught.value)
    images = opened(pictures, kind, skip_bad=True)
    assert len(images.train) + len(images.validation) + len(images.test) == 24 - len(bad)
    assert "4 unreadable images left out: test/cat/0.png, test/dog/3.jpg, train/cat/1.jpg" in caplog.text


def test_pixels_that_are_damaged_in_the_middle_are_named_too(pictures):
    """Header and end are whole; what is decoded at the start tells."""
    for name in ("train/cat/0.png", "train/dog/2.png", "test/dog/0.png"):
        content = bytearray((pictures / name).read_bytes())
        content[200:900] = bytes(700)
        (pictures / name).write_bytes(content)
    with pytest.raises(ValueError, match="3 images cannot be read"):
        opened(pictures, "held")
    with pytest.raises(ValueError, match=r"test.dog.0\.png: expected a readable image"):
        opened(pictures, "stream")
    assert len(opened(pictures, "held", skip_bad=True).test) == 7


def test_a_whole_file_is_not_decoded_and_an_answer_is_kept(pictures, monkeypatch):
    paths = sorted(map(str, pictures.rglob("*.[jp]*g")))
    monkeypatch.setattr(zoo.data.checking, "decode_picture", None)
    assert bad_files(paths) == {}
    monkeypatch.undo()
    monkeypatch.setenv("THRIFTNAS_CACHE", str(pictures.parent / "cache"))
    opened(pictures, "stream")
    monkeypatch.setattr(zoo.data.checking, "bad_files", None)
    opened(pictures, "stream")


def test_a_repaired_test_image_makes_no_other_training(pictures):
    """A stream is known by what is trained on; what earlier releases knew it by is still there."""
    first = opened(pictures, "stream")
    victim = pictures / "test" / "cat" / "0.png"
    Image.new("RGB", (5, 5)).save(victim)
    second = opened(pictures, "stream")
    assert second.fingerprint == first.fingerprint
    assert second.former != first.former
    shutil.copy(pictures / "train" / "cat" / "2.png", pictures / "train" / "cat" / "0.png")
    Image.new("RGB", (5, 5)).save(pictures / "train" / "dog" / "0.png")
    assert opened(pictures, "stream").fingerprint != first.fingerprint
