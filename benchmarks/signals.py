"""Which signal of a cheap training ranks networks best: accuracy, a loss, or a loss summed over epochs.

One study for each image set and space, with everything that a training records. The signal is chosen on the first image
sets and tested once on the last one, with fresh networks and seeds; it takes the place of accuracy only if the interval
of that paired difference excludes zero. The same trainings say whether EcoNAS's claims about settings hold here.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import thriftnas
from benchmarks._claims import CHANNELS, CLAIMS, SAMPLES, difference, verdict
from zoo.population.proxy import ProxySetting
from zoo.reliability.candidates import scored
from zoo.reliability.ceiling import ceiling
from zoo.reliability.correlation import Array, resampled_spearman
from zoo.reliability.interval import resample
from zoo.reliability.measured import Measured
from zoo.reliability.recommendation import matched
from zoo.reliability.signal import ACCURACY, SIGNALS

SPACES = ("econas-zoo", "econas-search")
SETTING = "c{0,2}r{0,2}s0e{6,12} c0r0s1e{12,24}"
REFERENCE = "c0r0s0e20"
PATH_DROPOUT = 0.2  # E.2, Zhou 2020
RESAMPLES = 2000
OTHERS = tuple(name for name in SIGNALS if name != ACCURACY)


@dataclass(frozen=True, slots=True)
class Images:
    """An image set: its name, the counts of its images, the seed of its studies, whether the signal is chosen on it."""

    name: str
    train: int
    validation: int
    seed: int
    chooses: bool


@dataclass(frozen=True, slots=True, eq=False)
class Gain:
    """How much better than accuracy every other signal ranks in one study: the mean over settings of ρ less ρ.

    Attributes:
        images: name of the image set.
        space: of the networks.
        chooses: whether the signal is chosen on it.
        repeats: trainings of every network at the reference.
        ceiling: reliability of their mean.
        rho: by accuracy, the mean over settings.
        draws: (1 + resamples, signals); row 0 is the study itself.
        claims: (1 + resamples, claims) differences of ρ by accuracy, in the same resamples.
    """

    images: str
    space: str
    chooses: bool
    repeats: int
    ceiling: float
    rho: float
    draws: Array
    claims: Array


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--data", default="digits,fashion-mnist,cifar10", help="image sets; the last one tests")
    parser.add_argument("--models", type=int, default=24, help="networks of every study")
    parser.add_argument("--repeats", type=int, default=3, help="trainings of every network at the reference")
    parser.add_argument("--ceiling", type=float, default=0.8, help="reliability of the reference, for which more train")
    parser.add_argument("--most-repeats", type=int, default=8, help="trainings of every network for it at most")
    parser.add_argument("--train", type=int, default=2560, help="training images; of the digits a quarter as many")
    parser.add_argument("--val", type=int, default=5000, help="validation images; of the digits at most 798")
    parser.add_argument("--setting", default=SETTING, help="grid of cheap settings")
    parser.add_argument("--reference", default=REFERENCE, help="the full one")
    parser.add_argument("--cells", type=int, default=8, help="cells of a network")
    parser.add_argument("--dropout", default="digits", help="image sets whose studies are repeated with path dropout")
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--runs", type=Path, default=Path("runs/signals"), help="folder of the studies; they continue")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train what is not trained yet; a row per study and signal, then the choice and its test.

    Raises:
        ValueError: for images that cannot be read, counts that a study refuses, or a single image set.
    """
    names = args.data.split(",")
    if len(names) < 2:
        raise ValueError(f"a signal is chosen on all image sets but the last, expected at least 2, got {args.data!r}")
    sets = [images(name, number == len(names) - 1, args) for number, name in enumerate(names)]
    gains = [gain(one, space, args) for one in sets for space in SPACES]
    chosen, pooled = choice([one for one in gains if one.chooses])
    tested = row("test", chosen, mean_draws([one.draws for one in gains if not one.chooses]))
    return {
        "name": "signals",
        "rows": [row(f"{one.images}, {one.space}", name, one.draws) for one in gains for name in OTHERS],
        "studies": [
            {
                "images": one.images,
                "space": one.space,
                "repeats": one.repeats,
                "ceiling": one.ceiling,
                "mean_spearman_by_accuracy": one.rho,
            }
            for one in gains
        ],
        "pooled": pooled,
        "tested": [tested],
        "claims": [
            verdict(claim, mean_draws(found))
            for number, claim in enumerate(CLAIMS)
            if (found := [one.claims[:, number] for one in gains if np.isfinite(one.claims[0, number])])
        ],
        "default_signal": chosen if tested["low"] > 0 else ACCURACY,
    }


def images(name: str, tests: bool, args: argparse.Namespace) -> Images:
    """An image set at the benchmark's sizes; the one that tests has other networks and seeds."""
    few = name == "digits"  # 1,438 besides the test images
    train = args.train // 4 if few else args.train
    return Images(name, train, min(args.val, 798) if few else args.val, int(tests), not tests)


def reliable(one: Images, space: str, args: argparse.Namespace) -> tuple[Measured, int, float]:
    """A study whose reference is trained again until it is reliable; with its repeats, and their reliability."""
    for repeats in range(args.repeats, max(args.repeats, args.most_repeats) + 1):
        zoo = studied(one, space, args, repeats)
        repeats = zoo.at_reference("accuracy").shape[1]  # a study that has grown before stays as large
        found = ceiling(zoo.at_reference("accuracy"), np.random.default_rng(2)).value
        if found >= args.ceiling:
            break
    return zoo, repeats, found


def studied(one: Images, space: str, args: argparse.Namespace, repeats: int, path_dropout: float = 0.0) -> Measured:
    """One study, begun or continued."""
    folder = args.runs / f"{Path(one.name).name}-{space}-{one.seed}{'-dropout' if path_dropout else ''}"
    if (folder / "journal.sqlite").exists():
        held: Any = thriftnas.load_run(folder).experiment
        repeats = max(repeats, held.repeats)
    study = thriftnas.study(
        one.name,
        folder,
        space=space,
        models=args.models,
        repeats=repeats,
        setting=args.setting,
        reference=args.reference,
        train=one.train,
        validation=one.validation,
        resolution=8,
        channels=8,
        cells=args.cells,
        batch=96 if one.train > 1000 else 32,
        group=8,
        path_dropout=path_dropout,
        seed=one.seed,
        workers=args.workers,
        progress=False,
    )
    experiment: Any = study.experiment
    with study.journal() as journal:
        return Measured(journal, experiment.settings, experiment.repeats)


def gain(one: Images, space: str, args: argparse.Namespace) -> Gain:
    """Train a study and resample its networks, all settings and signals together."""
    zoo, repeats, trusted = reliable(one, space, args)
    targets = zoo.at_reference("accuracy")
    rng = np.random.default_rng(0)
    counts = np.vstack([np.ones(len(targets)), resample(len(targets), rng, RESAMPLES)])
    rho = {name: agreement(zoo, name, targets, counts) for name in SIGNALS}
    total = {name: mean(found) for name, found in rho.items()}
    draws = np.stack([total[name] - total[ACCURACY] for name in OTHERS], axis=1)
    claims = [difference(claim, rho[ACCURACY]) for claim in (SAMPLES, CHANNELS)]
    claims.append(np.full(len(counts), np.nan))
    if one.name in args.dropout.split(","):
        dropped = studied(one, space, args, args.repeats, PATH_DROPOUT)
        if dropped.genotypes != zoo.genotypes:
            raise ValueError(f"expected the same networks with path dropout as without it, on {one.name}")
        goal = dropped.at_reference("accuracy")  # as in the paper, the full training has path dropout in any case
        without, within = (mean(agreement(side, ACCURACY, goal, counts)) for side in (zoo, dropped))
        claims[-1] = without - within
    rho_by_accuracy = float(total[ACCURACY][0])
    name = Path(one.name).name
    return Gain(name, space, one.chooses, repeats, trusted, rho_by_accuracy, draws, np.stack(claims, axis=1))


def agreement(zoo: Measured, signal: str, targets: npt.ArrayLike, counts: Array) -> dict[ProxySetting, Array]:
    """Spearman's ρ by a signal with the reference at every setting, in every resample."""
    rows = [scored(SIGNALS[signal], zoo.records_at(setting)) for setting in zoo.settings]
    x, y, kept = matched(np.array(rows), targets, [str(setting) for setting in zoo.settings])
    # A signal that is the same for every network ranks none of them: 0, not undefined.
    found = [np.nan_to_num(resampled_spearman(values, y, counts[:, kept])) for values in x]
    return dict(zip(zoo.settings, found, strict=True))


def mean(rho: Mapping[ProxySetting, Array]) -> Array:
    """The mean over settings."""
    found: Array = np.mean(list(rho.values()), axis=0)
    return found


def choice(gains: Sequence[Gain]) -> tuple[str, list[dict[str, Any]]]:
    """The signal with the greatest mean gain, and a row for every one."""
    draws = mean_draws([one.draws for one in gains])
    return OTHERS[int(np.argmax(draws[0]))], [row("all that choose", name, draws) for name in OTHERS]


def mean_draws(draws: Sequence[Array]) -> Array:
    """The mean over studies, whose networks are drawn independently of one another; of (1 + resamples, ...) each."""
    rng = np.random.default_rng(1)
    mixed = [np.concatenate([one[:1], rng.permutation(one[1:], axis=0)]) for one in draws]
    found: Array = np.mean(mixed, axis=0)
    return found


def row(where: str, signal: str, draws: Array) -> dict[str, Any]:
    """The gain of a signal over accuracy, with its 95 % percentile interval over networks."""
    values = draws[:, OTHERS.index(signal)]
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return {
        "where": where,
        "signal": signal,
        "gain": round(float(values[0]), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }
