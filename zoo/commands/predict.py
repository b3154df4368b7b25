"""`thriftnas predict`: class names for images, from a model file or an ONNX file."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import options as opt


def predict(
    model: Annotated[Path, typer.Argument(help="A model.pt of a run, or a .pt, .safetensors or .onnx of an export.")],
    images: Annotated[list[Path], typer.Argument(help="Image files of any size, or folders of them.")],
    top: Annotated[int, typer.Option(help="Classes to name per image.")] = 1,
    as_json: opt.Json = False,
) -> None:
    """Name the class of every image, with its probability: a line per class, with tabs, as soon as it is known.

    A file that cannot be read has a line that says so, and the exit code is 2 then; all others have their answers.
    """
    from zoo.data.picture_files import image_files
    from zoo.export.classifier import open_classifier
    from zoo.export.prediction import check_top, predictions, print_predictions

    check_top(top)
    print_predictions(predictions(open_classifier(model), image_files(images), top), as_json)
