"""An ONNX file of a delivery as a classifier: onnxruntime and numpy alone, its classes and input from its metadata."""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.picture_files import image_files
from zoo.export.prediction import predictions, print_predictions

PIXELS, LOGITS = "pixels", "logits"
"""Names of what a program takes and gives."""


def session_of(content: bytes, threads: int) -> Any:
    """An inference session of onnxruntime on the CPU, which sends and prints nothing.

    Args:
        content: of an ONNX file.
        threads: it computes with; 0: as many as onnxruntime likes.

    Raises:
        ValueError: if onnxruntime is missing, or does not read it.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before it is imported
    try:
        onnxruntime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ValueError("onnxruntime is not installed: pip install onnxruntime") from error
    onnxruntime.set_default_logger_severity(3)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's have no class in common
        raise ValueError(str(error).strip().split("\n")[0]) from error


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile:
    """An opened file.

    Attributes:
        session: onnxruntime's.
        facts: its metadata: what the model card says, by name.
    """

    session: Any
    facts: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path, threads: int = 0) -> "OnnxFile":
        """Read a file.

        Args:
            path: of the file.
            threads: it computes with; 0: as many as onnxruntime likes.

        Raises:
            ValueError: if onnxruntime is missing, or this is no ONNX file that says what it takes and gives.
            OSError: if it cannot be read.
        """
        content = path.read_bytes()
        try:
            session = session_of(content, threads)
            written = session.get_modelmeta().custom_metadata_map
            facts = {name: json.loads(value) for name, value in written.items()}
            found = cls(session, facts)
            fine = len(found.classes) > 0 and len(found.shape) == 2
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no ONNX file of `thriftnas run export`: {error}") from error
        if not fine:
            raise ValueError(f"{path} is no ONNX file of `thriftnas run export`: it names no classes")
        return found

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the logits."""
        return tuple(self.facts["classes"])

    @property
    def shape(self) -> tuple[int, int]:
        """Channels of an image, and its pixels a side."""
        _, channels, side, _ = self.facts["input"]["shape"]
        return channels, side

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, classes) of pixels from 0 to 1, (N, channels, side, side)."""
        logits: NDArray[np.float32] = self.session.run([LOGITS], {PIXELS: pixels})[0]
        return logits

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Class probabilities (N, classes) of images (N, channels, side, side)."""
        logits = self.run(images.astype(np.float32) / np.float32(255)).astype(np.float64)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
        return chances


def main() -> int:
    """Name the class of images from the command line, without thriftnas; gives the exit code."""
    parser = argparse.ArgumentParser(description="Name the class of every image, with its probability.")
    parser.add_argument("model", type=Path, help="an ONNX file of the delivery")
    parser.add_argument("images", type=Path, nargs="+", help="image files of any size, or folders of them")
    parser.add_argument("--top", type=int, default=1, help="classes to name per image")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    try:
        print_predictions(predictions(OnnxFile.open(asked.model), image_files(asked.images), asked.top), asked.json)
    except BrokenPipeError:  # the reader of our output has seen enough, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
