"""Cells with any number of inputs per node are ordinary genotypes: they build, cost, draw, train and are exported."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from milenas.supernet.derivation import build_cell
from tests.cells import STRETCHED
from zoo.export import load_model
from zoo.figures import cell_svg
from zoo.networks import build_network, measured_cost
from zoo.spaces import Skeleton, cost, genotype_from_json

TRAIN = ("--channels", "4", "--cells", "3", "--batch", "20")


def test_derivation_leaves_such_cells_where_it_removes_a_node():
    cell = build_cell(
        {
            (0, 2): "sep_conv_3x3", (0, 3): "skip_connect", (1, 3): "dil_conv_5x5", (2, 3): "max_pool_3x3",
            (4, 5): "skip_connect", (3, 6): "avg_pool_3x3", (2, 6): "sep_conv_5x5",
        }
    )  # fmt: skip
    assert cell == STRETCHED.normal  # 4 has no input, so 5 has none either, and 6 is called 4


@pytest.mark.parametrize(("form", "resolution"), [("cifar", 8), ("imagenet", 64)])
def test_a_stretched_cell_is_kept_built_counted_and_drawn(form, resolution):
    skeleton = Skeleton(channels=4, cells=4, resolution=resolution, classes=3, form=form)
    assert genotype_from_json(STRETCHED.to_json()) == STRETCHED
    network = build_network(STRETCHED, skeleton, torch.Generator().manual_seed(0))
    assert measured_cost(network, 3, resolution) == cost(STRETCHED, skeleton)
    assert network(torch.zeros(2, 3, resolution, resolution)).shape == (2, 3)
    assert cell_svg(STRETCHED.normal, "stretched").count("<circle") == 3


def photographs(folder):
    """40 files of two classes, named in two folders."""
    rng = np.random.default_rng(0)
    for place in range(40):
        path = folder / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(path)


FORMS = {
    "cifar": ("--data", "digits", "--train", 60, "--val", 40, "--auxiliary"),
    "imagenet": ("--recipe", "imagenet", "--data", "imagefolder:photos", "--resolution", 32, "--warmup", 0),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_stretched_cell_trains_and_is_exported_from_the_command_line(form, thriftnas):
    pytest.importorskip("onnxruntime")
    photographs(Path("photos"))
    Path("cell.json").write_text(STRETCHED.to_json())
    answer = thriftnas("zoo", "train", "cell.json", *TRAIN, *FORMS[form], "--epochs", 2, "--out", "run")
    assert answer.code == 0, answer.err
    answer = thriftnas("run", "export", "run", "--format", "json,state,torch,onnx", "--json")
    assert answer.code == 0, answer.err
    (exported,) = json.loads(answer.out)["models"]
    assert exported["key"] == STRETCHED.key
    assert set(exported["deviations"]) == {"torch", "onnx"}
    assert max(exported["deviations"].values()) <= 1e-4
    folder, model = Path("run/export"), load_model(Path("run/model.pt"))
    assert model.skeleton.form == form
    shape = (5, model.skeleton.in_channels, model.skeleton.resolution, model.skeleton.resolution)
    images = torch.tensor(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))
    session = importlib.import_module("onnxruntime").InferenceSession(
        folder / exported["files"]["onnx"], providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(["logits"], {"pixels": (images / 255).numpy()})
    expected = model.predict(images)
    torch.testing.assert_close(torch.tensor(logits).softmax(dim=1), expected, rtol=1e-4, atol=1e-5)
    state = load_model(folder / exported["files"]["state"])
    torch.testing.assert_close(state.predict(images), expected, rtol=0, atol=0)
