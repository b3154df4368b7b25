"""Supernets side by side: how alike their parallel choices compute, as numbers and a plot."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from scarlet.supernet.file import load_supernet, require_fitting
from scarlet.supernet.rules import uniform_paths
from scarlet.supernet.similarity import LayerSimilarity, feature_similarity
from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet
from zoo.figures.chart import Trace, factor_svg
from zoo.purposes import MEASURED_PATHS


def compare_supernets(
    supernets: Sequence[Path], images: Callable[[Path, int, int], ImageSet], count: int, seed: int = 0
) -> dict[str, tuple[LayerSimilarity, ...]]:
    """Similarities of every supernet's layers along one random path, by the name of its file.

    Args:
        supernets: files.
        images: gives the images for a supernet, split by the seed of its training, in a resolution.
        count: validation images to compare on.
        seed: of the path.

    Raises:
        ValueError: for less than one image, a file that is no supernet, or images that it cannot read.
    """
    if count < 1:
        raise ValueError(f"expected at least 1 image, got {count}")
    found: dict[str, tuple[LayerSimilarity, ...]] = {}
    for path in supernets:
        held, _ = load_supernet(path)
        network = held.network
        resolution, chain = network.skeleton.resolution, network.chain
        read = images(path, int(held.notes.get("seed", 0)), resolution)
        require_fitting(read, held.classes, network.skeleton)
        pixels = prepare(torch.tensor(read.validation.images[:count]), resolution, held.mean, held.std)
        rng = np.random.default_rng((seed, MEASURED_PATHS))
        (route,) = uniform_paths(rng, chain.starts[-1], len(chain.choices), 1).tolist()
        found[str(path)] = feature_similarity(network, pixels, route)
    return found


def similarity_svg(found: Mapping[str, Sequence[LayerSimilarity]]) -> str:
    """Two lines per supernet: between two blocks, and between the skip and a block."""
    longest = max(len(layers) for layers in found.values())
    ticks = [str(layer) for layer in range(longest)]
    traces = [
        Trace(label=f"{name}, {kind}", ticks=ticks[: len(layers)], values=[getattr(layer, kind) for layer in layers])
        for name, layers in found.items()
        for kind in ("blocks", "skip")
    ]
    return factor_svg(
        "Parallel choices",
        traces,
        ticks=ticks,
        xlabel="layer",
        ylabel="cosine similarity of feature maps",
        name="similarity",
        description="Cosine similarity of the feature maps of parallel choices, layer by layer",
    )
