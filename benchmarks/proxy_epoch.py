"""One network, one whole small epoch: load, train, clip, metrics, validate; against the plain loop."""

import argparse
from functools import partial
from typing import Any

import torch

from benchmarks._pairs import RECIPE, SETTING, compared, genotypes, in_turns, jobs, noise, proxy_skeleton
from benchmarks.baselines import plain_training
from zoo.spaces import Skeleton
from zoo.training import Precision, TrainingEvaluator, TrainingSetup

GOALS = {"float32": 3.5, "bfloat16": 4.5}
PLAIN = "plain loop"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", type=int, default=2048, help="images")
    parser.add_argument("--val", type=int, default=512, help="images")
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5, help="of every side, for every network")
    parser.add_argument("--threads", type=int, default=2, help="of both sides")
    parser.add_argument("--space", default="econas-search", help="where the networks are from")
    parser.add_argument("--device", default="cpu")


def run(args: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(args.threads)
    images = noise(args.train, args.val)
    evaluators = {
        dtype: TrainingEvaluator(
            TrainingSetup(
                skeleton=Skeleton(),
                recipe=RECIPE,
                precision=Precision(device=args.device, dtype=dtype),
                threads=args.threads,
                engine="auto",
            ),
            images,
        )
        for dtype in GOALS
    }
    times = []
    for genotype in genotypes(args.networks, args.space):
        plain = partial(
            plain_training, genotype, proxy_skeleton(), RECIPE, images, epochs=SETTING.e, seed=0, device=args.device
        )
        ours = {dtype: partial(evaluator, jobs([genotype])) for dtype, evaluator in evaluators.items()}
        times.append(in_turns({PLAIN: plain, **ours}, args.rounds))
    rows = [compared(times, dtype, PLAIN, goal) for dtype, goal in GOALS.items()]
    return {"name": "proxy_epoch", "setting": str(SETTING), "threads": args.threads, "rows": rows}
