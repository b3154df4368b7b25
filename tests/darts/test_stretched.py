"""Cells with any number of inputs per node are ordinary genotypes: they build, cost, draw, train and are exported."""

import importlib
import json
from pathlib import Path

import pytest
import torch

from darts.derivation import build_cell
from tests.cells import STRETCHED
from zoo.data import load
from zoo.export import load_model
from zoo.figures import cell_svg
from zoo.networks import build_network, measured_cost
from zoo.spaces import Skeleton, cost, genotype_from_json

TRAIN = ("--data", "digits", "--train", "60", "--val", "40", "--channels", "4", "--cells", "3", "--batch", "20")


def test_derivation_leaves_such_cells_where_it_removes_a_node():
    cell = build_cell(
        {
            (0, 2): "sep_conv_3x3", (0, 3): "skip_connect", (1, 3): "dil_conv_5x5", (2, 3): "max_pool_3x3",
            (4, 5): "skip_connect", (3, 6): "avg_pool_3x3", (2, 6): "sep_conv_5x5",
        }
    )  # fmt: skip
    assert cell == STRETCHED.normal  # 4 has no input, so 5 has none either, and 6 is called 4


def test_a_stretched_cell_is_kept_built_counted_and_drawn():
    skeleton = Skeleton(channels=4, cells=4, resolution=8, classes=3)
    assert genotype_from_json(STRETCHED.to_json()) == STRETCHED
    network = build_network(STRETCHED, skeleton, torch.Generator().manual_seed(0))
    assert measured_cost(network, 3, 8) == cost(STRETCHED, skeleton)
    assert cell_svg(STRETCHED.normal, "stretched").count("<circle") == 3


@pytest.mark.slow
def test_a_stretched_cell_trains_and_is_exported_from_the_command_line(thriftnas):
    pytest.importorskip("onnxruntime")
    Path("cell.json").write_text(STRETCHED.to_json())
    answer = thriftnas("zoo", "train", "cell.json", *TRAIN, "--epochs", 2, "--auxiliary", "--out", "run")
    assert answer.code == 0, answer.err
    answer = thriftnas("run", "export", "run", "--format", "json,state,torch,onnx", "--json")
    assert answer.code == 0, answer.err
    (exported,) = json.loads(answer.out)["models"]
    assert exported["key"] == STRETCHED.key
    assert set(exported["deviations"]) == {"torch", "onnx"}
    assert max(exported["deviations"].values()) <= 1e-4
    folder, images = Path("run/export"), torch.tensor(load("digits").test.images[:5])
    session = importlib.import_module("onnxruntime").InferenceSession(
        folder / exported["files"]["onnx"], providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(["logits"], {"pixels": (images / 255).numpy()})
    expected = load_model(Path("run/model.pt")).predict(images)
    torch.testing.assert_close(torch.tensor(logits).softmax(dim=1), expected, rtol=1e-4, atol=1e-5)
    state = load_model(folder / exported["files"]["state"])
    torch.testing.assert_close(state.predict(images), expected, rtol=0, atol=0)
