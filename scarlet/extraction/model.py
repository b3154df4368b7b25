"""A path of a supernet as a plain model, with the proof of its folding."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from scarlet.evaluation.subnets import calibration_images
from scarlet.evaluation.tree import adopt, recalibrated
from scarlet.extraction.extraction import Extraction, extract
from scarlet.extraction.settled import take_statistics, warning
from scarlet.supernet.file import TrainedSupernet, load_supernet, require_fitting
from zoo.data.image_set import ImageSet
from zoo.export.model import Model, save_model
from zoo.files import write_json
from zoo.spaces.chain_cost import chain_cost
from zoo.spaces.chain_space import CHAIN_SPACES
from zoo.spaces.genotype import ChainGenotype
from zoo.spaces.named import read_genotype

PROOF = ".proof.json"
"""How the name of the file with the proof ends."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExtractedModel:
    """A model and what is known about its extraction.

    Attributes:
        model: to predict with.
        extraction: the network and its proof.
    """

    model: Model
    extraction: Extraction

    def write(self, path: Path) -> dict[str, Any]:
        """Write the model and, beside it, the proof; returns what matters of it, JSON-ready.

        Raises:
            OSError: if one of them cannot be written.
        """
        notes, found = self.model.notes, self.extraction
        names = ("macs", "params", "deviation", "inexact", "warning")
        summary = {"model": str(path), **{name: notes[name] for name in names if name in notes}}
        save_model(self.model, path)
        layers = [dataclasses.asdict(layer) for layer in found.proof]
        proof = {**summary, "genotype": found.network.genotype.to_dict(), "layers": layers}
        write_json(path.with_name(path.name + PROOF), proof)
        return summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """Batch-norm statistics of an extracted network's own.

    Attributes:
        count: training images to take them from; 0 keeps the inherited ones.
        seed: of the split and the choice of these images; None: the supernet's, which was trained on them.

    Raises:
        ValueError: for a single image, or fewer than none.
    """

    count: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.count < 0 or self.count == 1:
            raise ValueError(f"expected 0 or at least 2 images to recalibrate on, got {self.count}")


def extracted_model(
    supernet: Path,
    genotype: str,
    images: Callable[[int, int], ImageSet],
    recalibration: Recalibration,
    *,
    keep_stabilizers: bool = False,
) -> ExtractedModel:
    """A network of a supernet as a model.

    Args:
        supernet: path of its file.
        genotype: a JSON file, or a chain as text.
        images: gives the images of a resolution, split by a seed; called only where statistics are recalibrated.
        recalibration: from how many images; a network whose folding is inexact gets its statistics after it.
        keep_stabilizers: keep every skip as a 1×1 convolution.

    Raises:
        ValueError: for a file that is no supernet, a chain of another space, or images that it cannot read.
        OSError: if the supernet cannot be read.
    """
    held, digest = load_supernet(supernet)
    network = held.network
    chain = read_chain(genotype, network.form.space)
    pixels = None
    if recalibration.count:
        resolution = network.skeleton.resolution
        seed = int(held.notes.get("seed", 0)) if recalibration.seed is None else recalibration.seed
        read = images(resolution, seed)
        require_fitting(read, held.classes, network.skeleton)
        pixels = calibration_images(read, recalibration.count, seed, resolution, held.mean, held.std)
        recalibrate(held, chain.choices, pixels)
    found = extract(network, chain.choices, keep_stabilizers=keep_stabilizers)
    if found.inexact and pixels is not None:
        take_statistics(found.network, pixels)
    price = chain_cost(chain, network.skeleton, stabilizers=keep_stabilizers)
    notes = {
        "macs": price.macs, "params": price.params, "deviation": found.deviation,
        "inexact": [layer.layer for layer in found.inexact], "supernet": digest, "recalibrated": recalibration.count,
        **({"warning": warning(found, recalibration.count, None)} if found.inexact else {}),
    }  # fmt: skip
    return ExtractedModel(model=plain_model(held, found, notes), extraction=found)


def read_chain(text: str, space: str) -> ChainGenotype:
    """A chain of ``space`` by public name, from a file, or as text.

    Raises:
        ValueError: if it is none of these.
    """
    if not Path(text).is_file() and not text.isidentifier() and not text.endswith(".json"):
        return ChainGenotype(space, CHAIN_SPACES[space].read(text))
    genotype = read_genotype(text)
    if not CHAIN_SPACES[space].contains(genotype):
        raise ValueError(f"{text}: expected a chain of {space!r}, the supernet's space")
    assert isinstance(genotype, ChainGenotype)
    return genotype


def recalibrate(held: TrainedSupernet, path: Sequence[int], images: Tensor) -> None:
    """Give a path of the supernet, in place, the batch-norm statistics of prepared images (N, C, H, W).

    All statistics of the path are replaced, so that one path after another can be recalibrated and extracted.
    """
    adopt(held.network, path, recalibrated(held.network, images, np.array([path])))


def plain_model(held: TrainedSupernet, found: Extraction, notes: dict[str, Any]) -> Model:
    """An extracted network as a model for the images of its supernet."""
    return Model(
        network=found.network,
        genotype=found.network.genotype,
        skeleton=held.network.skeleton,
        classes=held.classes,
        mean=held.mean,
        std=held.std,
        notes=notes,
    )
