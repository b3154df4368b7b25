"""`thriftnas predict`: class names for images, from a model file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import options as opt


def predict(
    model: Annotated[Path, typer.Argument(help="A model.pt written by a run.")],
    images: Annotated[list[Path], typer.Argument(help="Image files of any size, or folders of them.")],
    top: Annotated[int, typer.Option(help="Classes to name per image.")] = 1,
    as_json: opt.Json = False,
) -> None:
    """Name the class of every image, with its probability: a line per class, with tabs, as soon as it is known.

    A file that cannot be read has a line that says so, and the exit code is 2 then; all others have their answers.
    """
    from zoo.export.model import load_model
    from zoo.export.prediction import image_files, predictions

    if top < 1:
        raise ValueError(f"top must be at least 1, got {top}")
    bad, before = list[str](), "["
    for found in predictions(load_model(model), image_files(images), top):
        if found.error:
            bad.append(found.error)
        if as_json:
            print(before, json.dumps(found.to_dict()), sep="", flush=True)
            before = ","
            continue
        for name, chance in found.classes or [(f"cannot be read: {found.error}", None)]:
            print(found.image, name, *([] if chance is None else [f"{chance:.3f}"]), sep="\t", flush=True)
    if as_json:
        print("]" if before == "," else "[]")
    if bad:
        raise ValueError(f"{len(bad)} of the images cannot be read, the first: {bad[0]}")
