"""Different networks trained together as one program, against the same engine one network after the other."""

import argparse
from typing import Any

from benchmarks._pairs import RECIPE, compared, genotypes, in_turns, jobs, noise
from zoo.population.trial import Outcome
from zoo.spaces import Skeleton
from zoo.training import Precision, TrainingEvaluator, TrainingSetup

GOAL = 1.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--group", type=int, default=8, help="networks trained together")
    parser.add_argument("--train", type=int, default=1152, help="images")
    parser.add_argument("--val", type=int, default=256, help="images")
    parser.add_argument("--batches", type=int, nargs="+", default=[384, 96], help="images per step, one row each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")


def run(args: argparse.Namespace) -> dict[str, Any]:
    images, group = noise(args.train, args.val), jobs(genotypes(args.group))
    rows = []
    for batch in args.batches:
        setup = TrainingSetup(
            skeleton=Skeleton(),
            recipe=type(RECIPE)(batch=batch, lr=RECIPE.lr, lr_min=RECIPE.lr_min, cutout=RECIPE.cutout),
            precision=Precision(device=args.device, dtype=args.dtype),
            threads=args.threads,
            engine="auto",
        )
        evaluator = TrainingEvaluator(setup, images)

        def one_by_one(evaluator: TrainingEvaluator = evaluator) -> list[list[Outcome]]:
            return [evaluator([job]) for job in group]

        def together(evaluator: TrainingEvaluator = evaluator) -> list[Outcome]:
            return evaluator(group)

        times = in_turns({"one by one": one_by_one, "together": together}, args.rounds)
        rows.append({"batch": batch, **compared([times], "together", "one by one", GOAL)})
    return {"name": "cotrain", "group": args.group, "threads": args.threads, "dtype": args.dtype, "rows": rows}
