"""`thriftnas scarlet similarity`: how alike the parallel choices of supernets compute, as numbers and a plot."""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from scarlet.supernet.file import load_supernet, require_fitting
from scarlet.supernet.paths import draw_paths
from scarlet.supernet.similarity import LayerSimilarity, feature_similarity, mean_similarity
from zoo.commands import options as opt
from zoo.data import load
from zoo.data.augmentation import prepare
from zoo.figures.chart import Trace, factor_svg
from zoo.launch import write_text
from zoo.purposes import MEASURED_PATHS


def similarity(
    supernets: Annotated[list[Path], typer.Argument(help="Files that `thriftnas scarlet train` wrote.")],
    data: opt.Data = "cifar10",
    train: opt.Train = None,
    validation: opt.Validation = None,
    images: Annotated[int, typer.Option(help="Validation images to compare on.")] = 256,
    out: Annotated[Path, typer.Option(help="Plot to write.")] = Path("similarity.svg"),
    seed: opt.Seed = 0,
    as_json: opt.Json = False,
) -> None:
    """Cosine similarity of the feature maps of every layer's choices, for one supernet or several side by side.

    Two numbers per layer: between two blocks, and between the skip and a block, along one random path.
    """
    if not out.absolute().parent.is_dir():
        raise ValueError(f"the folder of {out} does not exist")
    if images < 1:
        raise ValueError(f"expected at least 1 image, got {images}")
    found: dict[str, tuple[LayerSimilarity, ...]] = {}
    for path in supernets:
        held, _ = load_supernet(path)
        network = held.network
        resolution, chain = network.skeleton.resolution, network.chain
        loaded = load(data, resolution=resolution, train=train, validation=validation, seed=seed)
        require_fitting(loaded, held.classes, network.skeleton)
        pixels = prepare(torch.tensor(loaded.validation.images[:images]), resolution, held.mean, held.std)
        rng = np.random.default_rng((seed, MEASURED_PATHS))
        (route,) = draw_paths("uniform", rng, chain.starts[-1], len(chain.choices), 1)[:, 0].tolist()
        found[str(path)] = feature_similarity(network, pixels, route)
    write_text(out, _plot(found))
    means = {name: mean_similarity(layers) for name, layers in found.items()}
    if as_json:
        rows = {n: {"blocks": [s.blocks for s in v], "skip": [s.skip for s in v]} for n, v in found.items()}
        print(json.dumps({n: {**rows[n], "mean": {"blocks": m.blocks, "skip": m.skip}} for n, m in means.items()}))
        return
    table = Table("supernet", "between blocks", "skip and blocks", title=str(out))
    for name, mean in means.items():
        table.add_row(name, f"{mean.blocks:.3f}", f"{mean.skip:.3f}")
    Console().print(table)


def _plot(found: dict[str, tuple[LayerSimilarity, ...]]) -> str:
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
