"""`thriftnas scarlet extract`: a path of a supernet as a plain model, with the proof of its folding."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from zoo.launch import write_json

from scarlet.evaluation.subnets import calibration_images
from scarlet.evaluation.tree import adopt, recalibrated
from scarlet.extraction.extraction import Extraction
from scarlet.extraction.extraction import extract as extracted
from scarlet.supernet.file import TrainedSupernet, load_supernet, require_fitting
from zoo.commands import options as opt
from zoo.commands.zoo import read_genotype
from zoo.data import load
from zoo.export.model import Model, save_model
from zoo.spaces.chain import chain_of
from zoo.spaces.chain_cost import chain_cost
from zoo.spaces.chain_space import CHAIN_SPACES
from zoo.spaces.genotype import ChainGenotype

PROOF = ".proof.json"
"""How the name of the file with the proof ends."""


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
    data: opt.Data = "cifar10",
    train: opt.Train = None,
    validation: opt.Validation = None,
    seed: opt.Seed = 0,
    as_json: opt.Json = False,
) -> None:
    """Write a sub-network with its inherited weights as a model, its skips folded into the blocks behind them.

    The proof lists for every layer how far it is from the supernet's, in float64, and to which layers the theorem
    does not apply, because their shortcut would have carried a stabilizer's output, and what became of that.
    """
    if recalibrate < 0 or recalibrate == 1:
        raise ValueError(f"expected 0 or at least 2 images to recalibrate on, got {recalibrate}")
    if not out.absolute().parent.is_dir():
        raise ValueError(f"the folder of {out} does not exist")
    held, digest = load_supernet(supernet)
    chain = _chain(genotype, held.network.form.space)
    if recalibrate:
        resolution = held.network.skeleton.resolution
        images = load(data, resolution=resolution, train=train, validation=validation, seed=seed)
        require_fitting(images, held.classes, held.network.skeleton)
        pixels = calibration_images(images, recalibrate, seed, resolution, held.mean, held.std)
        paths = np.array([chain.choices])
        adopt(held.network, chain.choices, recalibrated(held.network, pixels, paths))
    result = extracted(held.network, chain.choices, keep_stabilizers=keep_stabilizers)
    price = chain_cost(chain, held.network.skeleton, stabilizers=keep_stabilizers)
    summary: dict[str, Any] = {
        "model": str(out), "macs": price.macs, "params": price.params, "deviation": result.deviation,
        "inexact": [layer.layer for layer in result.inexact],
    }  # fmt: skip
    save_model(_model(held, result, {**summary, "supernet": digest, "recalibrated": recalibrate}), out)
    proof = [dataclasses.asdict(layer) for layer in result.proof]
    write_json(out.with_name(out.name + PROOF), {**summary, "genotype": chain.to_dict(), "layers": proof})
    if as_json:
        print(json.dumps(summary))
    else:
        _say(result, summary, out)


def _chain(text: str, space: str) -> ChainGenotype:
    """A chain of ``space`` from a file or as text."""
    if not Path(text).is_file() and not text.isidentifier() and not text.endswith(".json"):
        return ChainGenotype(space, CHAIN_SPACES[space].read(text))
    genotype = read_genotype(text)
    if not CHAIN_SPACES[space].contains(genotype):
        raise ValueError(f"{text}: expected a chain of {space!r}, the supernet's space")
    assert isinstance(genotype, ChainGenotype)
    return genotype


def _model(held: TrainedSupernet, result: Extraction, notes: dict[str, Any]) -> Model:
    network = result.network
    del notes["model"]
    return Model(
        network=network,
        genotype=network.genotype,
        skeleton=network.skeleton,
        classes=held.classes,
        mean=held.mean,
        std=held.std,
        notes=notes,
    )


def _say(result: Extraction, summary: dict[str, Any], out: Path) -> None:
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
