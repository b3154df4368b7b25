"""Which update rule finds the best of 64 networks: a six-edge cell with two operations per edge, all known by training.

Every network is trained on digits with several seeds and ranked by its accuracy on images that nobody trained on. Every
rule then searches the same 64 with many seeds. Regret is how far the network a search ends with is below the best one.
What the papers say about the order of the rules is reproduced or contradicted where the 95 % bootstrap interval of the
difference between two rules, paired by seed, lies on one side of 0, and undecided where it does not.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from milenas.training.rules import UPDATES, Update, weights_first
from milenas.training.updates import Problem, direction
from zoo.data import load
from zoo.networks.operations import build_operation
from zoo.purposes import TOY_ENUMERATION, TOY_SEARCH
from zoo.spaces.operations import OPERATIONS
from zoo.training.recipe import Recipe
from zoo.training.trainer import learning_rate

EDGES = tuple(itertools.combinations(range(4), 2))
"""All edges among four nodes, the first of which is the cell's input."""
Network = tuple[int, ...]
NETWORKS: tuple[Network, ...] = tuple(itertools.product((0, 1), repeat=len(EDGES)))

CLAIMS: tuple[tuple[str, str, Update, Update], ...] = (
    ("mixed first order finds better networks than DARTS first order", "regret", "milenas1", "darts1"),
    ("mixed first order finds better networks than DARTS second order", "regret", "milenas1", "darts2"),
    ("mixed first order finds better networks than mixed second order", "regret", "milenas1", "milenas2"),
    ("single level has a larger validation gap than DARTS first order", "gap", "darts1", "single"),
    ("single level has a larger validation gap than DARTS second order", "gap", "darts2", "single"),
    ("single level has a larger validation gap than mixed first order", "gap", "milenas1", "single"),
    ("single level has a larger validation gap than mixed second order", "gap", "milenas2", "single"),
)
"""Claim (He et al. 2020), what is compared, whose is said to be smaller, and than whose."""


class Cell(nn.Module):
    """A stem, one cell and a classifier; every edge has both operations, mixed by α, or one of them alone."""

    def __init__(self, operations: Sequence[str], channels: int, network: Network | None, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))
            kept = [(0, 1)] * len(EDGES) if network is None else [(place,) for place in network]
            self.edges = nn.ModuleList(
                nn.ModuleList(_operation(operations[place], channels) for place in places) for places in kept
            )
            self.classifier = nn.Linear(3 * channels, 10)
        self.alpha = nn.Parameter(torch.zeros(len(EDGES), len(operations)) if network is None else torch.empty(0))

    def forward(self, x: Tensor) -> Tensor:
        states = [self.stem(x)]
        mixed = self.alpha.softmax(1) if len(self.alpha) else None
        for node in range(1, 4):
            total = torch.zeros_like(states[0])
            for i, (source, target) in enumerate(EDGES):
                if target == node:
                    operations = self.edges[i]
                    assert isinstance(operations, nn.ModuleList)
                    for place, operation in enumerate(operations):
                        term = operation(states[source])
                        total = total + (term if mixed is None else mixed[i, place] * term)
            states.append(total)
        logits: Tensor = self.classifier(torch.cat(states[1:], dim=1).mean(dim=(2, 3)))
        return logits

    def weights(self) -> list[nn.Parameter]:
        """w."""
        return [parameter for parameter in self.parameters() if parameter is not self.alpha]


def _operation(name: str, channels: int) -> nn.Module:
    built = build_operation(OPERATIONS[name], channels, 1)
    if OPERATIONS[name].parametric:
        return built
    return nn.Sequential(built, nn.BatchNorm2d(channels)) if OPERATIONS[name].kind != "skip" else built


@dataclass(frozen=True)
class Digits:
    """Images for w, for α, and for judging, each (pixels, labels)."""

    weights: tuple[Tensor, Tensor]
    alpha: tuple[Tensor, Tensor]
    judge: tuple[Tensor, Tensor]


def digits(count: int, seed: int) -> Digits:
    """``count`` images for w and as many for α; the validation images judge."""
    held = load("digits", resolution=8, train=2 * count, validation=800, seed=seed)
    order = np.random.default_rng((seed, TOY_ENUMERATION)).permutation(2 * count)

    def tensors(split: Any, chosen: Any) -> tuple[Tensor, Tensor]:
        pixels = (torch.tensor(split.images[chosen]).float() / 255 - held.mean[0]) / held.std[0]
        return pixels, torch.tensor(split.labels[chosen])

    return Digits(
        tensors(held.train, order[:count]), tensors(held.train, order[count:]), tensors(held.validation, slice(None))
    )


def batches(data: tuple[Tensor, Tensor], size: int, rng: np.random.Generator) -> list[tuple[Tensor, Tensor]]:
    """An epoch in a random order."""
    order = torch.from_numpy(rng.permutation(len(data[1])))
    return [(data[0][order[i : i + size]], data[1][order[i : i + size]]) for i in range(0, len(order), size)]


def judged(net: Cell, data: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """Accuracy and mean loss."""
    net.eval()
    with torch.no_grad():
        logits = net(data[0])
    net.train()
    accuracy = float((logits.argmax(1) == data[1]).double().mean())
    return accuracy, float(functional.cross_entropy(logits, data[1]))


def trained(network: Network, data: Digits, seed: int, args: argparse.Namespace) -> float:
    """Accuracy of one of the 64, trained on the images of w."""
    net = Cell(args.operations, args.channels, network, seed)
    recipe = Recipe(batch=args.batch)
    optimizer = torch.optim.SGD(net.weights(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    rng = np.random.default_rng((seed, TOY_ENUMERATION, NETWORKS.index(network)))
    per_epoch = -(-len(data.weights[1]) // args.batch)
    for step in range(args.epochs * per_epoch):
        if step % per_epoch == 0:
            left = batches(data.weights, args.batch, rng)
        _rate(optimizer, learning_rate(recipe, step, args.epochs * per_epoch))
        pixels, labels = left[step % per_epoch]
        optimizer.zero_grad()
        functional.cross_entropy(net(pixels), labels).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.weights(), recipe.clip)
        optimizer.step()
    return judged(net, data.judge)[0]


def searched(update: Update, data: Digits, seed: int, args: argparse.Namespace) -> tuple[Network, float, float]:
    """The network a rule ends with; the supernet's loss on the judging and on its training images."""
    net = Cell(args.operations, args.channels, None, 1000 + seed)
    recipe = Recipe(batch=args.batch)
    weights = net.weights()
    optimizer = torch.optim.SGD(weights, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    adam = torch.optim.Adam([net.alpha], lr=args.arch_lr, betas=(0.5, 0.999), weight_decay=1e-3)
    rng = np.random.default_rng((seed, TOY_SEARCH))
    with torch.no_grad():
        net.alpha.copy_(torch.from_numpy(1e-3 * rng.standard_normal(tuple(net.alpha.shape))))
    per_epoch = -(-len(data.weights[1]) // args.batch)
    for step in range(args.epochs * per_epoch):
        if step % per_epoch == 0:
            own, others = batches(data.weights, args.batch, rng), batches(data.alpha, args.batch, rng)
        rate = learning_rate(recipe, step, args.epochs * per_epoch)
        _rate(optimizer, rate)
        train, validation = _loss(net, own[step % per_epoch]), _loss(net, others[step % per_epoch])
        problem = Problem(weights=weights, alphas=[net.alpha], betas=[], train=train, validation=validation)

        def step_alpha(problem: Problem = problem, rate: float = rate) -> None:
            (net.alpha.grad,) = direction(update, problem, lam=args.lam, rate=rate)
            adam.step()

        if not weights_first(update):
            step_alpha()
        for weight, slope in zip(weights, torch.autograd.grad(train(), weights), strict=True):
            weight.grad = slope
        nn.utils.clip_grad_norm_(weights, recipe.clip)
        optimizer.step()
        if weights_first(update):
            step_alpha()
    found = tuple(net.alpha.argmax(1).tolist())
    return found, judged(net, data.judge)[1], judged(net, data.weights)[1]


def _loss(net: Cell, batch: tuple[Tensor, Tensor]) -> Callable[[], Tensor]:
    return lambda: functional.cross_entropy(net(batch[0]), batch[1])


def _rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--operations", nargs=2, default=["max_pool_3x3", "conv_3x3"])
    parser.add_argument("--images", type=int, default=200, help="for w, and as many for α")
    parser.add_argument("--channels", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--arch-lr", type=float, default=0.01)
    parser.add_argument("--lam", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3, help="seeds of every one of the 64 networks")
    parser.add_argument("--seeds", type=int, default=20, help="searches of every rule")
    parser.add_argument("--updates", nargs="+", choices=UPDATES, default=list(UPDATES))


def run(args: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    data = digits(args.images, 0)
    truth = {n: [trained(n, data, seed, args) for seed in range(args.repeats)] for n in NETWORKS}
    means = {network: statistics.fmean(values) for network, values in truth.items()}
    noise = statistics.fmean(statistics.stdev(v) if len(v) > 1 else 0.0 for v in truth.values())
    ranked = sorted(means, key=lambda network: -means[network])
    found = {update: _searches(update, means, data, args) for update in args.updates}
    return {
        "name": "toy_bilevel",
        "best": "".join(map(str, ranked[0])),
        "best_accuracy": means[ranked[0]],
        "median_accuracy": statistics.median(means.values()),
        "worst_accuracy": means[ranked[-1]],
        "deviation_over_seeds": noise,
        "settings": json.dumps({name: value for name, value in vars(args).items() if name not in ("json", "updates")}),
        "rows": [_row(update, searches, ranked) for update, searches in found.items()],
        "order": verdicts(found),
    }


@dataclass(frozen=True)
class Searches:
    """What a rule ended with, by seed: networks, regret in points, judging loss, gap of losses; and seconds of each."""

    networks: list[Network]
    regret: list[float]
    loss: list[float]
    gap: list[float]
    seconds: float


def _searches(update: Update, means: dict[Network, float], data: Digits, args: argparse.Namespace) -> Searches:
    began = time.process_time()
    results = [searched(update, data, seed, args) for seed in range(args.seeds)]
    seconds = (time.process_time() - began) / args.seeds
    best = max(means.values())
    return Searches(
        networks=[network for network, _, _ in results],
        regret=[100 * (best - means[network]) for network, _, _ in results],
        loss=[loss for _, loss, _ in results],
        gap=[loss - own for _, loss, own in results],
        seconds=seconds,
    )


def _row(update: Update, searches: Searches, ranked: list[Network]) -> dict[str, Any]:
    low, high = np.quantile(_resampled(searches.regret), (0.025, 0.975))
    return {
        "update": update,
        "found_best": sum(network == ranked[0] for network in searches.networks),
        "found_top_8": sum(network in ranked[:8] for network in searches.networks),
        "searches": len(searches.networks),
        "median_rank": statistics.median(1 + ranked.index(network) for network in searches.networks),
        "mean_regret_points": round(statistics.fmean(searches.regret), 3),
        "regret_95": f"[{low:.2f}, {high:.2f}]",
        "judging_loss": round(statistics.fmean(searches.loss), 4),
        "loss_gap": round(statistics.fmean(searches.gap), 4),
        "cpu_seconds": round(searches.seconds, 2),
    }


def verdicts(found: Mapping[Update, Searches]) -> list[dict[str, Any]]:
    """For every claim about rules that were run: the paired difference, its 95 % interval, and what it says."""
    rows = []
    for claim, measure, smaller, larger in CLAIMS:
        if smaller not in found or larger not in found:
            continue
        pairs = zip(getattr(found[larger], measure), getattr(found[smaller], measure), strict=True)
        margins = [more - less for more, less in pairs]
        low, high = np.quantile(_resampled(margins), (0.025, 0.975))
        verdict = "reproduced" if low > 0 else "contradicted" if high < 0 else "undecided"
        margin = round(statistics.fmean(margins), 4)
        rows.append({"claim": claim, "margin": margin, "margin_95": f"[{low:.4f}, {high:.4f}]", "verdict": verdict})
    return rows


def _resampled(values: Sequence[float], draws: int = 4000) -> np.ndarray[Any, np.dtype[np.float64]]:
    rng = np.random.default_rng(0)
    means: np.ndarray[Any, np.dtype[np.float64]] = rng.choice(values, (draws, len(values))).mean(axis=1)
    return means
