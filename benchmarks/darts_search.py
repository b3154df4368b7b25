"""Searches on images: mixed level against bilevel at equal time, stretchable against fixed cells at several depths.

Every search ends with its last genotype, which is retrained from the start on the same training images; accuracies are
those on the validation images, which neither search nor retraining is trained on.
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from milenas.experiment import DifferentiableExperiment
from milenas.strategy.search import Derived
from milenas.supernet.config import paper_config
from milenas.supernet.topology import Kind
from milenas.training.rules import UPDATES, Update
from milenas.training.setup import SEARCH_RECIPE, Method, SearchSetup
from zoo.data import ImageSet, load
from zoo.population import Journal, Manager, SerialExecutor, WeightStore
from zoo.population.trial import Job, Outcome, Record
from zoo.spaces.skeleton import Skeleton
from zoo.training.originals import ORIGINALS

STUDIES = ("levels", "depth")
COLUMNS = ("accuracy", "params", "depth_normal", "depth_reduction", "skips_normal", "convs_normal")


def setup_of(args: argparse.Namespace, *, update: Update, topology: Kind, layers: int, seed: int) -> SearchSetup:
    """A search at the sizes asked for, its network retrained with as many cells."""
    nodes = args.stretchable_nodes if topology == "stretchable" else args.nodes
    return SearchSetup(
        shape=paper_config(topology, nodes=nodes),
        skeleton=Skeleton(channels=args.channels, cells=layers),
        final=Skeleton(cells=layers),
        params=args.params,
        recipe=dataclasses.replace(SEARCH_RECIPE, batch=args.batch),
        method=Method(update=update, lr=args.arch_lr),
        epochs=args.epochs,
        retrain=dataclasses.replace(ORIGINALS["cifar"].recipe, batch=args.batch, path_dropout=0.0),
        retrain_epochs=args.retrain_epochs,
        seed=seed,
    )


Found = tuple[dict[str, float], float]
"""What is known of a search's last genotype, retrained, and the search's CPU seconds."""


def searched(setup: SearchSetup, images: ImageSet) -> Found:
    """Search on the images and retrain the last genotype."""
    experiment = DifferentiableExperiment(setup=setup, retrain=1).fitted(images, print)
    evaluator, spent = experiment.evaluator(images), [0.0]

    def timed(jobs: Sequence[Job]) -> list[Outcome]:
        began = time.process_time()
        outcomes = evaluator(jobs)
        if jobs[0].trial.role == "supernet":
            spent[0] += time.process_time() - began
        return outcomes

    strategy = experiment.search()
    with tempfile.TemporaryDirectory() as folder:
        manager = Manager(strategy, Journal.memory({}), WeightStore(Path(folder)))
        manager.run(SerialExecutor(timed))
    failed = [record.reason for record in manager.records if not record.ok]
    if failed or not strategy.retrained:
        raise ValueError(f"a search failed: {failed[0] if failed else 'no genotype'}")
    last: Derived = strategy.derived[-1]
    retrained: Record = manager.records[strategy.retrained[0]]
    found = {name: float(last.metrics[name]) for name in COLUMNS[1:]}
    return {"accuracy": retrained.metrics["accuracy"], **found}, spent[0]


def epochs_of_equal_time(args: argparse.Namespace, images: ImageSet) -> dict[Update, int]:
    """Epochs that take every rule the CPU time that the first one needs for ``--epochs``.

    From timing an epoch of each, twice: the first one of a process is slower.
    """
    seconds: dict[Update, float] = {}
    for update in args.updates:
        setup = setup_of(args, update=update, topology="fixed", layers=args.layers[0], seed=0)
        short = dataclasses.replace(setup, epochs=1, retrain_epochs=1)
        seconds[update] = min(searched(short, images)[1] for _ in range(2))
    first = seconds[args.updates[0]]
    return {update: max(1, round(args.epochs * first / seconds[update])) for update in args.updates}


class Searches:
    """Searches on the same images, each made once: both studies begin with fixed cells and the first rule."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images
        self._found: dict[SearchSetup, Found] = {}

    def __call__(self, setup: SearchSetup) -> Found:
        if setup not in self._found:
            self._found[setup] = searched(setup, self.images)
        return self._found[setup]


def row(what: dict[str, Any], results: Sequence[Found]) -> dict[str, Any]:
    """Means over seeds, and the deviation of the accuracy."""
    means = {name: statistics.fmean(each[name] for each, _ in results) for name in COLUMNS}
    accuracies = [each["accuracy"] for each, _ in results]
    found = {
        **what,
        "seeds": len(results),
        "accuracy": round(means["accuracy"], 4),
        "deviation": round(statistics.stdev(accuracies), 4) if len(results) > 1 else None,
        "each": " ".join(f"{value:.3f}" for value in accuracies),
        "params": round(means["params"]),
        "depth": round(means["depth_normal"], 2),
        "depth_reduction": round(means["depth_reduction"], 2),
        "convs": round(means["convs_normal"], 2),
        "skips": round(means["skips_normal"], 2),
        "search_cpu_s": round(statistics.fmean(seconds for _, seconds in results), 1),
    }
    print(found, flush=True)  # an hour may pass before the table
    return found


def levels(args: argparse.Namespace, searches: Searches) -> list[dict[str, Any]]:
    """The rules on fixed cells of the first number of layers, each for the same CPU time."""
    rows = []
    for update, epochs in epochs_of_equal_time(args, searches.images).items():
        make = partial(setup_of, args, update=update, topology="fixed", layers=args.layers[0])
        setups = [dataclasses.replace(make(seed=seed), epochs=epochs) for seed in range(args.seeds)]
        rows.append(row({"update": update, "layers": args.layers[0], "epochs": epochs}, [*map(searches, setups)]))
    return rows


def depth(args: argparse.Namespace, searches: Searches) -> list[dict[str, Any]]:
    """Stretchable and fixed cells at every number of layers, with the first rule."""
    rows = []
    topologies: tuple[Kind, ...] = ("fixed", "stretchable")
    for layers in args.layers:
        for topology in topologies:
            make = partial(setup_of, args, update=args.updates[0], topology=topology, layers=layers)
            what = {"topology": topology, "layers": layers, "epochs": args.epochs}
            rows.append(row(what, [searches(make(seed=seed)) for seed in range(args.seeds)]))
    return rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="digits")
    parser.add_argument("--resolution", type=int)
    parser.add_argument("--train", type=int)
    parser.add_argument("--val", type=int)
    parser.add_argument("--studies", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--updates", nargs="+", choices=UPDATES, default=["milenas1", "darts1"])
    parser.add_argument("--layers", type=int, nargs="+", default=[6, 12])
    parser.add_argument("--channels", type=int, default=4, help="of the supernet")
    parser.add_argument("--nodes", type=int, default=7)
    parser.add_argument("--stretchable-nodes", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=5, help="of a search")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--arch-lr", type=float, default=3e-3, help="ten times the papers': searches are short here")
    parser.add_argument("--params", type=float, default=50_000, help="of the networks that are retrained")
    parser.add_argument("--retrain-epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)


def run(args: argparse.Namespace) -> dict[str, Any]:
    images = load(args.data, resolution=args.resolution, train=args.train, validation=args.val, seed=0)
    studies: dict[str, Callable[[argparse.Namespace, Searches], list[dict[str, Any]]]] = {
        "levels": levels,
        "depth": depth,
    }
    searches = Searches(images)
    rows = [found for name in args.studies for found in studies[name](args, searches)]
    settings = {name: value for name, value in vars(args).items() if name not in ("json", "data")}
    return {"name": "darts_search", "data": args.data.partition(":")[0], "settings": json.dumps(settings), "rows": rows}
