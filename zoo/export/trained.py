"""A trained trial as a model: its stored weights in a network, measured once on the test images."""

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet
from zoo.data.stream import ImageStream, Reader
from zoo.export.model import Model
from zoo.networks.network import Network, build_any
from zoo.population.trial import Record, Trial
from zoo.population.weights import LostWeights, WeightStore
from zoo.spaces.genotype import SpaceGenotype
from zoo.training.checkpoint import load_checkpoint
from zoo.training.device import exact_numbers
from zoo.training.recipe import Precision
from zoo.training.setup import TrainingSetup
from zoo.training.stream import measure_stream
from zoo.training.trainer import evaluate, make_optimizer, named_right


def trained_model(
    trial: Trial,
    record: Record,
    store: WeightStore,
    setup: TrainingSetup,
    images: ImageSet | ImageStream,
    device: str,
) -> Model:
    """The network of a finished trial, with what is known about it before the test images are read.

    Args:
        trial: the trial.
        record: what it measured, with its weights' hash.
        store: where the weights are.
        setup: of the run.
        images: of the run.
        device: where it will be measured, such as "cuda:0".

    Raises:
        LostWeights: if the weights are missing or damaged.
        ValueError: if the trial is none that a model is made of.
    """
    weights = store.get(record.checkpoint) if record.checkpoint else None
    if isinstance(trial.genotype, SpaceGenotype):
        raise ValueError(f"trial {trial.index} is a supernet, of which no model is made")
    if weights is None or trial.setting is None:
        raise LostWeights(trial.index, store.folder)
    skeleton = trial.setting.skeleton(setup.skeleton)
    network = build_any(
        trial.genotype,
        skeleton,
        torch.Generator().manual_seed(0),
        auxiliary=setup.recipe.auxiliary > 0,  # the checkpoint has the head, the model file leaves it out
        device=device,
        dtype=setup.precision.storage,
    )
    load_checkpoint(weights, network, make_optimizer(network, setup.recipe))
    return Model(
        network=network,
        genotype=trial.genotype,
        skeleton=skeleton,
        classes=images.classes,
        mean=images.mean,
        std=images.std,
        notes={
            "trial": trial.index,
            "accuracy": record.metrics["accuracy"],
            "balanced_accuracy": record.metrics["balanced_accuracy"],
            "validation_images": len(images.validation),
            "params": int(record.metrics["params"]),
            "macs": int(record.metrics["macs"]),
            **({"latency": record.metrics["latency"]} if "latency" in record.metrics else {}),
            "data": images.name.partition(":")[0],
            "seed": setup.seed,
        },
        side=images.resolution if isinstance(images, ImageSet) and images.resolution != skeleton.resolution else None,
    )


def with_test_accuracy(
    model: Model, images: ImageSet | ImageStream, precision: Precision, device: str, loaders: int = 0
) -> Model:
    """The model with what it reaches on the test images, which are read here and nowhere else.

    Args:
        model: of :func:`trained_model`.
        images: of the run.
        precision: it was trained in.
        device: where to measure.
        loaders: processes that decode the test images of a stream.

    Raises:
        ValueError: naming an image that cannot be read.
    """
    exact_numbers()
    found = _tested(model.network, images, dataclasses.replace(precision, device=device), loaders)
    notes = dict(model.notes)
    after = {name: notes.pop(name) for name in ("params", "macs", "data", "seed")}
    told = {"test_accuracy": found["accuracy"], "test_balanced_accuracy": found["balanced_accuracy"]}
    counted = {"test_images": len(images.test)}
    return dataclasses.replace(model, notes={**notes, **told, **counted, **after})


def test_hits(model: Model, images: ImageSet, precision: Precision, device: str) -> NDArray[np.bool_]:
    """Which test images a model of :func:`trained_model` names right, (N,)."""
    exact_numbers()
    pixels, labels = _prepared(model.network, images, device)
    return named_right(model.network, pixels, labels, dataclasses.replace(precision, device=device)).cpu().numpy()


def _prepared(network: Network, images: ImageSet, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The test images as the network reads them, and their labels."""
    resolution = network.skeleton.resolution
    pixels = prepare(torch.tensor(images.test.images, device=device), resolution, images.mean, images.std)
    return pixels, torch.tensor(images.test.labels, device=device)


def _tested(network: Network, images: ImageSet | ImageStream, precision: Precision, loaders: int) -> dict[str, float]:
    if isinstance(images, ImageStream):
        with Reader(images, loaders, pin=precision.device.startswith("cuda")) as reader:
            return measure_stream(network, network.skeleton, images, images.test, reader, precision)
    pixels, labels = _prepared(network, images, precision.device)
    return evaluate(network, pixels, labels, network.skeleton.classes, precision)
