"""Programs without this package: what they give is what the network gives, on any number of images."""

import importlib
import importlib.util
import json

import numpy as np
import pytest
import torch
from torch.torch_version import TorchVersion

from tests.cells import STRETCHED
from zoo.export import program
from zoo.export.card import Card
from zoo.export.formats import TOLERANCE, require
from zoo.export.program import save_onnx, save_program
from zoo.spaces.literature import DARTS_V1

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="the extra export is not installed",
)
OLD_EXPORTER = TorchVersion(torch.__version__) < (2, 9)


def told(model):
    return Card(model=model).metadata()


def expected(model, images):
    """Probabilities of the model itself, of whole pixels."""
    return model.predict(images).numpy()


SLOW = pytest.mark.slow  # one kind of network for each format is quick enough


@pytest.fixture
def model(request, make_model, chain):
    return make_model({"cells": DARTS_V1, "stretched": STRETCHED, "chain": chain}[request.param])


def kinds(quick):
    return [pytest.param(kind, marks=() if kind == quick else SLOW) for kind in ("cells", "stretched", "chain")]


@pytest.fixture
def images():
    return torch.tensor(np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8), dtype=np.uint8))


@pytest.mark.parametrize("model", kinds("chain"), indirect=True)
def test_a_torch_program_read_back_predicts_what_the_model_predicts(model, images, tmp_path):
    assert save_program(model, tmp_path / "m.pt2", told(model)) <= TOLERANCE
    again = torch.export.load(tmp_path / "m.pt2").module()
    with torch.no_grad():
        given = again(images / 255).softmax(dim=1).numpy()
    assert np.abs(given - expected(model, images)).max() < 1e-5
    assert np.ptp(given, axis=0).max() > 1e-3  # it does look at the images


@needs_onnx
@pytest.mark.parametrize("model", kinds("stretched"), indirect=True)
def test_an_onnx_file_predicts_what_the_model_predicts(model, images, tmp_path):
    onnxruntime = importlib.import_module("onnxruntime")
    if OLD_EXPORTER:
        with pytest.raises(ValueError, match="cannot write this model as ONNX: "):
            save_onnx(model, tmp_path / "m.onnx", told(model))
        return
    assert save_onnx(model, tmp_path / "m.onnx", told(model)) <= TOLERANCE
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"pixels": (images / 255).numpy()})
    given = torch.tensor(logits).softmax(dim=1).numpy()
    assert np.abs(given - expected(model, images)).max() < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]  # weights included
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(model.classes)


@needs_onnx
def test_an_exporter_that_fails_is_one_line(make_model, chain, tmp_path, monkeypatch):
    def failing(*_, **__):
        raise RuntimeError("no such operator\n\na long report")

    monkeypatch.setattr(torch.onnx, "export", failing)
    with pytest.raises(ValueError, match=r"cannot write this model as ONNX: no such operator$"):
        save_onnx(make_model(chain), tmp_path / "m.onnx", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("shift", "fine"), [(0.0, True), (0.5 * TOLERANCE, True), (1e-2, False), (np.nan, False)])
def test_a_program_that_deviates_is_refused(make_model, chain, shift, fine):
    model = make_model(chain)
    deployable = program.Deployable(model)

    def run(pixels):
        return deployable(pixels).numpy() + np.float32(shift)

    if fine:
        assert program._checked(deployable, model, run, "test") == pytest.approx(shift, abs=1e-5)
    else:
        with pytest.raises(ValueError, match=r"the test program deviates from the network by .*at most 0.0001"):
            program._checked(deployable, model, run, "test")


def test_a_missing_package_is_one_line_that_names_the_extra():
    with pytest.raises(ValueError, match=r"the format onnx needs no_such_package, .*thriftnas\[export\]"):
        require("onnx", ("json", "no_such_package"))
