"""ONNX files: what the exporters must get right, and a script that predicts what `thriftnas predict` does."""

import importlib
import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.torch_version import TorchVersion

from tests.alone import run_alone
from zoo.data.augmentation import prepare
from zoo.data.picture import decode_picture
from zoo.data.picture_files import image_files
from zoo.export.card import Card
from zoo.export.classifier import open_classifier
from zoo.export.model import save_model
from zoo.export.onnx_file import OnnxFile
from zoo.export.prediction import predictions
from zoo.export.program import save_onnx
from zoo.export.script import MODULES, predict_script
from zoo.spaces.genotype import ChainGenotype

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime"))
    or TorchVersion(torch.__version__) < (2, 9),
    reason="the extra export is not installed, or torch writes no ONNX",
)


@pytest.fixture(scope="module")
def model(make_model, photos):
    """A network that names every class for some of the photos: their mean logits are all alike."""
    found = make_model(ChainGenotype("nas-bench-macro", (1, 0, 2, 0, 1, 1, 0, 0)))
    pixels = np.stack([decode_picture(path, 8) for path in image_files([photos])])
    with torch.no_grad():
        logits = found.network(prepare(torch.from_numpy(pixels), 8, found.mean, found.std))
        found.network.classifier.bias -= logits.mean(dim=0)
    return found


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("delivery")
    save_onnx(model, folder / "m.onnx", Card(model=model, digest="abc").metadata())
    save_model(model, folder / "m.pt")
    (folder / "predict_onnx.py").write_text(predict_script(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """200 photos of mixed sizes, modes and formats, some turned by their EXIF orientation."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(200):
        coarse = rng.integers(0, 256, (*rng.integers(2, 9, 2), 3), dtype=np.uint8)
        width, height = map(int, rng.integers(5, 130, 2))
        picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        mode = ("RGB", "L", "RGBA", "P")[number % 4]
        exif = Image.Exif()
        exif[0x0112] = 1 + number % 8
        if mode in ("RGB", "L"):
            picture.convert(mode).save(folder / f"{number:03}.jpg", exif=exif)
        else:
            picture.convert(mode).save(folder / f"{number:03}.png", exif=exif)
    return folder


def test_the_script_agrees_on_every_photo(model, exported, photos):
    """With onnxruntime, numpy and Pillow alone it names for all of 200 photos the class that the network names."""
    answer = run_alone(exported / "predict_onnx.py", "m.onnx", photos, "--json", "--top", 2)
    assert (answer.returncode, answer.stderr) == (0, "")
    found = json.loads(answer.stdout)
    wanted = [one.to_dict() for one in predictions(model, image_files([photos]), 2)]
    assert len(found) == len(wanted) == 200
    assert [one["image"] for one in found] == [one["image"] for one in wanted]
    names = [[[c["name"] for c in one["classes"]] for one in answers] for answers in (found, wanted)]
    assert names[0] == names[1]
    assert len({str(one) for one in names[0]}) > 4  # it does look at the photos
    for one, other in zip(found, wanted, strict=True):
        assert one["classes"][0]["probability"] == pytest.approx(other["classes"][0]["probability"], abs=1e-4)


def test_the_script_ends_without_a_word_when_its_reader_has_seen_enough(exported, photos):
    words = [sys.executable, str(exported / "predict_onnx.py"), str(exported / "m.onnx"), str(photos)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as script:
        assert script.stdout.readline().startswith(str(photos))
        script.stdout.close()
        assert script.stderr.read() == ""


def test_a_plain_resize_would_not_agree(model, exported, photos):
    """Why the rule is part of the script."""
    file = OnnxFile.open(exported / "m.onnx")
    ours = [one.classes[0][0] for one in predictions(model, image_files([photos]))]
    plain = [np.asarray(Image.open(path).convert("RGB").resize((8, 8))) for path in image_files([photos])]
    chances = file.probabilities(np.stack(plain).transpose(0, 3, 1, 2))
    assert [file.classes[row.argmax()] for row in chances] != ours


def test_the_script_has_what_it_consists_of_and_nothing_of_this_package():
    text = predict_script()
    assert "import zoo" not in text
    assert "from zoo" not in text
    tops = [name for module in MODULES for name in _names(importlib.import_module(module))]
    assert len(tops) == len(set(tops))  # else one would replace another


def _names(module):
    public = vars(module).items()
    return [name for name, value in public if getattr(value, "__module__", None) == module.__name__] + [
        name for name, value in public if name.isupper() and isinstance(value, int | str | tuple | set | dict)
        and f"\n{name} =" in importlib.import_module("inspect").getsource(module)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.onnx", "."), "missing.onnx"),
        (("m.pt", "."), "m.pt is no ONNX file of `thriftnas run export`"),
        (("m.onnx", "empty"), "expected images in this folder, got none"),
        (("m.onnx", "m.pt"), "1 of the images cannot be read, the first: m.pt"),
        (("m.onnx", "m.pt", "--top", "0"), "top must be at least 1, got 0"),
    ],
)
def test_what_the_script_cannot_do_is_one_line(exported, arguments, message):
    (exported / "empty").mkdir(exist_ok=True)
    answer = run_alone(exported / "predict_onnx.py", *arguments)
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1
    assert message in answer.stderr


def test_the_file_is_whole_valid_and_free_in_its_number_of_images(model, exported):
    """Exporters have fixed the batch, left data beside the file, and written files that a checker refuses."""
    onnx = importlib.import_module("onnx")
    assert {path.name for path in exported.glob("m.onnx*")} == {"m.onnx"}
    held = onnx.load(exported / "m.onnx", load_external_data=False)
    onnx.checker.check_model(held, full_check=True)
    assert all(one.data_location == onnx.TensorProto.DEFAULT for one in held.graph.initializer)
    assert {one.domain: one.version for one in held.opset_import}[""] >= 18
    for value in (*held.graph.input, *held.graph.output):
        first, *others = value.type.tensor_type.shape.dim
        assert first.dim_param
        assert all(one.dim_value for one in others)
    file = OnnxFile.open(exported / "m.onnx")
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8), dtype=np.uint8)
    wanted = model.probabilities(images)
    together = file.probabilities(images)
    singly = np.concatenate([file.probabilities(image[None]) for image in images])
    assert np.abs(together - wanted).max() < 1e-4
    assert np.abs(singly - wanted).max() < 1e-4


def test_the_file_says_what_its_card_says(model, exported):
    file = OnnxFile.open(exported / "m.onnx")
    facts = Card(model=model, digest="abc").facts
    assert {name: file.facts[name] for name in facts} == facts
    assert (file.classes, file.shape) == (model.classes, model.shape)


def test_a_file_of_others_is_one_line(exported, tmp_path):
    onnx = importlib.import_module("onnx")
    held = onnx.load(exported / "m.onnx")
    del held.metadata_props[:]
    onnx.save(held, tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"other\.onnx is no ONNX file of `thriftnas run export`: 'classes'"):
        open_classifier(tmp_path / "other.onnx")
