"""Networks of a search as models: extracted from its supernet, with inherited weights and without a trace of it."""

import dataclasses
import hashlib
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from scarlet.evaluation.subnets import calibration_images
from scarlet.experiments.sources import SupernetSource
from scarlet.extraction.calibration import kept_calibration
from scarlet.extraction.extraction import Extraction, extract
from scarlet.extraction.model import plain_model, recalibrate
from scarlet.supernet.file import TrainedSupernet, read_supernet
from zoo.data.augmentation import prepare
from zoo.experiments.run import Run
from zoo.export.model import Model
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import ChainGenotype


def searched_supernet(run: Run) -> TrainedSupernet:
    """The supernet of a search, from where the search found it.

    Raises:
        ValueError: if the search had no supernet, or it is gone or not the same any more.
    """
    data, place = supernet_content(run)
    return read_supernet(data, place)


def supernet_content(run: Run) -> tuple[bytes, str]:
    """The content of the supernet's file of a search, and where it is.

    Raises:
        ValueError: as :func:`searched_supernet`.
    """
    expected = run.identity.get("source", {}).get("supernet")
    if expected is None:
        raise ValueError(f"the search in {run.folder} had no supernet: train a network with thriftnas zoo train")
    path = _source(run).supernet
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != expected:
        raise ValueError(f"the supernet of {run.folder} is not at {path} as it was, expected {expected}")
    return data, str(path)


class InheritedModels:
    """The networks of trials of a search, skips folded, with the supernet's weights.

    Their batch-norm statistics are those the search measured them with. The supernet, and the images where the search
    recalibrated, are read once, for the first network.

    Args:
        run: of the search.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    @cached_property
    def _supernet(self) -> TrainedSupernet:
        return searched_supernet(self._run)

    @cached_property
    def _calibration(self) -> Tensor | None:
        """The images the search took batch-norm statistics from; None where it measured with the supernet's own.

        Raises:
            ValueError: if the images are gone, or not the same any more.
        """
        known = self._run.identity["source"]
        count, seed, expected = int(known["recalibration"]), known["seed"], known["data"]
        if not count:
            return None
        held, source = self._supernet, _source(self._run)
        resolution = held.network.skeleton.resolution
        kept = kept_calibration(self._run.folder, count)
        if kept is not None:
            return prepare(torch.tensor(kept), resolution, held.mean, held.std)
        images = source.read_images(seed, resolution, count)
        if images.fingerprint != expected:
            raise ValueError(
                f"the images of {self._run.folder}, {images.name}, have changed: its networks were recalibrated on "
                f"others (fingerprint {expected[:12]}) than these ({images.fingerprint[:12]})"
            )
        return calibration_images(images, count, seed, resolution, held.mean, held.std)

    def __call__(self, trial: Trial, record: Record) -> Model:
        """The network of a trial.

        Its notes are the proof of the folding: how far its logits are from the supernet's, how far every layer is, and
        what was done where folding is inexact; there is a warning then.

        Raises:
            ValueError: if the search had no supernet, or supernet or images are gone or not the same any more.
        """
        held, pixels = self._supernet, self._calibration
        assert isinstance(trial.genotype, ChainGenotype)  # what a supernet's search asks for
        path = trial.genotype.choices
        if pixels is not None:
            recalibrate(held, path, pixels)
        found = extract(held.network, path)
        notes: dict[str, Any] = {
            "trial": trial.index,
            "weights": "inherited",
            "accuracy": record.metrics.get("accuracy"),
            "macs": int(record.metrics["macs"]),
            "params": int(record.metrics["params"]),
            "recalibrated": 0 if pixels is None else len(pixels),
            "folding_deviation": found.deviation,
            "inexact_layers": [layer.layer for layer in found.inexact],
            "folding": [dataclasses.asdict(layer) for layer in found.proof],
            **_warning(found),
        }
        return plain_model(held, found, notes)


def _source(run: Run) -> SupernetSource:
    source = run.source
    if not isinstance(source, SupernetSource):
        raise ValueError(f"{run.folder} does not say where its supernet is: run its command again, then it does")
    return source


def _warning(found: Extraction) -> dict[str, str]:
    """What users must know before they rely on the accuracy that was measured; nothing where folding is exact."""
    if not found.inexact:
        return {}
    layers = ", ".join(str(layer.layer) for layer in found.inexact)
    return {
        "warning": f"folding is inexact at layers {layers}, and logits deviate from the supernet's by "
        f"{found.deviation:.2g} of the largest: retrain it, or take scarlet extract --keep-stabilizers"
    }
