"""`thriftnas scarlet extract`: a path of a supernet as a plain model, with the proof of its folding."""

import json
from pathlib import Path
from typing import Annotated

import typer

from scarlet.commands.options import TrainingImages
from zoo.commands import options as opt


@opt.spread
def extract(
    supernet: Annotated[Path, typer.Argument(help="A file that `thriftnas scarlet train` wrote.")],
    genotype: Annotated[str, typer.Argument(help="A JSON file, or a chain as text, such as 3-7,6-5|3-5,I,...")],
    out: Annotated[Path, typer.Option(help="Model file to write; the proof goes beside it.")] = Path("model.pt"),
    keep_stabilizers: Annotated[
        bool, typer.Option("--keep-stabilizers", help="Keep skips as 1×1 convolutions: exact, and they cost MACs.")
    ] = False,
    recalibrate: Annotated[
        int, typer.Option(help="Training images to take batch-norm statistics from; 0 keeps the inherited ones.")
    ] = 0,
    images: TrainingImages = TrainingImages(),
    seed: Annotated[int | None, typer.Option(help="Of the images; that of the supernet's run by default.")] = None,
    as_json: opt.Json = False,
) -> None:
    """Write a sub-network with its inherited weights as a model, its skips folded into the blocks behind them.

    The proof lists for every layer how far it is from the supernet's, in float64, and to which layers the theorem
    does not apply, because their shortcut would have carried a stabilizer's output, and what became of that.
    """
    from scarlet.experiments.sources import held_images
    from scarlet.extraction.model import Recalibration, extracted_model
    from scarlet.extraction.overview import show_extraction

    recalibration = Recalibration(count=recalibrate, seed=seed)
    opt.require_folder(out)
    found = extracted_model(
        supernet,
        genotype,
        lambda resolution, split: held_images(images.source(supernet), split, resolution, recalibrate),
        recalibration,
        keep_stabilizers=keep_stabilizers,
    )
    summary = found.write(out)
    if as_json:
        print(json.dumps(summary))
    else:
        show_extraction(found.extraction, summary, out)
