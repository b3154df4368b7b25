"""How well a supernet of NAS-Bench-Macro ranks, against counting MACs: sub-networks against the published accuracies.

An arm is a sampling rule, or one and the kind of its skips: `sandwich`, `fair:plain`. All arms pass about as many MACs
through paths as `--epochs` epochs of strictly fair training. Random networks of the table are scored on validation
images, with the supernet's batch-norm statistics and with recalibrated ones, and ranked. A rule is chosen on the
networks called `pilot` and judged on those called `judged`, none of which is the same function.

The first arm is the plain supernet: rules are also compared with the mean of its ranks and those of MACs. What a
ranking says beyond MACs is Spearman's correlation given MACs; the placebo, MACs with noise, must say nothing. The
table's accuracies are test accuracies of full trainings, which is all it has: nothing is selected by them.

A benchmark that is killed goes on where it was.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmarks._rank_quality import Judge, ranks
from benchmarks._supernets import CHAIN, SCORES, SKIPS, SPACE, Arm, Scores, measured
from scarlet.supernet.recipe import RECIPE
from zoo.data import load
from zoo.population.table import Table, read_table
from zoo.reliability.partial import placebo
from zoo.spaces.chain_cost import ChainCosts

NETWORKS, RESAMPLES = 801, 802
"""Seeds of the networks and of the resamples, the same for every arm."""
SETS = ("pilot", "judged")
MEAN_RANK = "mean rank of macs and"
AS_PAPERS = f"{MEAN_RANK} the plain supernet's accuracy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the benchmark."""
    parser.add_argument("--table", type=Path, required=True, help="NAS-Bench-Macro's table of CIFAR-10, a CSV file")
    parser.add_argument("--data", default="cifar10", help="cifar10, or imagefolder:DIR")
    parser.add_argument("--train", type=int, default=8000, help="images, validation included")
    parser.add_argument("--val", type=int, default=1000, help="validation images")
    parser.add_argument("--resolution", type=int, default=16, help="pixels a side")
    parser.add_argument("--channels", type=int, default=16, help="channels of the stem; the benchmark's own are 32")
    parser.add_argument("--epochs", type=int, default=30, help="of fair training; other rules pass as many MACs")
    parser.add_argument("--looks", type=int, default=3, help="measurements of a training, the last at its end")
    parser.add_argument("--seeds", type=int, default=3, help="supernets per arm")
    parser.add_argument("--first-seed", type=int, default=0, help="another for a pilot than for the judgement")
    parser.add_argument(
        "--arms", default="fair,sandwich-ranked", help=f"RULE[:SKIPS], skips one of {', '.join(SKIPS)}; the plain first"
    )
    parser.add_argument("--networks", choices=SETS, default="judged", help="on which of them")
    parser.add_argument("--count", type=int, default=200, help="sub-networks ranked")
    parser.add_argument("--score", choices=SCORES, default="recalibrated_loss", help="what arms are compared by")
    parser.add_argument("--recalibration", type=int, default=512, help="images for recalibrated statistics")
    parser.add_argument("--batch", type=int, default=RECIPE.batch)
    parser.add_argument("--lr", type=float, default=RECIPE.lr)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", help="float32, or bfloat16 by autocast")
    parser.add_argument("--runs", type=Path, default=Path("runs/supernet_ranking"), help="folder of what is trained")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train, measure, rank and compare."""
    arms = [Arm.of(text) for text in args.arms.split(",")]
    images = load(args.data, resolution=args.resolution, train=args.train, validation=args.val, seed=0, progress=None)
    paths, truth = drawn(read_table(args.table), args.count, SETS.index(args.networks))
    macs, _ = ChainCosts(CHAIN.scaled(args.channels), args.resolution, len(images.classes), images.channels)(paths)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    # Seed by seed: a benchmark that is stopped early has pairs.
    found: dict[Arm, list[list[tuple[int, Scores]]]] = {arm: [] for arm in arms}
    for seed in seeds:
        for arm in arms:
            found[arm].append(measured(arm, seed, images, paths, args))
    rows = [
        {"arm": str(arm), "seed": seed, "epochs": looks[-1][0], **taus(looks[-1][1], truth)}
        for arm in arms
        for seed, looks in zip(seeds, found[arm], strict=True)
    ]
    curves = [
        {"arm": str(arm), "seed": seed, "after_epochs": look, **taus(scores, truth)}
        for arm in arms
        for seed, looks in zip(seeds, found[arm], strict=True)
        for look, scores in looks
    ]
    last = {str(arm): [looks[-1][1][args.score] for looks in found[arm]] for arm in arms}
    sizes = {name: value for name, value in vars(args).items() if name not in ("name", "json", "table", "runs", "data")}
    scored = [
        row
        for arm in arms
        for row in by_score(str(arm), [looks[-1][1] for looks in found[arm]], args.score, truth, macs.astype(float))
    ]
    inherited = [looks[-1][1]["accuracy"] for looks in found[arms[0]]]
    found_out = {**compared(last, inherited, truth, macs.astype(float)), "scores": scored, "curves": curves}
    return {"name": "supernet_ranking", "rows": rows, **found_out} | {
        name: str(value) if isinstance(value, Path) else value for name, value in sizes.items()
    }


def drawn(table: Table, count: int, part: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Paths (count, 8) and published accuracies of random networks, no two of which are the same function.

    Args:
        table: of NAS-Bench-Macro.
        count: of networks.
        part: 0 for the first ``count`` networks that are drawn, 1 for the next.

    Raises:
        ValueError: for a table of another space, or more networks than it has.
    """
    if table.space.name != SPACE:
        raise ValueError(f"expected a table of {SPACE}, got one of {table.space.name}")
    rng, wanted = np.random.default_rng(NETWORKS), count * (part + 1)
    chosen: dict[str, tuple[int, ...]] = {}
    everything = sorted(table.accuracies)
    for place in rng.permutation(len(everything)).tolist():
        chosen.setdefault(CHAIN.function(everything[place]), everything[place])
        if len(chosen) == wanted:
            break
    if len(chosen) < wanted:
        raise ValueError(f"expected at most {len(chosen) // (part + 1)} networks, got {count}")
    (epochs,) = table.epochs
    paths = list(chosen.values())[count * part :]
    return np.array(paths), np.array([table.accuracies[path][epochs] for path in paths])


def by_score(
    arm: str, seeds: list[Scores], score: str, truth: NDArray[np.float64], macs: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """How much higher τ is by one score than by each of the others, of the same supernets, for every seed."""
    judge = Judge(100 * truth, macs, np.random.default_rng(RESAMPLES))
    own = [scores[score] for scores in seeds]
    return [
        {"gain_by_score": f"{arm}: {score} over {other}"}
        | judge.gain(own, [scores[other] for scores in seeds]).cells("gain")
        for other in SCORES
        if other != score
    ]


def taus(scores: Scores, truth: NDArray[np.float64]) -> dict[str, float]:
    """Kendall's τ by every score."""
    return {name: float(kendalltau(scores[name], truth).statistic) for name in SCORES}


def compared(
    last: dict[str, list[NDArray[np.float64]]],
    inherited: list[NDArray[np.float64]],
    truth: NDArray[np.float64],
    macs: NDArray[np.float64],
) -> dict[str, Any]:
    """Every arm and MACs as rankings, and how much better arms are than what is cheaper or simpler.

    Args:
        last: by arm, for every seed the scores at the end; the plain supernet first.
        inherited: the plain supernet's accuracies, as papers rank by them.
        truth: published accuracies.
        macs: of the networks.
    """
    rng = np.random.default_rng(RESAMPLES)
    judge = Judge(100 * truth, macs, rng)
    noise = placebo(macs, rng)
    plain, *others = last
    name_of = {plain: f"{MEAN_RANK} the plain supernet"} | {arm: f"{MEAN_RANK} {arm}" for arm in others}
    both = {name_of[arm]: [ranks(one) + ranks(macs) for one in scores] for arm, scores in last.items()}
    both[AS_PAPERS] = [ranks(one) + ranks(macs) for one in inherited]
    rankings = {**last, "macs": [macs], **both, "placebo": [noise]}
    pairs = [
        (arm, other)
        for place, arm in enumerate(last)
        for other in ("macs", name_of[plain], AS_PAPERS, *list(last)[:place])
    ] + [(name_of[arm], other) for arm in others for other in (arm, name_of[plain])]
    return {
        "rankings": [{"ranking": name, **judge.row(scores)} for name, scores in rankings.items()],
        "gains": [
            {"gain_in_tau": f"{name} over {other}", **judge.gain(rankings[name], rankings[other]).cells("gain")}
            for name, other in pairs
        ],
    }
