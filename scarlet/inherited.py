"""Networks of a search as models: extracted from its supernet, with inherited weights and without a trace of it."""

import hashlib
from contextlib import closing
from pathlib import Path

from scarlet.extraction import extract
from scarlet.keeping import TrainedSupernet, read_supernet
from zoo.export.model import Model
from zoo.population.journal import Journal
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import ChainGenotype

SUPERNET = "supernet"
"""Name of the journal's value that says where a search's supernet is."""


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


def inherited_model(folder: Path, trial: Trial, record: Record) -> Model:
    """The network of a trial of the search in ``folder``, skips folded, with the supernet's weights.

    Its notes say how far its logits are from the supernet's, and at which layers folding is inexact.

    Raises:
        ValueError: as :func:`searched_supernet`.
    """
    held = searched_supernet(folder)
    assert isinstance(trial.genotype, ChainGenotype)  # what a supernet's search asks for
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
            "folding_deviation": found.deviation,
            "inexact_layers": [layer.layer for layer in found.inexact],
        },
    )
