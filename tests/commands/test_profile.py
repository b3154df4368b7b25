"""`zoo profile`: a model's latency, a table of a space's blocks, and what cannot be timed."""

import importlib.util
import json

import pytest
import torch
from torch.torch_version import TorchVersion

from zoo.export.card import Card
from zoo.export.model import load_model
from zoo.export.program import save_onnx

SMALL = ("--channels", 4, "--resolution", 8, "--classes", 3)


def test_a_model_is_timed(thriftnas, built):
    answer = thriftnas("zoo", "profile", built / "model.pt", "--batch", 4, "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert 0 < found["quartiles"][0] <= found["milliseconds"] <= found["quartiles"][1]
    assert found["per_image"] == found["milliseconds"] / 4
    assert (found["runtime"], found["device"], found["threads"], found["batch"]) == ("torch", "cpu", 1, 4)
    assert "ms a batch of 1, half of the calls" in thriftnas("zoo", "profile", built / "model.pt").out


@pytest.mark.skipif(
    importlib.util.find_spec("onnxscript") is None
    or importlib.util.find_spec("onnxruntime") is None
    or TorchVersion(torch.__version__) < (2, 9),
    reason="the extra export is not installed, or torch writes no ONNX",
)
@pytest.mark.slow  # an export
def test_an_onnx_file_is_timed_and_predicts(thriftnas, built, photos):
    """It is read as a model file is, and says of every photo what the model file says."""
    model = load_model(built / "model.pt")
    save_onnx(model, built / "m.onnx", Card(model=model).metadata())
    found = json.loads(thriftnas("zoo", "profile", built / "m.onnx", "--json").out)
    assert (found["runtime"], found["batch"]) == ("onnxruntime", 1)
    assert found["milliseconds"] > 0
    answers = [thriftnas("predict", built / name, photos, "--json") for name in ("m.onnx", "model.pt")]
    assert [answer.code for answer in answers] == [0, 0], answers[0].err
    first, second = ([one["classes"][0]["name"] for one in json.loads(answer.out)] for answer in answers)
    assert first == second
    assert len(first) == 80


@pytest.mark.slow
def test_a_space_is_timed_and_its_table_read(thriftnas, tmp_path):
    answer = thriftnas("zoo", "profile", "--space", "nas-bench-macro", *SMALL, "--networks", 6, "--out", "t.csv")
    assert answer.code == 0, answer.err
    assert "On 6 whole networks it has not seen" in answer.out
    assert "twice differs by" in answer.out
    assert {"t.csv", "t.csv.json"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "either a MODEL file or --space NAME"),
        (("missing.pt",), "missing.pt"),
        (("--space", "nas-bench-201"), "nas-bench-201"),
        (("--space", "nas-bench-macro", "--cells", 3), "leave out --cells"),
        (("--space", "nas-bench-macro", "--out", "nowhere/t.csv"), "the folder of nowhere/t.csv does not exist"),
        (("--space", "nas-bench-macro", "--networks", -1), "networks must be 0 or more"),
        (("--space", "nas-bench-macro", "--channels", 0), "channels"),
        (("--space", "nas-bench-macro", "--batch", 0), "batch and threads must be at least 1"),
    ],
)
def test_what_cannot_be_timed_is_one_line(thriftnas, tmp_path, words, message):
    answer = thriftnas("zoo", "profile", *words)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert message in answer.err
    assert list(tmp_path.iterdir()) == []
