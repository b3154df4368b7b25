"""Networks of a search as models: extracted from its supernet, with inherited weights and without a trace of it."""

import dataclasses
import hashlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from scarlet.evaluation.subnets import calibration_images
from scarlet.evaluation.tree import adopt, recalibrated
from scarlet.extraction.extraction import Extraction, extract
from scarlet.supernet.file import TrainedSupernet, read_supernet
from zoo.data import load
from zoo.export.model import Model
from zoo.population.journal import Journal
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import ChainGenotype

SUPERNET, IMAGES = "supernet", "images"
"""Names of the journal's values that say where a search's supernet is, and which images it measured on."""


def searched_supernet(folder: Path) -> TrainedSupernet:
    """The supernet of the search in ``folder``, from where the search found it.

    Raises:
        ValueError: if the search had no supernet, or it is gone or not the same any more.
    """
    with closing(Journal.open(folder, readonly=True)) as journal:
        place, source = journal.get(SUPERNET), journal.identity.get("source", {})
    if place is None:
        raise ValueError(f"the search in {folder} had no supernet: train a network with thriftnas zoo train")
    path = Path(place)
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != source.get("supernet"):
        raise ValueError(f"the supernet of {folder} is not at {path} as it was, expected {source.get('supernet')}")
    return read_supernet(data, str(path))


def recalibrate(folder: Path, held: TrainedSupernet, path: Sequence[int]) -> int:
    """Give the supernet the batch-norm statistics with which the search in ``folder`` measured ``path``, in place.

    Returns:
        From how many training images they are; 0: the search measured with the supernet's own, and these stay.

    Raises:
        ValueError: if the search's images are gone, or not the same any more.
    """
    with closing(Journal.open(folder, readonly=True)) as journal:
        source, asked = journal.identity["source"], journal.get(IMAGES)
    count = int(source["recalibration"])
    if not count:
        return 0
    if asked is None:
        raise ValueError(f"{folder} does not say where its images are: run its command again, then it does")
    shape = held.network.skeleton
    images = load(**asked, resolution=shape.resolution, seed=source["seed"])
    if images.fingerprint != source["data"]:
        raise ValueError(
            f"the images of {folder}, {asked['name']}, have changed: its networks were recalibrated on others "
            f"(fingerprint {source['data'][:12]}) than these ({images.fingerprint[:12]})"
        )
    pixels = calibration_images(images, count, source["seed"], shape.resolution, held.mean, held.std)
    adopt(held.network, path, recalibrated(held.network, pixels, np.array([path])))
    return count


def inherited_model(folder: Path, trial: Trial, record: Record) -> Model:
    """The network of a trial of the search in ``folder``, skips folded, with the supernet's weights.

    Its batch-norm statistics are those the search measured it with. Its notes are the proof of the folding: how far
    its logits are from the supernet's, how far every layer is, and what was done where folding is inexact; there is a
    warning then.

    Raises:
        ValueError: as :func:`searched_supernet` and :func:`recalibrate`.
    """
    held = searched_supernet(folder)
    assert isinstance(trial.genotype, ChainGenotype)  # what a supernet's search asks for
    images = recalibrate(folder, held, trial.genotype.choices)
    found = extract(held.network, trial.genotype.choices)
    return Model(
        network=found.network,
        genotype=trial.genotype,
        skeleton=held.network.skeleton,
        classes=held.classes,
        mean=held.mean,
        std=held.std,
        notes={
            "trial": trial.index,
            "weights": "inherited",
            "accuracy": record.metrics.get("accuracy"),
            "macs": int(record.metrics["macs"]),
            "params": int(record.metrics["params"]),
            "recalibrated": images,
            "folding_deviation": found.deviation,
            "inexact_layers": [layer.layer for layer in found.inexact],
            "folding": [dataclasses.asdict(layer) for layer in found.proof],
            **_warning(found),
        },
    )


def _warning(found: Extraction) -> dict[str, str]:
    """What users must know before they rely on the accuracy that was measured; nothing where folding is exact."""
    if not found.inexact:
        return {}
    layers = ", ".join(str(layer.layer) for layer in found.inexact)
    return {
        "warning": f"folding is inexact at layers {layers}, and logits deviate from the supernet's by "
        f"{found.deviation:.2g} of the largest: retrain it, or take scarlet extract --keep-stabilizers"
    }
