"""A whole model on a device: its latency, from a model file or an ONNX file."""

from pathlib import Path
from typing import Any

import numpy as np

from zoo.export.model import load_model
from zoo.export.onnx_file import OnnxFile
from zoo.export.program import Deployable
from zoo.latency.stopwatch import Stopwatch, milliseconds

ROUNDS = 31


def model_latency(path: Path, stopwatch: Stopwatch) -> dict[str, Any]:
    """Milliseconds a batch of a model's program, normalisation included; an ONNX file is timed by onnxruntime.

    Args:
        path: a model file, a safetensors file or an ONNX file of a delivery.
        stopwatch: how to time.

    Returns:
        Median and quartiles in milliseconds per batch, and how they were timed; JSON-ready.

    Raises:
        ValueError: if the file is none of these, or an ONNX file is to be timed elsewhere than on the CPU.
        OSError: if it cannot be read.
    """
    runtime = stopwatch.runtime
    if path.suffix.lower() == ".onnx":
        if stopwatch.device != "cpu":
            raise ValueError(f"ONNX files are timed on the CPU only, got {stopwatch.device}")
        file, runtime = OnnxFile.open(path, stopwatch.threads), "onnxruntime"
        channels, side = file.shape
        pixels = np.random.default_rng(0).random((stopwatch.batch, channels, side, side), dtype=np.float32)
        call = stopwatch.onnx_call(file.session, pixels)
    else:
        model = load_model(path)
        channels, side = model.shape
        call = stopwatch.call(Deployable(model), (channels, side, side))
    low, median, high = np.quantile(milliseconds([call], ROUNDS)[:, 0], (0.25, 0.5, 0.75)).tolist()
    timed = {"device": stopwatch.device, "runtime": runtime, "threads": stopwatch.threads, "batch": stopwatch.batch}
    return {"milliseconds": median, "quartiles": [low, high], "per_image": median / stopwatch.batch, **timed}
