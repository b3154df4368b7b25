"""Sub-networks on inherited weights: a tree of paths with folded, fused layers against one network after another.

Three populations of 70 paths of a 19-layer supernet for CIFAR-sized images: random; the children of an evolution's
60th generation; the survivors of its 120th. The evolution is non-dominated sorting with crowding on the true MACs and
a made-up accuracy, with mutation of one layer or three and one-point crossover: how much a population shares depends
on how far its objectives narrow it, and more objectives keep it broader.

With ``--search``, the run of a `scarlet search`, the supernet is the one it searched, and the populations are its own:
what the generation in its middle asked for, and who survived its last.

- ``one_by_one``: the supernet's modules as they are, in evaluation mode, one path after another.
- ``sharing``: one tree against the same folded layers one path after another; ``sharing_model``: what MACs say.
- ``float32``, ``bfloat16``: the whole evaluation against ``one_by_one``; ``agreement``: share of equal predictions.

Ratios are medians over alternating rounds, of processor seconds on a CPU, where other programs disturb them less.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
from torch import Tensor, nn

from scarlet.evaluation.folded import FoldedSupernet, Folding
from scarlet.evaluation.tree import PathTree, evaluate_paths
from scarlet.extraction.inherited import searched_supernet
from scarlet.strategy.replay import replayed
from scarlet.supernet.file import load_supernet
from scarlet.supernet.form import SupernetForm
from scarlet.supernet.supernet import Supernet, build_supernet
from zoo.data import load
from zoo.data.augmentation import prepare
from zoo.experiments import Run
from zoo.population import Journal
from zoo.population.costs import ClosedFormCosts
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.genotype import ChainGenotype
from zoo.spaces.skeleton import Skeleton

SIZE, CLASSES = 70, 10
MUTATION, ONE_LAYER = 0.8, 0.7
"""Chance of a mutation instead of a crossover, and of a mutation to change one layer instead of three."""

GENERATIONS = (60, 120)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--images", type=int, default=64, help="validation images")
    parser.add_argument("--resolution", type=int, default=32, help="pixels a side")
    parser.add_argument("--channels", type=int, default=32, help="channels of the stem")
    parser.add_argument("--batch", type=int, default=64, help="images at a time of the plain loop")
    parser.add_argument("--rounds", type=int, default=3, help="alternating measurements")
    parser.add_argument("--genomes", type=int, default=SIZE, help="sub-networks measured, of the 70")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--space", default="scarlet-s1-cifar")
    parser.add_argument("--objectives", type=int, default=2, choices=(2, 3), help="3: parameters are maximised, too")
    parser.add_argument("--supernet", type=Path, help="a trained one, instead of random weights")
    parser.add_argument("--search", type=Path, help="run folder of a scarlet search: its supernet and its populations")
    parser.add_argument("--data", default="cifar10", help="images for a trained supernet")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure the three populations.

    Raises:
        ValueError: for a supernet besides a search, or a search whose populations or supernet cannot be had.
    """
    if args.search and args.supernet:
        raise ValueError("a search has its own supernet: expected --search or --supernet, not both")
    torch.set_num_threads(args.threads)
    supernet, images, labels = material(args)
    if args.search is None:
        found, origin = populations(supernet, args.objectives, args.seed), "an invented accuracy"
    else:
        found, origin = searched_populations(supernet, args.search, args.seed), str(args.search)
    rows = [
        {"population": name, **measured(supernet, images, labels, paths[: args.genomes], args)}
        for name, paths in found.items()
    ]
    return {
        "name": "subnet_eval",
        "rows": rows,
        "space": supernet.form.space,
        "populations": origin,
        "objectives": args.objectives if args.search is None else None,
        "images": args.images,
        "resolution": supernet.skeleton.resolution,
        "channels": supernet.skeleton.channels,
        "weights": str(args.search or args.supernet or "random"),
        "batch_of_the_plain_loop": args.batch,
        "threads": args.threads,
        "device": args.device,
    }


def material(args: argparse.Namespace) -> tuple[Supernet, Tensor, Tensor]:
    """A supernet, prepared images and labels: trained and real, or random."""
    if not (args.search or args.supernet):
        supernet = used_supernet(args.space, args.channels, args.resolution)
        images = torch.randn(args.images, 3, args.resolution, args.resolution, generator=stream(1))
        labels = torch.randint(CLASSES, (args.images,), generator=stream(2))
    else:
        held = searched_supernet(Run.open(args.search)) if args.search else load_supernet(args.supernet)[0]
        supernet, resolution = held.network, held.network.skeleton.resolution
        split = load(args.data, resolution=resolution, seed=args.seed).validation
        chosen = np.random.default_rng(args.seed).permutation(len(split))[: args.images]
        images = prepare(torch.tensor(split.images[chosen]), resolution, held.mean, held.std)
        labels = torch.tensor(split.labels[chosen])
    return supernet.to(args.device), images.to(args.device), labels.to(args.device)


def stream(seed: int) -> torch.Generator:
    """Random numbers of one purpose."""
    return torch.Generator().manual_seed(seed)


def used_supernet(space: str, channels: int, resolution: int) -> Supernet:
    """A supernet with random weights, the statistics of some paths, and no class that most images would be of."""
    skeleton = Skeleton(channels=channels, cells=19, resolution=resolution, classes=CLASSES)
    network = build_supernet(SupernetForm(space=space), skeleton, stream(0)).train()
    generator = stream(3)
    with torch.no_grad():
        for choice in range(len(network.chain.choices)):
            network(torch.randn(16, 3, resolution, resolution, generator=generator), [choice] * 19)
        images = torch.randn(64, 3, resolution, resolution, generator=generator)
        path = torch.randint(len(network.chain.choices), (19,), generator=generator).tolist()
        logits = network.eval()(images, path)
        network.classifier.bias.sub_(logits.mean(dim=0))
    return network


# ---------------------------------------------------------------- populations


def populations(supernet: Supernet, objectives: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """Paths (70, 19) of a random population, a 60th generation's children, a 120th generation's survivors."""
    rng, chain = np.random.default_rng(seed), supernet.chain
    layers, choices = chain.starts[-1], len(chain.choices)
    costs = ChainCosts(chain, supernet.skeleton.resolution, CLASSES)
    shares = layer_macs(supernet)[1:]
    shares = np.sqrt(shares / shares.max(axis=1, keepdims=True))
    # A choice is worth what it costs, with diminishing returns, and as much by chance; some layers matter more.
    worth = (shares + 0.5 * rng.normal(size=shares.shape)) * rng.uniform(0.3, 1.7, size=(layers, 1))

    def values(paths: NDArray[np.int64]) -> NDArray[np.float64]:  # all of them are minimised
        macs, params = costs(paths)
        quality = worth[np.arange(layers), paths].sum(axis=1)
        return np.stack([-quality, macs, -params][:objectives], axis=1).astype(float)

    alive = first = rng.integers(choices, size=(SIZE, layers))
    found = {"random": first}
    for generation in range(1, GENERATIONS[-1] + 1):
        children = offspring(alive, choices, rng)
        if generation == GENERATIONS[0]:
            found[f"children of generation {generation}"] = children
        both = np.unique(np.concatenate([alive, children]), axis=0)
        alive = both[survivors(values(both))]
    found[f"survivors of generation {GENERATIONS[-1]}"] = alive
    return found


def searched_populations(supernet: Supernet, folder: Path, seed: int) -> dict[str, NDArray[np.int64]]:
    """Random paths, what a search asked for in its middle generation, and the survivors of its last.

    Raises:
        ValueError: as :func:`replayed`.
    """
    chain, shape = supernet.chain, supernet.skeleton
    costs = ClosedFormCosts(ChainCosts(chain, shape.resolution, shape.classes, shape.in_channels))
    with closing(Journal.open(folder, readonly=True)) as journal:
        survivors, trials = replayed(journal, costs).survivors, journal.trials()
    last = len(survivors) - 1
    asked = [trial.genotype for trial in trials if trial.tags["generation"] == last // 2]
    children = [genotype.choices for genotype in asked if isinstance(genotype, ChainGenotype)]
    return {
        "random": np.random.default_rng(seed).integers(len(chain.choices), size=(SIZE, chain.starts[-1])),
        f"children of generation {last // 2}": np.array(children),
        f"survivors of generation {last}": np.array([member.genotype.choices for member in survivors[last]]),
    }


def offspring(parents: NDArray[np.int64], choices: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """As many children as parents."""
    children = parents[rng.integers(len(parents), size=SIZE)].copy()
    for child in children:
        if rng.random() < MUTATION:
            places = rng.choice(len(child), 1 if rng.random() < ONE_LAYER else 3, replace=False)
            child[places] = (child[places] + rng.integers(1, choices, size=len(places))) % choices
        else:
            cut = rng.integers(1, len(child))
            child[cut:] = parents[rng.integers(len(parents))][cut:]
    return children


def survivors(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The best 70 by front, then by crowding distance."""
    kept: list[int] = []
    for front in NonDominatedSorting().do(values):
        distances = np.zeros(len(front))
        for column in values[front].T:
            order = np.argsort(column)
            span = max(column[order[-1]] - column[order[0]], 1e-12)
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
            distances[order[[0, -1]]] = np.inf
        ranked = front[np.argsort(-distances, kind="stable")]
        kept += ranked[: SIZE - len(kept)].tolist()
        if len(kept) == SIZE:
            break
    return np.array(kept)


# ---------------------------------------------------------------- measurements


@torch.no_grad()
def one_by_one(supernet: Supernet, images: Tensor, paths: NDArray[np.int64], batch: int) -> NDArray[np.int64]:
    """The plain loop: predictions (P, N)."""
    rows = [
        torch.cat([supernet(images[i : i + batch], path).argmax(dim=1) for i in range(0, len(images), batch)])
        for path in paths.tolist()
    ]
    return torch.stack(rows).cpu().numpy()


def measured(
    supernet: Supernet, images: Tensor, labels: Tensor, paths: NDArray[np.int64], args: argparse.Namespace
) -> dict[str, Any]:
    """One population's row."""
    single, half = (Folding.best(args.device, dtype) for dtype in (torch.float32, torch.bfloat16))
    folded = {name: FoldedSupernet(supernet, kind) for name, kind in (("float32", single), ("bfloat16", half))}

    def tree_of(name: str) -> Callable[[], NDArray[np.int64]]:
        return lambda: evaluate_paths(folded[name], images, labels, paths).predictions

    def folded_alone() -> NDArray[np.int64]:
        alone = [evaluate_paths(folded["float32"], images, labels, path[None]) for path in paths]
        return np.concatenate([scores.predictions for scores in alone])

    ways: dict[str, Callable[[], NDArray[np.int64]]] = {
        "one_by_one": lambda: one_by_one(supernet, images, paths, args.batch),
        "folded_alone": folded_alone,
        "float32": tree_of("float32"),
        "bfloat16": tree_of("bfloat16"),
    }
    clock = time.process_time if args.device == "cpu" else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    predictions: dict[str, NDArray[np.int64]] = {}
    for _ in range(args.rounds):
        for name, way in ways.items():
            began = clock()
            predictions[name] = way()  # on the host: nothing is left to wait for
            seconds[name].append(clock() - began)

    def ratio(slow: str, fast: str) -> float:
        return float(np.median(np.array(seconds[slow]) / np.array(seconds[fast])))

    return {
        "sharing_model": sharing(supernet, paths),
        "sharing": ratio("folded_alone", "float32"),
        "float32": ratio("one_by_one", "float32"),
        "bfloat16": ratio("one_by_one", "bfloat16"),
        "plain_ms_per_network_and_image": 1e3 * float(np.median(seconds["one_by_one"])) / (len(paths) * len(images)),
        "agreement_float32": float((predictions["float32"] == predictions["one_by_one"]).mean()),
        "agreement_bfloat16": float((predictions["bfloat16"] == predictions["one_by_one"]).mean()),
    }


def sharing(supernet: Supernet, paths: NDArray[np.int64]) -> float:
    """What a tree saves by MACs: stem, layers and head of all paths against those it computes."""
    macs = layer_macs(supernet)
    chain, stem = supernet.chain, macs[0].max()
    ends = chain.layers[-1].width * chain.head * (_sizes(supernet)[-1] ** 2)
    tree = PathTree.of(paths)
    layers = macs[1:][np.arange(tree.layers), tree.paths]
    alone = (layers[tree.place].sum(axis=1) + stem + ends).sum()
    computed = np.where(np.arange(tree.layers) >= tree.starts[:, None], layers, 0.0).sum()
    return float(alone / (computed + stem + ends * len(tree.paths)))


def layer_macs(supernet: Supernet) -> NDArray[np.float64]:
    """MACs (1 + layers, choices) of the stem and of the supernet's modules, stabilizers included."""
    shape, sizes = supernet.skeleton, _sizes(supernet)
    rows = [[_macs(supernet.stem, shape.resolution, sizes[0])] * len(supernet.chain.choices)]
    for layer, (before, after) in enumerate(pairwise(sizes)):
        rows.append([_macs(supernet.choice(layer, c), before, after) for c in range(len(supernet.chain.choices))])
    return np.array(rows, dtype=float)


def _sizes(supernet: Supernet) -> list[int]:
    """Pixels a side before every layer, and after the last."""
    size = -(-supernet.skeleton.resolution // supernet.chain.stem_stride)
    return list(accumulate([plan.stride for plan in supernet.chain.layers], lambda a, b: -(-a // b), initial=size))


def _macs(module: nn.Module, before: int, after: int) -> float:
    """The first convolution of a block works on what comes in; all others, and a single one, on what goes out."""
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    maps = [conv for conv in convolutions if conv.bias is None]  # squeeze-excitation works on vectors
    pixels = [after**2 if isinstance(module, nn.Sequential | nn.Conv2d) else before**2] + [after**2] * len(maps)
    return float(sum(conv.weight.numel() * count for conv, count in zip(maps, pixels, strict=False)))
