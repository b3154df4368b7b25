"""`thriftnas scarlet similarity`: how alike the parallel choices of supernets compute, as numbers and a plot."""

import json
from pathlib import Path
from typing import Annotated

import typer

from scarlet.commands.options import TrainingImages
from zoo.commands import options as opt


@opt.spread
def similarity(
    supernets: Annotated[list[Path], typer.Argument(help="Files that `thriftnas scarlet train` wrote.")],
    source: TrainingImages = TrainingImages(),
    images: Annotated[int, typer.Option(help="Validation images to compare on.")] = 256,
    out: Annotated[Path, typer.Option(help="Plot to write.")] = Path("similarity.svg"),
    seed: Annotated[int, typer.Option(help="Of the path.")] = 0,
    as_json: opt.Json = False,
) -> None:
    """Cosine similarity of the feature maps of every layer's choices, for one supernet or several side by side.

    Two numbers per layer: between two blocks, and between the skip and a block, along one random path.
    """
    from rich.console import Console
    from rich.table import Table

    from scarlet.experiments.sources import held_images
    from scarlet.supernet.comparison import compare_supernets, similarity_svg
    from scarlet.supernet.similarity import mean_similarity
    from zoo.files import write_text

    opt.require_folder(out)
    found = compare_supernets(supernets, lambda path, *of: held_images(source.source(path), *of), images, seed)
    write_text(out, similarity_svg(found))
    means = {name: mean_similarity(layers) for name, layers in found.items()}
    if as_json:
        rows = {n: {"blocks": [s.blocks for s in v], "skip": [s.skip for s in v]} for n, v in found.items()}
        print(json.dumps({n: {**rows[n], "mean": {"blocks": m.blocks, "skip": m.skip}} for n, m in means.items()}))
        return
    table = Table("supernet", "between blocks", "skip and blocks", title=str(out))
    for name, mean in means.items():
        table.add_row(name, f"{mean.blocks:.3f}", f"{mean.skip:.3f}")
    Console().print(table)
