"""Simulated zoos of known correlation: do intervals cover it, how often is a bad setting recommended?

The last rows are of studies that rank settings by several signals: with all of their networks, and until decided.
"""

import argparse
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats
from scipy.special import expit

from zoo.reliability.correlation import Array, resampled_spearman
from zoo.reliability.interval import bootstrap
from zoo.reliability.looks import Rule, decision, in_sequence, judge, looks
from zoo.reliability.recommendation import Candidate, choose, recommend

NETWORKS = (16, 24, 50, 100)
RHOS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95)
TARGET = 0.8
SETTINGS = 36


@dataclass(frozen=True, slots=True)
class World:
    """How accuracies come about: a latent quality, and what a setting and the reference show of it."""

    name: str
    noise: float = 0.0  # of one training of the reference, in standard deviations of the quality
    images: int = 0  # accuracies are k / images; 0: no rounding
    tail: int = 0  # degrees of freedom of the common scale, small = heavy; 0: normal
    bad: float = 0.0  # share of networks that are far below the others everywhere


WORLDS = (
    World("normal"),
    World("noisy and tied", noise=0.2, images=400),
    World("heavy tails", noise=0.1, tail=5),
    World("bad networks", noise=0.1, images=1000, bad=0.15),
)


def draw(world: World, strengths: Array, networks: int, repeats: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Scores (settings, networks) and reference (networks, repeats) of one zoo.

    strengths (settings,) in [-1, 1]: correlation of a setting with the quality. Half of what else a setting
    shows is common to all settings, as cheap settings err alike.
    """
    quality = rng.standard_normal(networks)
    common, own = rng.standard_normal(networks), rng.standard_normal((len(strengths), networks))
    rest = np.sqrt(1 - strengths**2)[:, None] * (common + own) / np.sqrt(2)
    x = strengths[:, None] * quality + rest
    y = quality[:, None] + world.noise * rng.standard_normal((networks, repeats))
    return shown(world, x, y, rng)


def shown(world: World, x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Scores and reference as the world shows them: with heavy tails, bad networks, rounding."""
    networks = len(y)
    if world.tail:
        scale = np.sqrt(world.tail / rng.chisquare(world.tail, networks))
        x, y = x * scale, y * scale[:, None]
    if world.bad:
        bad = rng.random(networks) < world.bad
        x, y = x - 5 * bad, y - 5 * bad[:, None]
    if world.images:  # the two links differ: monotone, not linear
        x, y = expit(0.6 * x + 0.8), expit(0.5 * y + 1.4)
        x, y = np.round(x * world.images) / world.images, np.round(y * world.images) / world.images
    return x, y


def population_rho(world: World, strength: float, repeats: int, size: int = 400_000, seed: int = 1) -> float:
    """Spearman of a setting with the mean reference in a zoo so large that chance no longer counts."""
    x, y = draw(world, np.array([strength]), size, repeats, np.random.default_rng(seed))
    return float(stats.spearmanr(x[0], y.mean(axis=1))[0])


@cache
def plant(world: World, rho: float, repeats: int = 1) -> tuple[float, float]:
    """The strength that gives this population Spearman as closely as the world allows, and what it gives."""
    low, high = -1.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        below = population_rho(world, middle, repeats, size=100_000) < rho
        low, high = (middle, high) if below else (low, middle)
    return low, population_rho(world, low, repeats, seed=2)


def coverage(world: World, rho: float, networks: int, draws: int, seed: int, resamples: int = 500) -> dict[str, object]:
    """Share of two-sided 95 % Spearman intervals that contain the population's value, or lie above it."""
    strength, truth = plant(world, rho)
    rng = np.random.default_rng((seed, networks, round(100 * rho)))
    covered = too_high = 0
    for _ in range(draws):
        x, y = draw(world, np.array([strength]), networks, 1, rng)
        estimate = bootstrap(resampled_spearman, x[0], y[:, 0], rng, resamples)
        covered += estimate.low <= truth <= estimate.high
        too_high += estimate.low > truth
    return {
        "measured": "coverage",
        "world": world.name,
        "n": networks,
        "rho": round(truth, 3),
        "noise": world.noise,
        "ties": world.images,
        "coverage": covered / draws,
        "too_high": too_high / draws,
    }


def grid(name: str) -> Array:
    """True ρ of every setting, fastest first."""
    place = np.arange(SETTINGS) / (SETTINGS - 1)
    below = TARGET - 0.005
    wobble = 0.06 * np.sin(2.4 * np.arange(SETTINGS))
    settings: dict[str, Array] = {
        "all just below": np.full(SETTINGS, below),
        "fast half just below": np.where(place < 0.5, below, 0.93),
        "rising": np.clip(0.45 + 0.5 * place + wobble, 0.2, 0.96),
    }
    return settings[name]


def recommendations(
    world: World, scenario: str, networks: int, draws: int, seed: int, resamples: int = 500
) -> dict[str, object]:
    """Share of zoos in which the recommended setting's true ρ is below the target, and in which it is not."""
    knots = np.array([plant(world, rho, 2) for rho in (0.2, 0.5, 0.7, TARGET - 0.005, 0.87, 0.93, 0.96)])
    strengths = np.interp(grid(scenario), knots[:, 1], knots[:, 0])
    truth = np.interp(strengths, knots[:, 0], knots[:, 1])
    acceleration = np.geomspace(64, 1.5, SETTINGS)
    names = [str(i) for i in range(SETTINGS)]
    rng = np.random.default_rng((seed, networks, len(scenario)))
    chosen = []
    for _ in range(draws):
        scores, reference = draw(world, strengths, networks, 2, rng)
        found = recommend(scores, reference, acceleration, names, rng, target=TARGET, resamples=resamples).index
        if found is not None:
            chosen.append(found)
    return {
        "measured": "recommendation",
        "world": world.name,
        "scenario": scenario,
        "n": networks,
        "false": float(np.sum(truth[chosen] < TARGET)) / draws,
        "right": float(np.sum(truth[chosen] >= TARGET)) / draws,
        "acceleration": round(float(np.exp(np.mean(np.log(acceleration[chosen])))), 1) if chosen else None,
    }


# ---------------------------------------------------------------- several signals, all networks or until decided

GRID, SIGNALS = 10, 3
MOST, REPEATS = 50, 2
SPEED = np.geomspace(64, 1.5, GRID)
"""How many times cheaper than one training of the reference a setting is, fastest first."""
NEARLY = TARGET - 0.005
RESAMPLES = 200
"""As many as are needed here: 1,000 give the same share of wrong answers."""
EARLY: tuple[tuple[World, str], ...] = (
    (WORLDS[0], "none good"),
    (WORLDS[0], "hopeless"),
    (WORLDS[0], "one good"),
    (WORLDS[0], "half good"),
    (WORLDS[0], "most good"),
    (WORLDS[1], "none good"),
    (WORLDS[1], "half good"),
    (WORLDS[1], "most good"),
    (WORLDS[2], "none good"),
    (WORLDS[2], "most good"),
    (WORLDS[3], "none good"),
    (WORLDS[3], "half good"),
)
"""Worlds and scenarios of the rows."""


def planted(scenario: str) -> Array:
    """True ρ of every setting, fastest first, by every signal: (settings, signals); the first signal is accuracy."""
    turns = np.array([0.0, -0.03, 0.02])
    settings = {
        "none good": np.full(GRID, NEARLY),  # as hard as can be: nothing is ever decided
        "hopeless": np.linspace(0.1, 0.5, GRID),
        "one good": np.where(np.arange(GRID) < 4, 0.5, NEARLY),
        "half good": np.array([0.4, 0.5, 0.6, 0.65, 0.7, 0.93, 0.94, 0.95, 0.96, 0.96]),
        "most good": np.where(np.arange(GRID) < 2, 0.7, 0.94),
    }
    found = np.repeat(settings[scenario][:, None], SIGNALS, axis=1)
    if scenario == "one good":
        found[4, 2] = 0.95
    return found if scenario in ("none good", "one good") else found + turns


def draw_signals(world: World, strengths: Array, networks: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Scores (settings, signals, networks) and reference (networks, repeats) of one zoo.

    strengths (settings, signals) in [-1, 1]. A third of what else a signal shows is common to all, as cheap settings
    err alike; a third is its setting's, as signals share their trainings.
    """
    quality, common = rng.standard_normal((2, networks))
    trained = rng.standard_normal((len(strengths), 1, networks))
    own = rng.standard_normal((*strengths.shape, networks))
    rest = np.sqrt(1 - strengths**2)[..., None] * (common + trained + own) / np.sqrt(3)
    x = strengths[..., None] * quality + rest
    y = quality[:, None] + world.noise * rng.standard_normal((networks, REPEATS))
    return shown(world, x, y, rng)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a study ended: the place of what it recommends, if anything; its answer, networks and price."""

    index: int | None
    answer: str
    networks: int
    price: float


def until_decided(x: Array, y: Array, rng: np.random.Generator, rule: Rule) -> Ending:
    """A study of x (settings, signals, networks) and y (networks, repeats) that looks, drops and ends as a study does.

    The price is in trainings of the reference.
    """
    kept, price, done = list(range(GRID)), 0.0, 0
    for look in looks(MOST):
        price += (look.networks - done) * (REPEATS + float(np.sum(1 / SPEED[kept])))
        done = look.networks
        candidates = [
            Candidate(f"{setting} {signal}", x[setting, signal, :done], SPEED[setting])
            for setting in kept
            for signal in range(SIGNALS)
        ]
        gone = [SPEED[setting] for setting in range(GRID) if setting not in kept]
        members = in_sequence(candidates, range(0, len(candidates), SIGNALS), gone, rule)
        found = judge(candidates, y[:done], rng, look=look, rule=rule, sequence=members)
        made = decision(found, candidates, [name.name.split()[0] for name in candidates], look, rule)
        if made.ends:
            index = None if made.answer in ("none", "ceiling") else found.recommendation.index
            place = None if index is None else kept[index // SIGNALS] * SIGNALS + index % SIGNALS
            return Ending(place, made.answer, done, price)
        kept = [setting for setting in kept if str(setting) not in made.dropped]
    raise AssertionError("the last look ends a study")


def early(world: World, scenario: str, zoos: int, seed: int, resamples: int = RESAMPLES) -> dict[str, object]:
    """Share of zoos with a wrong and a right answer, with all networks and until decided, and what that costs."""
    knots = np.array([plant(world, rho, REPEATS) for rho in (0.05, 0.3, 0.5, 0.7, NEARLY, 0.87, 0.93, 0.97)])
    strengths = np.interp(planted(scenario), knots[:, 1], knots[:, 0])
    truth = np.interp(strengths, knots[:, 0], knots[:, 1]).ravel()
    rng, rule = np.random.default_rng((seed, zoos, len(scenario))), Rule(target=TARGET, resamples=resamples)
    fixed: list[int | None] = []
    endings: list[Ending] = []
    for _ in range(zoos):
        x, y = draw_signals(world, strengths, MOST, rng)
        candidates = [
            Candidate(f"{i}", row, SPEED[i // SIGNALS]) for i, row in enumerate(x.reshape(GRID * SIGNALS, MOST))
        ]
        members = range(0, len(candidates), SIGNALS)
        fixed.append(choose(candidates, y, rng, target=TARGET, resamples=resamples, sequence=members).index)
        endings.append(until_decided(x, y, rng, rule))
    chosen = [one.index for one in endings]
    whole = MOST * (REPEATS + float(np.sum(1 / SPEED)))
    return {
        "measured": "until decided",
        "world": world.name,
        "scenario": scenario,
        "fixed_false": _share(truth, fixed, good=False),
        "fixed_right": _share(truth, fixed, good=True),
        "early_false": _share(truth, chosen, good=False),
        "early_right": _share(truth, chosen, good=True),
        "none": sum(one.answer == "none" for one in endings) / zoos,
        "networks": sum(one.networks for one in endings) / zoos,
        "price": sum(one.price for one in endings) / zoos / whole,
    }


def _share(truth: Array, chosen: list[int | None], *, good: bool) -> float:
    """Of all zoos, those in which something was recommended that is good, or is not."""
    return sum(index is not None and bool(truth[index] >= TARGET) is good for index in chosen) / len(chosen)


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--draws", type=int, default=400, help="zoos per row; recommendations take half; 0: no such rows"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--zoos", type=int, default=400, help="zoos per row of studies until decided; 0 for none of them"
    )
    parser.add_argument("--early", type=int, default=len(EARLY), help="rows of them")


def run(args: argparse.Namespace) -> dict[str, object]:
    rows: list[dict[str, object]] = []
    if args.draws > 0:
        rows += [
            coverage(world, rho, networks, args.draws, args.seed)
            for world in WORLDS
            for networks in NETWORKS
            for rho in RHOS
            if not world.bad or rho >= 0.6  # networks that are bad everywhere agree to 0.4 by themselves
        ]
        rows += [
            recommendations(world, scenario, networks, max(1, args.draws // 2), args.seed)
            for world in WORLDS
            for scenario in ("all just below", "fast half just below", "rising")
            for networks in NETWORKS[:3]
        ]
    if args.zoos > 0:
        rows += [early(world, scenario, args.zoos, args.seed) for world, scenario in EARLY[: args.early]]

    def column(name: str, but: str = "") -> list[float]:
        return [float(str(row[name])) for row in rows if name in row and row.get("scenario") != but]

    return {
        "name": "coverage",
        "draws": args.draws,
        "zoos": args.zoos,
        "lowest_coverage": min(column("coverage"), default=None),
        "highest_coverage": max(column("coverage"), default=None),
        "highest_false_recommendation": max(column("false"), default=None),
        "highest_false_of_all_networks": max(column("fixed_false"), default=None),
        "highest_false_until_decided": max(column("early_false"), default=None),
        "mean_price_until_decided": _mean(column("price")),
        "mean_price_where_something_is_to_be_decided": _mean(column("price", but="none good")),
        "rows": rows,
    }
