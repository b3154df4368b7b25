"""`thriftnas scarlet extract`: a path of a supernet as a plain model, with the proof of its folding."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scarlet.commands.options import TrainingImages
from zoo.commands import options as opt

if TYPE_CHECKING:
    from scarlet.extraction.extraction import Extraction


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
    seed: opt.Seed = 0,
    as_json: opt.Json = False,
) -> None:
    """Write a sub-network with its inherited weights as a model, its skips folded into the blocks behind them.

    The proof lists for every layer how far it is from the supernet's, in float64, and to which layers the theorem
    does not apply, because their shortcut would have carried a stabilizer's output, and what became of that.
    """
    from scarlet.experiments.sources import held_images
    from scarlet.extraction.model import Recalibration, extracted_model

    recalibration = Recalibration(count=recalibrate, seed=seed)
    if not out.absolute().parent.is_dir():
        raise ValueError(f"the folder of {out} does not exist")
    found = extracted_model(
        supernet,
        genotype,
        lambda resolution: held_images(images.source(supernet), seed, resolution, recalibrate),
        recalibration,
        keep_stabilizers=keep_stabilizers,
    )
    summary = found.write(out)
    if as_json:
        print(json.dumps(summary))
    else:
        _say(found.extraction, summary, out)


def _say(result: "Extraction", summary: dict[str, Any], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from zoo.spaces.chain import chain_of

    table = Table("layer", "choice", "skips folded in", "deviation", title=str(out))
    genotype = result.network.genotype
    choices = chain_of(genotype.space).choices
    for layer in result.proof:
        number = layer.layer
        name = "head" if number == len(genotype.choices) else str(choices[genotype.choices[number]] or "I")
        note = "" if layer.exact else f" (inexact: the shortcut {layer.shortcut})"
        table.add_row(str(number), name, str(layer.folded), f"{layer.deviation:.1e}{note}")
    console = Console()
    console.print(table)
    console.print(f"{summary['params']:,} parameters, {summary['macs']:,} MACs per image")
    console.print(f"logits deviate from the supernet's by {result.deviation:.1e} of the largest")
