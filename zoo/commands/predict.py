"""`thriftnas predict`: class names for images, from a model file."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zoo.commands import options as opt


def predict(
    model: Annotated[Path, typer.Argument(help="A model.pt written by a run.")],
    images: Annotated[list[Path], typer.Argument(help="Image files of any size.")],
    top: Annotated[int, typer.Option(help="Classes to name per image.")] = 1,
    as_json: opt.Json = False,
) -> None:
    """Name the class of every image, with its probability."""
    import torch

    from zoo.data.picture import decode_picture
    from zoo.export.model import likeliest, load_model

    if top < 1:
        raise ValueError(f"top must be at least 1, got {top}")
    trained = load_model(model)
    shape = trained.skeleton
    pixels = torch.stack([torch.tensor(decode_picture(path, shape.resolution, shape.in_channels)) for path in images])
    rows = likeliest(trained.predict(pixels), trained.classes, top)
    if as_json:
        print(json.dumps([
            {"image": str(path), "classes": [{"name": name, "probability": chance} for name, chance in row]}
            for path, row in zip(images, rows, strict=True)
        ]))  # fmt: skip
        return
    table = Table("image", "class", "probability")
    for path, row in zip(images, rows, strict=True):
        for name, chance in row:
            table.add_row(escape(str(path)), escape(name), f"{chance:.3f}")
    Console().print(table)
