"""From a folder of photos to a deployed network, as a user goes: every command in turn, and every number checked."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch.torch_version import TorchVersion

from tests.alone import run_alone
from tests.journeys.conftest import CLASSES, folder_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime"))
        or TorchVersion(torch.__version__) < (2, 9),
        reason="the extra export is not installed, or torch writes no ONNX",
    ),
]


def test_from_a_folder_of_photos_to_a_deployed_network(thriftnas, tmp_path):
    rng = np.random.default_rng(0)
    folder_of(tmp_path / "photos", dict.fromkeys(CLASSES, 200), rng)
    held_out = folder_of(tmp_path / "held-out", dict.fromkeys(CLASSES, 100), rng)

    small = "--space nas-bench-macro --channels 8 --resolution 24 --plain-skips --batch 32 --epochs 12"
    said = thriftnas(f"scarlet train --data imagefolder:photos {small} --out supernet")
    assert "3 classes (across, checks, down)" in said

    limit, sizes = "macs<=1500000", "--population 12 --generations 3 --recalibrate 128 --group 12"
    said = thriftnas(
        f"scarlet search --supernet supernet --minimize loss --minimize macs --limit {limit} {sizes} --out front"
    )
    best = next(line.split("thriftnas ")[1] for line in said.splitlines() if line.startswith("The best of the front"))

    thriftnas(f"{best} --format json,csv,state,onnx --out delivery")
    delivery = tmp_path / "delivery"
    names = {path.name for path in delivery.iterdir()}
    assert {"MODEL.md", "labels.txt", "model.html", "model-01.onnx", "model-01.pt", "predict_onnx.py"} <= names
    table = pd.read_csv(delivery / "models.csv").iloc[0]
    assert table["macs"] <= 1_500_000
    assert (delivery / "labels.txt").read_text().split() == list(CLASSES)

    answer = run_alone(delivery / "predict_onnx.py", "model-01.onnx", held_out, "--json")
    assert (answer.returncode, answer.stderr) == (0, "")
    deployed = [(one["image"], one["classes"][0]["name"]) for one in json.loads(answer.stdout)]
    ours = json.loads(thriftnas("predict delivery/model-01.pt held-out --json"))
    assert [name for _, name in deployed] == [one["classes"][0]["name"] for one in ours]

    reached = float(np.mean([image.split("/")[-2] == name for image, name in deployed]))
    facts = json.loads((delivery / "models.json").read_text())["models"][0]["weights"]
    assert facts["accuracy"]["value"] == table["accuracy"]
    assert facts["accuracy"]["images"] == 96
    assert reached > 0.5  # of three classes
    assert facts["accuracy"]["low"] <= reached <= facts["accuracy"]["high"]

    timed = json.loads(thriftnas("zoo profile delivery/model-01.onnx --json"))
    assert timed["runtime"] == "onnxruntime"
    assert 0 < timed["milliseconds"] < 1000
