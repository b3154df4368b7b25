"""Is low precision a proxy too? Kendall's τ between rankings of the same networks in float32 and in bfloat16.

Beside it, τ between two float32 trainings that differ in their seed only: what any second training agrees to.
"""

import argparse
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from benchmarks._pairs import genotypes, jobs
from zoo.data import load
from zoo.population.proxy import ProxySetting
from zoo.spaces import Skeleton
from zoo.training import Precision, Recipe, TrainingEvaluator, TrainingSetup

DRAWS = 1000  # bootstrap samples of an interval


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="digits")
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--train", type=int, default=800, help="images")
    parser.add_argument("--val", type=int, default=600, help="images")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--cells", type=int, default=5)
    parser.add_argument("--resolution", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="cpu")


def run(args: argparse.Namespace) -> dict[str, Any]:
    images = load(args.data, resolution=args.resolution, train=args.train, validation=args.val, seed=0)
    networks = genotypes(args.networks, "econas-zoo")
    skeleton = Skeleton(
        channels=args.channels,
        cells=args.cells,
        resolution=args.resolution,
        in_channels=images.channels,
        classes=len(images.classes),
    )

    def accuracies(dtype: str, seed: int) -> np.ndarray[Any, Any]:
        setup = TrainingSetup(
            skeleton=skeleton,
            recipe=Recipe(batch=args.batch),
            precision=Precision(device=args.device, dtype=dtype),
            seed=seed,
            engine="auto",
        )
        outcomes = TrainingEvaluator(setup, images)(jobs(networks, ProxySetting(0, 0, 0, args.epochs)))
        return np.array([record.metrics.get("accuracy", 0.0) for record, _ in outcomes])

    exact = accuracies("float32", 0)
    rows = [
        _row("bfloat16, same seed", exact, accuracies("bfloat16", 0)),
        _row("float32, another seed", exact, accuracies("float32", 1)),
    ]
    return {"name": "precision", "networks": args.networks, "data": args.data, "epochs": args.epochs, "rows": rows}


def _row(what: str, exact: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    picks = rng.integers(len(exact), size=(DRAWS, len(exact)))
    low, high = np.nanquantile([kendalltau(exact[pick], other[pick]).statistic for pick in picks], [0.025, 0.975])
    return {
        "against float32": what,
        "kendall": round(float(kendalltau(exact, other).statistic), 3),
        "low": round(float(low), 3),
        "high": round(float(high), 3),
        "accuracy": round(float(other.mean()), 4),
        "accuracy_float32": round(float(exact.mean()), 4),
    }
