"""`predict`: class names for images of any kind, and files that are no model or no image."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.data import load
from zoo.export import Model, load_model, prediction


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """One digit as grey, RGB, palette, with transparency, of other sizes, as JPEG, with markup in its name."""
    size = 8  # that of the model: these pictures are not resized
    digit = Image.fromarray(load("digits", resolution=size).test.images[0, 0])
    files = {
        "grey.png": digit,
        "rgb.png": digit.convert("RGB"),
        "palette.png": digit.convert("P"),
        "clear.png": digit.convert("RGBA"),
        "large.png": digit.resize((96, 64)),
        "small.png": digit.resize((3, 5)),
        "photo.jpg": digit.convert("RGB").resize((40, 40)),
        "[red]odd[/blue].png": digit,
    }
    (tmp_path / "pictures").mkdir()
    for name, picture in files.items():
        (tmp_path / "pictures" / name.replace("/", "|")).parent.mkdir(exist_ok=True)
        picture.save(tmp_path / "pictures" / name.replace("/", "|"))
    return [tmp_path / "pictures" / name.replace("/", "|") for name in files]


def test_class_names_for_images_of_any_kind(thriftnas, built, pictures):
    answer = thriftnas("predict", built / "model.pt", *pictures, "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert [entry["image"] for entry in found] == [str(path) for path in pictures]
    for entry in found:
        (only,) = entry["classes"]
        assert only["name"] in "0123456789"
        assert 0.1 <= only["probability"] <= 1
    same = found[:4]  # one picture in four modes
    assert {entry["classes"][0]["name"] for entry in same} == {same[0]["classes"][0]["name"]}


def test_predictions_are_the_models(thriftnas, built, pictures):
    model = load_model(built / "model.pt")
    grey = torch.tensor(np.asarray(Image.open(pictures[0])))[None, None]
    probabilities = model.predict(grey)[0]
    found = json.loads(thriftnas("predict", built / "model.pt", pictures[0], "--top", 10, "--json").out)
    listed = {entry["name"]: entry["probability"] for entry in found[0]["classes"]}
    assert listed == {name: pytest.approx(float(p)) for name, p in zip(model.classes, probabilities, strict=True)}
    chances = [entry["probability"] for entry in found[0]["classes"]]
    assert chances == sorted(chances, reverse=True)


def test_folders_are_read_in_batches(thriftnas, built, pictures, tmp_path, monkeypatch):
    """Every image of a folder has its own answer, whatever batch it is in, and no batch is larger than one."""
    singly = json.loads(thriftnas("predict", built / "model.pt", *sorted(pictures), "--json").out)
    sizes, real = [], Model.predict
    monkeypatch.setattr(prediction, "BATCH", 3)
    monkeypatch.setattr(Model, "predict", lambda model, images: sizes.append(len(images)) or real(model, images))
    (pictures[0].parent / "Thumbs.db").write_bytes(b"litter")
    (pictures[0].parent / ".hidden.png").write_bytes(b"litter")
    answer = thriftnas("predict", built / "model.pt", pictures[0].parent, "--json")
    assert (answer.code, sizes) == (0, [3, 3, 2])
    found = json.loads(answer.out)
    assert [one["image"] for one in found] == [one["image"] for one in singly]
    assert [one["classes"][0]["name"] for one in found] == [one["classes"][0]["name"] for one in singly]
    (tmp_path / "empty").mkdir()
    answer = thriftnas("predict", built / "model.pt", tmp_path / "empty")
    assert (answer.code, answer.err) == (2, f"error: {tmp_path / 'empty'}: expected images in this folder, got none\n")


def test_memory_does_not_grow_with_the_number_of_images(built, pictures):
    """Nothing is read ahead of the batch that is answered."""
    read, left = [], iter([pictures[0]] * 200)

    def paths():
        for path in left:
            read.append(path)
            yield path

    found = prediction.predictions(load_model(built / "model.pt"), paths())
    for number in range(200):
        next(found)
        assert len(read) <= number + prediction.BATCH


def test_top_is_cut_at_the_number_of_classes(thriftnas, built, pictures):
    found = json.loads(thriftnas("predict", built / "model.pt", pictures[0], "--top", 99, "--json").out)
    assert len(found[0]["classes"]) == 10


def test_the_table_names_images_and_classes(thriftnas, built, pictures, monkeypatch):
    monkeypatch.chdir(pictures[0].parent)
    answer = thriftnas("predict", built / "model.pt", *[path.name for path in pictures])
    assert (answer.code, answer.err) == (0, "")
    for path in pictures:
        assert path.name in answer.out


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "cut", "half image"])
def test_an_image_that_is_none_is_named(thriftnas, built, pictures, tmp_path, kind):
    bad = tmp_path / "bad.png"
    content = {"text": b"not an image", "empty": b"", "cut": pictures[0].read_bytes()[:40]}
    if kind == "half image":
        bad.write_bytes(pictures[4].read_bytes()[:-200])
    elif kind != "missing":
        bad.write_bytes(content[kind])
    answer = thriftnas("predict", built / "model.pt", pictures[0], bad, pictures[1])
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert answer.err.startswith(f"error: 1 of the images cannot be read, the first: {bad}: expected a readable image")
    lines = answer.out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(pictures[0]), str(bad), str(pictures[1])]
    assert "cannot be read" in lines[1]
    told = json.loads(thriftnas("predict", built / "model.pt", pictures[0], bad, pictures[1], "--json").out)
    assert [sorted(record) for record in told] == [["classes", "image"], ["error", "image"], ["classes", "image"]]


class _Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("form", ["pickle", "torch", "torch legacy", "in the facts"])
def test_a_model_with_code_in_it_is_refused_and_not_run(thriftnas, pictures, tmp_path, form):
    model, trap = tmp_path / "model.pt", _Trap(tmp_path / "executed")
    if form == "pickle":
        model.write_bytes(pickle.dumps(trap))
    elif form == "in the facts":
        torch.save({"schema": 1, "facts": trap, "weights": {}}, model)
    else:
        torch.save(trap, model, _use_new_zipfile_serialization=form == "torch")
    pickle.loads(pickle.dumps(trap))  # the trap works where it is allowed to
    trap.path.unlink()
    answer = thriftnas("predict", model, pictures[0])
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert str(model) in answer.err
    assert not trap.path.exists()


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "empty", "cut", "tensor", "other schema"])
def test_a_file_that_is_no_model_is_one_line(thriftnas, built, pictures, tmp_path, kind):
    model, content = tmp_path / "other.pt", (built / "model.pt").read_bytes()
    if kind == "folder":
        model.mkdir()
    elif kind == "tensor":
        torch.save(torch.zeros(3), model)
    elif kind == "other schema":
        torch.save({"schema": 2, "facts": "{}", "weights": {}}, model)
    elif kind != "missing":
        model.write_bytes({"text": b"a text file\n", "empty": b"", "cut": content[: len(content) // 2]}[kind])
    answer = thriftnas("predict", model, pictures[0])
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith("error: ")
    assert str(model) in answer.err
