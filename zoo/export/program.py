"""A trained network as a program without this package: torch.export and ONNX, each read back and compared.

Programs take float32 pixels from 0 to 1, (N, channels, side, side) with any N, and give logits (N, classes). Reading
pictures as such squares is not part of them; normalisation is, and a second resizing where training has one.
"""

import copy
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.export.formats import TOLERANCE, require
from zoo.export.model import Model
from zoo.export.onnx_file import LOGITS, PIXELS, OnnxFile

CHECKED = 3
"""Images a program is compared on; another number than it was traced with."""


class Deployable(nn.Module):
    """The network behind its resizing and normalisation.

    Args:
        model: what is exported; it is copied, and its copy computes in float32.
    """

    mean: Tensor
    std: Tensor
    resizing: Tensor

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = copy.deepcopy(model.network).cpu().float().eval()
        self.register_buffer("mean", torch.tensor(model.mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(model.std).reshape(1, -1, 1, 1))

        self.register_buffer("resizing", _resizing(model.shape[1], model.skeleton.resolution))

    def forward(self, pixels: Tensor) -> Tensor:  # (N, C, H, W) in [0, 1] -> (N, classes)
        if len(self.resizing):
            pixels = self.resizing @ pixels @ self.resizing.T
        logits: Tensor = self.network((pixels - self.mean) / self.std)
        return logits


def _resizing(side: int, resolution: int) -> Tensor:
    """The matrix (resolution, side) by which antialiased bilinear resizing weighs rows; empty where none is needed.

    It is linear, and exporters know products better than they know antialiasing.
    """
    if side == resolution:
        return torch.zeros(0, side)
    unit = torch.eye(side)[None, None]
    return functional.interpolate(unit, size=(resolution, side), mode="bilinear", antialias=True)[0, 0]


def save_program(model: Model, path: Path, metadata: Mapping[str, str]) -> float:
    """Write a torch.export program, to be read with ``torch.export.load``; returns its largest deviation.

    Args:
        model: to be written.
        path: of the file.
        metadata: of :meth:`zoo.export.card.Card.metadata`: extra files of the program.

    Raises:
        ValueError: if the program read back deviates by more than the tolerance.
    """
    deployable = Deployable(model)
    with _quiet():
        torch.export.save(_traced(deployable, model), path, extra_files=dict(metadata))
        again: Any = torch.export.load(path).module()
    return _checked(deployable, model, lambda pixels: again(pixels).detach().numpy(), "torch.export")


def save_onnx(model: Model, path: Path, metadata: Mapping[str, str]) -> float:
    """Write an ONNX file, weights and all; returns how far onnxruntime deviates from torch at most.

    Args:
        model: to be written.
        path: of the file.
        metadata: of :meth:`zoo.export.card.Card.metadata`: metadata properties of the file.

    Raises:
        ValueError: if onnx, onnxscript or onnxruntime is missing, torch's exporter fails, as that of torch 2.6 and
            2.8 does, or they deviate by more than the tolerance.
    """
    require("onnx", ("onnx", "onnxscript", "onnxruntime"))
    deployable = Deployable(model)
    with _quiet():
        program = _onnx_program(_traced(deployable, model))
        program.model.metadata_props.update(metadata)
        program.save(path)
        written = OnnxFile.open(path)
    return _checked(deployable, model, lambda pixels: written.run(pixels.numpy()), "onnx")


def onnx_bytes(module: nn.Module, inputs: Tensor) -> bytes:
    """A module as the content of an ONNX file, for inputs of one shape.

    Raises:
        ValueError: as :func:`save_onnx`.
    """
    require("onnx", ("onnx", "onnxscript", "onnxruntime"))
    with _quiet(), torch.no_grad():
        program = _onnx_program(torch.export.export(module, (inputs,)))
        content: bytes = program.model_proto.SerializeToString()
    return content


def _onnx_program(traced: torch.export.ExportedProgram) -> Any:
    try:
        return torch.onnx.export(traced, dynamo=True, input_names=[PIXELS], output_names=[LOGITS], verbose=False)
    except Exception as error:  # whatever onnx, onnxscript and torch raise
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"torch {torch.__version__} cannot write this model as ONNX: {reason}") from error


def _traced(deployable: Deployable, model: Model) -> torch.export.ExportedProgram:
    """The program with a free number of images."""
    example = _pixels(model, 2)
    shapes = ({0: torch.export.Dim("images", min=1, max=1 << 20)},)
    with torch.no_grad():
        return torch.export.export(deployable, (example,), dynamic_shapes=shapes)


def _pixels(model: Model, count: int) -> Tensor:
    channels, side = model.shape
    return torch.rand((count, channels, side, side), generator=torch.Generator().manual_seed(count))


@torch.no_grad()
def _checked(deployable: Deployable, model: Model, run: Any, what: str) -> float:
    worst = 0.0
    for count in (1, CHECKED):
        pixels = _pixels(model, count)
        expected = deployable(pixels).numpy()
        given = np.asarray(run(pixels))
        deviation = np.abs(given - expected).max() / max(1.0, float(np.abs(expected).max()))
        worst = float(np.maximum(worst, deviation))  # NaN stays NaN
    if not worst <= TOLERANCE:
        raise ValueError(f"the {what} program deviates from the network by {worst:.2g}, expected at most {TOLERANCE:g}")
    return worst


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress reports and deprecation notes of the exporters, which are not about the user's network."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
