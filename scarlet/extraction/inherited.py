"""Networks of a search as models: extracted from its supernet, with inherited weights and without a trace of it."""

import dataclasses
import hashlib
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from scarlet.evaluation.setup import RECALIBRATION, SubnetSetup
from scarlet.evaluation.subnets import calibration_images
from scarlet.experiments.sources import SupernetSource
from scarlet.extraction.calibration import kept_calibration
from scarlet.extraction.extraction import Extraction, extract
from scarlet.extraction.model import plain_model, recalibrate
from scarlet.extraction.settled import settled
from scarlet.supernet.file import TrainedSupernet, read_supernet
from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet
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
        count = int(self._run.identity["source"]["recalibration"])
        return self._prepared(count) if count else None

    def _prepared(self, count: int) -> Tensor:
        """So many training images, (count, C, H, W), prepared: those beside the run, or those of its source."""
        held, seed = self._supernet, self._run.identity["source"]["seed"]
        resolution = held.network.skeleton.resolution
        kept = kept_calibration(self._run.folder, count)
        if kept is not None:
            return prepare(torch.tensor(kept), resolution, held.mean, held.std)
        return calibration_images(self._images, count, seed, resolution, held.mean, held.std)

    @cached_property
    def _images(self) -> ImageSet:
        """The images of the search.

        Raises:
            ValueError: if they are gone, or not the same any more.
        """
        known, resolution = self._run.identity["source"], self._supernet.network.skeleton.resolution
        most = int(known["recalibration"]) or RECALIBRATION
        images = _source(self._run).read_images(known["seed"], resolution, most)
        if images.fingerprint != known["data"]:
            raise ValueError(
                f"the images of {self._run.folder}, {images.name}, have changed: its networks were recalibrated on "
                f"others (fingerprint {known['data'][:12]}) than these ({images.fingerprint[:12]})"
            )
        return images

    def __call__(self, trial: Trial, record: Record) -> Model:
        """The network of a trial.

        Its notes are the proof of the folding: how far its logits are from the supernet's, how far every layer is, and
        what was done where folding is inexact. Such a network is not what the search measured: its statistics are taken
        again and it is measured again, as it is, and there is a warning.

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
        }
        model = plain_model(held, found, notes)
        return self._settled(model, found) if found.inexact else model

    def _settled(self, model: Model, found: Extraction) -> Model:
        """The model with statistics and numbers of its own, as far as there still are images for them."""
        pixels = self._calibration
        try:
            images = self._images
        except (ValueError, OSError):  # they were in memory only, or have changed: its accuracy is not known then
            return settled(model, found, pixels, None)
        if pixels is None:
            count = SubnetSetup().recalibrating(len(images.train))
            pixels = self._prepared(count) if count else None
        return settled(model, found, pixels, images.validation)


def _source(run: Run) -> SupernetSource:
    source = run.source
    if not isinstance(source, SupernetSource):
        raise ValueError(f"{run.folder} does not say where its supernet is: run its command again, then it does")
    return source
