"""What an extraction found, as a table for people."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scarlet.extraction.extraction import Extraction
from zoo.spaces.chain import chain_of


def show_extraction(result: Extraction, summary: dict[str, Any], out: Path) -> None:
    """Print the proof of the folding, layer by layer.

    Args:
        result: of the extraction.
        summary: of the model that was written.
        out: its file.
    """
    console, table = Console(), Table("layer", "choice", "skips folded in", "deviation")
    genotype = result.network.genotype
    choices = chain_of(genotype.space).choices
    for layer in result.proof:
        number = layer.layer
        name = "head" if number == len(genotype.choices) else str(choices[genotype.choices[number]] or "I")
        note = "" if layer.exact else f" (inexact: the shortcut {layer.shortcut})"
        table.add_row(str(number), name, str(layer.folded), f"{layer.deviation:.1e}{note}")
    console.print(f"Model: {out}", markup=False, soft_wrap=True)
    console.print(table)
    console.print(f"{summary['params']:,} parameters, {summary['macs']:,} MACs per image", soft_wrap=True)
    console.print(f"logits deviate from the supernet's by {result.deviation:.1e} of the largest", soft_wrap=True)
    if "warning" in summary:
        console.print(summary["warning"], style="yellow", markup=False, soft_wrap=True)
