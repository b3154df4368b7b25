"""Simulated zoos of known correlation: do intervals cover it, how often is a bad setting recommended?"""

import argparse
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats
from scipy.special import expit

from zoo.reliability.correlation import Array, resampled_spearman
from zoo.reliability.interval import bootstrap
from zoo.reliability.recommendation import recommend

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--draws", type=int, default=400, help="zoos per row; recommendations take half")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> dict[str, object]:
    rows = [
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
    covered = [float(str(row["coverage"])) for row in rows if "coverage" in row]
    false = [float(str(row["false"])) for row in rows if "false" in row]
    return {
        "name": "coverage",
        "draws": args.draws,
        "lowest_coverage": min(covered),
        "highest_coverage": max(covered),
        "highest_false_recommendation": max(false),
        "rows": rows,
    }
