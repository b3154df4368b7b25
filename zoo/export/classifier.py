"""A classifier by the name of its file: a model file, or an ONNX file of a delivery."""

from pathlib import Path

from zoo.export.onnx_file import OnnxFile
from zoo.export.prediction import Classifier


def open_classifier(path: Path) -> Classifier:
    """The classifier in a file.

    Raises:
        ValueError: if it is none, or damaged.
        OSError: if it cannot be read.
    """
    if path.suffix.lower() == ".onnx":
        return OnnxFile.open(path)
    from zoo.export.model import load_model  # here: an ONNX file needs no torch

    return load_model(path)
