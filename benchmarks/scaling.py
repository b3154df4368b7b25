"""How cost grows: seconds of an epoch by networks, channels, pixels and workers, as a table and a picture.

One network of EcoNAS's search space at 9 channels and 8 pixels, unless that is what grows. The plain loop loads with
two more processes; several networks are trained one by one by the plain engine and together by `auto`. Workers take
their networks one by one. Wall-clock seconds, sides in turns, medians; engines on workers one after the other.
"""

import argparse
import statistics
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks._pairs import genotypes, in_turns, jobs, noise
from benchmarks.baselines import plain_training
from benchmarks.population import seconds_each
from zoo.data.image_set import ImageSet
from zoo.experiments import Resources
from zoo.figures import Curve, Curves, curves_svg
from zoo.files import write_text
from zoo.population.proxy import ProxySetting
from zoo.spaces import CellGenotype, Skeleton
from zoo.training import TrainingEvaluator, TrainingSetup
from zoo.training.evaluator import make_evaluator
from zoo.training.recipe import Recipe

SETTING = ProxySetting(0, 0, 0, 1)
ENGINES = {"engine plain": "plain", "engine auto": "auto"}
LOOP = "plain loop"
PANELS = {
    "networks": "networks, one after the other or together",
    "channels": "channels at 8 pixels",
    "pixels": "pixels a side, 9 channels",
    "workers": "workers of one thread, {count} networks",
}
Seconds = dict[str, list[float]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--networks", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--channels", type=int, nargs="*", default=[9, 18, 36])
    parser.add_argument("--pixels", type=int, nargs="*", default=[8, 16, 32])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="processes; none leaves Ray out")
    parser.add_argument("--shared", type=int, default=8, help="networks the workers share")
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--train", type=int, default=192, help="images")
    parser.add_argument("--val", type=int, default=48, help="images")
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the picture here, as SVG")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """One row per size and side.

    Raises:
        ValueError: for a picture in a folder that does not exist.
    """
    if args.plot is not None and not args.plot.absolute().parent.is_dir():
        raise ValueError(f"the folder of {args.plot} does not exist")
    torch.set_num_threads(1)
    images = noise(args.train, args.val)
    rows: list[dict[str, Any]] = []
    for along, sizes in (("networks", args.networks), ("channels", args.channels), ("pixels", args.pixels)):
        for size in sizes:
            channels, pixels = size if along == "channels" else 9, size if along == "pixels" else 8
            skeleton = Skeleton(channels=channels, cells=args.cells, resolution=pixels)
            count = size if along == "networks" else 1
            rows += _rows(along, size, epochs(genotypes(count), skeleton, images, args))
    for workers in args.workers:
        rows += _rows("workers", workers, shared(workers, images, args))
    if args.plot is not None:
        write_text(args.plot, picture(rows, args.shared) + "\n")
    sizes = {name: getattr(args, name) for name in ("cells", "train", "val", "batch", "rounds", "shared")}
    return {"name": "scaling", "rows": rows, **sizes}


def epochs(networks: list[CellGenotype], skeleton: Skeleton, images: ImageSet, args: argparse.Namespace) -> Seconds:
    """Seconds of an epoch of all networks in this process, every side in turns."""
    recipe = Recipe(batch=args.batch)

    def loop() -> None:
        for genotype in networks:
            plain_training(genotype, skeleton, recipe, images, epochs=SETTING.e, seed=0)

    sides: dict[str, Callable[[], object]] = {LOOP: loop}
    for name, engine in ENGINES.items():
        setup = TrainingSetup(skeleton=skeleton, recipe=recipe, engine=engine)
        sides[name] = partial(TrainingEvaluator(setup, images), jobs(networks, SETTING))
    return in_turns(sides, args.rounds)


def shared(workers: int, images: ImageSet, args: argparse.Namespace) -> Seconds:
    """Seconds of an epoch of the shared networks on some workers, one after the other."""
    skeleton, work = Skeleton(channels=9, cells=args.cells, resolution=8), jobs(genotypes(args.shared), SETTING)
    seconds: Seconds = {}
    for name, engine in ENGINES.items():
        setup = TrainingSetup(skeleton=skeleton, recipe=Recipe(batch=args.batch), engine=engine)
        executor = Resources(workers=workers).executor(partial(make_evaluator, setup), images, 1)
        try:
            taken = [len(work) * seconds_each(executor, work, 1) for _ in range(args.rounds + 1)]
        finally:
            executor.close()
        seconds[name] = taken[1:]  # the first starts the workers
    return seconds


def _rows(along: str, size: int, seconds: Seconds) -> Iterable[dict[str, Any]]:
    for side, taken in seconds.items():
        yield {
            "along": along,
            "size": size,
            "side": side,
            "seconds": round(statistics.median(taken), 4),
            "least": round(min(taken), 4),
            "most": round(max(taken), 4),
        }


def picture(rows: list[dict[str, Any]], count: int) -> str:
    """A panel for everything that grows, as SVG."""
    panels = []
    for along, xlabel in PANELS.items():
        part = [row for row in rows if row["along"] == along]
        sides = list(dict.fromkeys(row["side"] for row in part))
        curves = [
            Curve(
                label=side,
                x=[row["size"] for row in part if row["side"] == side],
                y=[row["seconds"] for row in part if row["side"] == side],
            )
            for side in sides
        ]
        if curves:
            top = 1.08 * max(row["seconds"] for row in part)
            axis = xlabel.format(count=count)
            panels.append(Curves(title=along, xlabel=axis, ylabel="seconds", curves=curves, low=0, high=top))
    return curves_svg(panels, name="scaling", description="Seconds of an epoch by networks, channels, pixels, workers")
