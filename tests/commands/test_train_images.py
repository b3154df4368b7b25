"""`zoo train` and its images: what is read is checked before it trains, said, and costs no training at the end."""

import contextlib

import pytest
from PIL import Image

from tests.commands.test_train import SIZES, STREAM, words
from zoo.data.stream import open_stream
from zoo.export import load_model
from zoo.population.journal import Journal

pytestmark = pytest.mark.usefixtures("without_drawing")


def test_a_bad_image_is_named_before_anything_is_trained(thriftnas, photos, tmp_path):
    bad = [photos / "dog" / "03.png", photos / "cat" / "17.png"]
    for path in bad:
        path.write_bytes(path.read_bytes()[:60])
    command = ("zoo", "train", "PC_DARTS", "--data", f"imagefolder:{photos}", *words(SIZES), *STREAM)
    answer = thriftnas(*command, "--out", tmp_path / "run")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert all(str(path) in answer.err for path in bad)
    assert not (tmp_path / "run").exists()


def test_a_model_is_kept_before_test_images_are_read(thriftnas, photos, tmp_path, monkeypatch):
    """A test image that turns out to be damaged costs no training; once it is repaired the same command measures."""
    monkeypatch.setattr("zoo.data.stream.DECODED_IMAGES", 1)  # so that the damage is found at the end
    stream = open_stream(f"imagefolder:{photos}", resolution=8, train=40, validation=16)
    victim = photos / stream.files[stream.test[-1]]
    content = bytearray(victim.read_bytes())
    content[60:100] = bytes(40)
    victim.write_bytes(content)
    command = ("zoo", "train", "PC_DARTS", "--data", f"imagefolder:{photos}", *words(SIZES), *STREAM)
    answer = thriftnas(*command, "--out", tmp_path / "run")
    assert answer.code == 2
    assert str(victim) in answer.err
    assert "the model is kept in" in answer.err
    before = load_model(tmp_path / "run" / "model.pt")
    assert "test_accuracy" not in before.notes
    Image.new("RGB", (11, 11)).save(victim)

    def never(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr("zoo.training.stream.StreamEvaluator.__call__", never, raising=False)
    answer = thriftnas(*command, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    after = load_model(tmp_path / "run" / "model.pt")
    assert {name: after.notes[name] for name in before.notes} == before.notes
    assert 0 <= after.notes["test_accuracy"] <= 1


def test_a_stream_of_an_earlier_release_goes_on(thriftnas, photos, tmp_path):
    command = ("zoo", "train", "PC_DARTS", "--data", f"imagefolder:{photos}", *words(SIZES), *STREAM)
    assert thriftnas(*command, "--out", tmp_path / "run").code == 0
    former = open_stream(f"imagefolder:{photos}", resolution=8, train=40, validation=16).former
    with contextlib.closing(Journal.open(tmp_path / "run")) as journal:
        journal.set("identity", {**journal.identity, "data": former})
    assert thriftnas(*command, "--out", tmp_path / "run").code == 0


def test_what_is_trained_on_is_said_and_reported(thriftnas, photos, tmp_path):
    command = ("zoo", "train", "PC_DARTS", "--data", f"imagefolder:{photos}", *words(SIZES), "--resolution", 8)
    answer = thriftnas(*command, "--epochs", 1, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    line = "2 classes (cat, dog) of 25 to 26 training images each; 51 training, 13 validation, 16 test images; 8 × 8"
    said = " ".join(answer.out.split())
    assert line in said
    assert said.index(line) < said.index("after 1 epochs")
    page = (tmp_path / "run" / "report.html").read_text()
    assert line in page
    assert "--resolution for the pixels" in page
    dry = thriftnas(*command, "--epochs", 1, "--out", tmp_path / "dry", "--dry-run")
    assert line in " ".join(dry.out.split())
