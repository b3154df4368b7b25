"""From a folder of photos to a deployed network, as a user goes: every command in turn, and every number checked."""

import contextlib
import importlib.util
import io
import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.torch_version import TorchVersion

from tests.alone import run_alone
from zoo.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime"))
        or TorchVersion(torch.__version__) < (2, 9),
        reason="the extra export is not installed, or torch writes no ONNX",
    ),
]
CLASSES = ("across", "checks", "down")


def photo(kind, rng):
    """Stripes, or checks, of some colours, under noise, of some size; some lie on their side, which EXIF says."""
    width, height = (int(side) for side in rng.integers(20, 70, 2))
    period, phase = rng.uniform(0.25, 0.5), rng.uniform(0, 1)
    rows, columns = (np.arange(n) / min(width, height) for n in (height, width))
    across, down = (np.sin(2 * np.pi * (place / period + phase)) > 0 for place in (rows, columns))
    pattern = {"across": across[:, None] ^ (columns < 0), "down": down ^ (rows[:, None] < 0)}.get(kind)
    pattern = across[:, None] ^ down if pattern is None else pattern
    dark, light = rng.uniform(0, 110, 3), rng.uniform(146, 256, 3)
    pixels = np.where(pattern[:, :, None], light, dark) + rng.normal(0, 60, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def folder_of(folder, count, rng):
    """So many photos a class; half of them JPEG files, a quarter of those turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in CLASSES:
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            made, name = photo(kind, rng), folder / kind / f"{number:03}"
            if number % 8 == 0:
                made.transpose(Image.Transpose.ROTATE_90).save(f"{name}.jpg", exif=exif, quality=95)
            else:
                made.save(f"{name}.jpg" if number % 2 == 0 else f"{name}.png")
    return folder


@pytest.fixture
def thriftnas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THRIFTNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")

    def call(line, code=0):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            found = main(line.split())
        assert found == code, err.getvalue()
        return out.getvalue()

    return call


def test_from_a_folder_of_photos_to_a_deployed_network(thriftnas, tmp_path):
    rng = np.random.default_rng(0)
    folder_of(tmp_path / "photos", 200, rng)
    held_out = folder_of(tmp_path / "held-out", 100, rng)

    small = "--space nas-bench-macro --channels 8 --resolution 24 --plain-skips --batch 32 --epochs 12"
    said = thriftnas(f"scarlet train --data imagefolder:photos {small} --out supernet")
    assert "3 classes (across, checks, down)" in said

    limit, sizes = "macs<=1500000", "--population 12 --generations 3 --recalibrate 128 --group 12"
    said = thriftnas(
        f"scarlet search --supernet supernet --maximize accuracy --minimize macs --limit {limit} {sizes} --out front"
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
