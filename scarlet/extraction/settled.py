"""Settling: an extracted network that computes something else than its path does gets statistics and numbers anew."""

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from scarlet.evaluation.tree import BATCH_PIXELS
from scarlet.extraction.extraction import Extraction
from zoo.data.augmentation import prepare
from zoo.data.image_set import Split
from zoo.export.chosen import REMEASURED
from zoo.export.model import Model
from zoo.networks.network import Network
from zoo.training.recipe import Precision
from zoo.training.trainer import EVALUATION_BATCH, measure


def take_statistics(network: Network, images: Tensor) -> None:
    """Give a network, in place, the batch-norm statistics of prepared images (N, C, H, W), N at least 2.

    They are those of one batch or, where that would have too many pixels, the mean over equal parts of it.
    """
    weight = next(network.parameters())
    parts = images.tensor_split(-(-images[:, 0].numel() // BATCH_PIXELS))
    with torch.no_grad():
        update_bn([part.to(weight.dtype, memory_format=torch.channels_last) for part in parts], network)


def settled(model: Model, found: Extraction, calibration: Tensor | None, validation: Split | None) -> Model:
    """A model whose folding is inexact, with statistics of its own, and measured as it is.

    Args:
        model: with the statistics of its path; its network is changed.
        found: its extraction.
        calibration: prepared training images (N, C, H, W) to take statistics from; None: they are gone.
        validation: images to measure it on; None: they are gone, and its accuracy is not known.
    """
    notes: dict[str, Any] = {name: value for name, value in model.notes.items() if name != "accuracy"}
    if calibration is not None:
        take_statistics(model.network, calibration)
        notes["recalibrated"] = len(calibration)
    if validation is not None:
        notes |= _measured(model, validation)
    notes |= {REMEASURED: True, "warning": warning(found, notes.get("recalibrated", 0), notes.get("validation_images"))}
    return dataclasses.replace(model, notes=notes)


def warning(found: Extraction, images: int, measured: int | None) -> str:
    """What users must know before they rely on a network whose folding is inexact.

    Args:
        found: its extraction.
        images: that its statistics were taken from; 0: they are its path's.
        measured: validation images that its accuracy is of; None: it has none.
    """
    layers = ", ".join(str(layer.layer) for layer in found.inexact)
    taken = f"taken from {images} training images after it" if images else "still those of before it"
    told = f"its accuracy is that of this network on {measured} validation images"
    return (
        f"folding is inexact at layers {layers}: logits deviated from the supernet's by {found.deviation:.2g} of the "
        f"largest. Its batch-norm statistics are {taken}; {told if measured else 'its accuracy is not known'}. "
        "To come nearer to what the search measured, retrain it, or take scarlet extract --keep-stabilizers"
    )


def _measured(model: Model, validation: Split) -> dict[str, float]:
    """What it reaches on validation images, and their number."""
    images, labels = torch.tensor(validation.images), torch.tensor(validation.labels)
    batches = (
        (prepare(images[part], model.skeleton.resolution, model.mean, model.std), labels[part])
        for part in (slice(first, first + EVALUATION_BATCH) for first in range(0, len(labels), EVALUATION_BATCH))
    )
    found = measure(model.network, batches, len(model.classes), "cpu", Precision())
    return {**found, "validation_images": len(validation)}
