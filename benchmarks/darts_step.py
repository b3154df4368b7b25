"""One step of a differentiable search against a plain reference: same numbers, how much faster, first and second order.

The reference does what the papers' formulas say: a loop over operations, a multiplication for every operation's weight,
Python's sum, and for second order a copy of the network for the virtual step.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks._pairs import compared, torchs_own
from milenas.supernet.config import KINDS, SupernetConfig
from milenas.supernet.operations import Branch, Norm, Pool
from milenas.supernet.supernet import SearchCell, Supernet, build_supernet
from milenas.training.updates import EPSILON, Problem, direction
from zoo.networks.operations import build_operation
from zoo.spaces.genotype import INPUTS
from zoo.spaces.operations import OPERATIONS
from zoo.spaces.skeleton import Skeleton

RATE, GOAL = 0.025, 2.0


def plain_norm(source: Norm) -> nn.BatchNorm2d:
    """Batch normalisation without parameters, its statistics left alone."""
    return nn.BatchNorm2d(source.channels, affine=False, momentum=0.0)


def without_parameters(module: nn.Module) -> nn.Module:
    """A module with every one of the house's norms as torch's own."""
    for name, child in module.named_children():
        if isinstance(child, Norm):
            setattr(module, name, plain_norm(child))
        elif isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.BatchNorm2d(child.num_features, affine=False, momentum=0.0))
        else:
            without_parameters(child)
    return module


class PlainEdge(nn.Module):
    """All operations of an edge, with the weights of the supernet's own."""

    def __init__(self, cell: SearchCell, edge: int, names: Sequence[str], channels: int, stride: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList()
        for name, term in zip(names, cell.terms[edge], strict=True):
            kind, _, key = term.partition(" ")
            operation = without_parameters(build_operation(OPERATIONS[name], channels, stride))
            if kind == "branch":
                branch = cell.branches[key]
                assert isinstance(branch, Branch)
                operation.load_state_dict(dict(_renamed(operation, branch)), strict=False)
            elif kind == "pool":
                pool = cell.pools[key]
                assert isinstance(pool, Pool)
                operation = nn.Sequential(operation, plain_norm(pool.norm))
            self.operations.append(operation)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:  # (B, C, H, W), (operations,) -> (B, C, H', W')
        out: Tensor = sum(weight * operation(x) for weight, operation in zip(weights, self.operations, strict=True))
        return out


def _renamed(operation: nn.Module, branch: Branch) -> Iterator[tuple[str, Tensor]]:
    """The convolution weights of a branch under the plain operation's names; both list them in order."""
    wanted = [name for name, _ in operation.named_parameters()]
    return zip(wanted, branch.parameters(), strict=True)


class PlainCell(nn.Module):
    """A search cell, edge by edge."""

    def __init__(self, cell: SearchCell, names: Sequence[str], channels: int) -> None:
        super().__init__()
        self.preprocess = nn.ModuleList(
            without_parameters(copy.deepcopy(module)) for module in (cell.preprocess_0, cell.preprocess_1)
        )
        self.places, self.count = cell.edges, cell.count
        self.edges = nn.ModuleList(
            PlainEdge(cell, i, names, channels, 2 if cell.halves and source < INPUTS else 1)
            for i, (source, _) in enumerate(cell.edges)
        )

    def forward(self, before: Tensor, previous: Tensor, weights: Tensor) -> Tensor:
        states = [self.preprocess[0](before), self.preprocess[1](previous)]
        for node in range(INPUTS, INPUTS + self.count):
            into = [(i, source) for i, (source, target) in enumerate(self.places) if target == node]
            states.append(sum(self.edges[i](states[source], weights[i]) for i, source in into))
        return torch.cat(states[INPUTS:], dim=1)


class PlainSupernet(nn.Module):
    """The reference, from a supernet of the fixed topology."""

    def __init__(self, supernet: Supernet) -> None:
        super().__init__()
        self.stem, self.classifier = copy.deepcopy(supernet.stem), copy.deepcopy(supernet.classifier)
        for module in self.stem.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.0
        plans = list(supernet.skeleton.plan(supernet.shape.full_cells()))
        self.cells = nn.ModuleList(
            PlainCell(cell, supernet.shape.operations, plan.channels)  # type: ignore[arg-type]
            for cell, plan in zip(supernet.cells, plans, strict=True)
        )
        self.reductions = [plan.reduction for plan in plans]
        self.alphas = nn.ParameterList(nn.Parameter(supernet.alpha(kind).detach().clone()) for kind in KINDS)

    def forward(self, x: Tensor) -> Tensor:
        mixed = [alpha.softmax(1) for alpha in self.alphas]
        before = previous = self.stem(x)
        for reduction, cell in zip(self.reductions, self.cells, strict=True):
            before, previous = previous, cell(before, previous, mixed[reduction])
        logits: Tensor = self.classifier(previous.mean(dim=(2, 3)))
        return logits

    def weights(self) -> list[nn.Parameter]:
        """w."""
        apart = {id(alpha) for alpha in self.alphas}
        return [parameter for parameter in self.parameters() if id(parameter) not in apart]


Batch = tuple[Tensor, Tensor]


def plain_loss(net: PlainSupernet, batch: Batch) -> Tensor:
    """Mean cross-entropy."""
    return functional.cross_entropy(net(batch[0]), batch[1])


def plain_first(net: PlainSupernet, train: Batch, validation: Batch) -> list[Tensor]:
    """DARTS first order, then the gradient of w."""
    slopes = _backward(net, plain_loss(net, validation), list(net.alphas))
    _backward(net, plain_loss(net, train), net.weights())
    return slopes


def plain_second(net: PlainSupernet, train: Batch, validation: Batch) -> list[Tensor]:
    """DARTS second order, then the gradient of w."""
    step = _backward(net, plain_loss(net, train), net.weights())
    ahead = copy.deepcopy(net)
    with torch.no_grad():
        for weight, slope in zip(ahead.weights(), step, strict=True):
            weight.sub_(slope, alpha=RATE)
    parameters = [*ahead.alphas, *ahead.weights()]
    found = _backward(ahead, plain_loss(ahead, validation), parameters)
    slopes, outer = found[: len(KINDS)], found[len(KINDS) :]
    radius = EPSILON / torch.cat([slope.flatten() for slope in outer]).norm().item()
    sides: list[list[Tensor]] = []
    for sign in (1, -2, 1):  # there, to the other side, and back
        with torch.no_grad():
            for weight, slope in zip(net.weights(), outer, strict=True):
                weight.add_(slope, alpha=sign * radius)
        if sign != 1 or not sides:
            sides.append(_backward(net, plain_loss(net, train), list(net.alphas)))
    slopes = [s - RATE * (p - m) / (2 * radius) for s, p, m in zip(slopes, *sides, strict=True)]
    _backward(net, plain_loss(net, train), net.weights())
    return slopes


def _backward(net: nn.Module, loss: Tensor, wanted: Sequence[nn.Parameter]) -> list[Tensor]:
    """A full backward pass, as loss.backward() makes it; clones of the gradients asked for."""
    net.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in wanted]


def ours(net: Supernet, train: Batch, validation: Batch, *, second: bool) -> list[Tensor]:
    """The same step as the house takes it."""
    net.track(False)

    def loss(batch: Batch) -> Callable[[], Tensor]:
        return lambda: functional.cross_entropy(net(batch[0]), batch[1])

    weights = net.weights()
    problem = Problem(weights=weights, alphas=net.alphas(), betas=[], train=loss(train), validation=loss(validation))
    slopes = direction("darts2" if second else "darts1", problem, lam=0.0, rate=RATE)
    torch.autograd.grad(problem.train(), weights, allow_unused=True)
    return slopes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--nodes", type=int, default=7, help="of a cell, with inputs and output")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3, help="of both sides in turn, after one to warm up")
    parser.add_argument("--orders", type=int, nargs="+", choices=(1, 2), default=[1, 2])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(args.threads)
    skeleton = Skeleton(channels=args.channels, cells=args.cells, resolution=args.resolution)
    generator = torch.Generator().manual_seed(args.seed)
    net = build_supernet(SupernetConfig(nodes=args.nodes), skeleton, generator, device=args.device)
    plain = torchs_own(PlainSupernet(net)).to(args.device)
    batches = []
    for _ in range(2):
        pixels = torch.randn(args.batch, 3, args.resolution, args.resolution, generator=generator)
        labels = torch.randint(skeleton.classes, (args.batch,), generator=generator)
        pixels = pixels.to(args.device, memory_format=torch.channels_last)
        batches.append((pixels, labels.to(args.device)))
    # both in the faster memory format
    net, plain = net.to(memory_format=torch.channels_last), plain.to(memory_format=torch.channels_last)
    rows = [agreement(order, net, plain, batches) | compare(order, net, plain, batches, args) for order in args.orders]
    sizes = {
        name: getattr(args, name) for name in ("channels", "cells", "nodes", "batch", "resolution", "device", "threads")
    }
    return {"name": "darts_step", **sizes, "rows": rows}


def compare(
    order: int, net: Supernet, plain: PlainSupernet, batches: Sequence[Batch], args: argparse.Namespace
) -> dict[str, Any]:
    """Both sides in turn; medians of seconds, their ratio, and how far the directions of α are apart.

    On CPUs seconds are the process's own, which other processes disturb less.
    """
    clock = time.process_time if args.device == "cpu" else time.perf_counter
    reference = plain_second if order == 2 else plain_first
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    first: dict[str, list[Tensor]] = {}
    for repeat in range(args.repeats + 1):
        for name in seconds:
            began = clock()
            found = reference(plain, *batches) if name == "plain" else ours(net, *batches, second=order == 2)
            if args.device != "cpu":
                torch.cuda.synchronize()
            if repeat:
                seconds[name].append(clock() - began)
            else:  # later, the plain w has drifted: there and back again is not where it was
                first[name] = found
    wanted, got = (torch.cat([slope.flatten() for slope in first[name]]) for name in ("plain", "ours"))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    pairs = compared([seconds], "ours", "plain", GOAL)
    return {
        "order": order,
        "repeats": args.repeats,
        "seconds_plain": round(medians["plain"], 3),
        "seconds_ours": round(medians["ours"], 3),
        "times_faster": pairs["ratio"],
        "low": pairs["low"],
        "high": pairs["high"],
        "difference_float32": float((got - wanted).norm() / wanted.norm()),
    }


def agreement(order: int, net: Supernet, plain: PlainSupernet, batches: Sequence[Batch]) -> dict[str, Any]:
    """How far the two directions of α are apart in float64, on a few of the images."""
    exact, reference = copy.deepcopy(net).double(), copy.deepcopy(plain).double()
    few = [(pixels[:4].double(), labels[:4]) for pixels, labels in batches]
    wanted = torch.cat([s.flatten() for s in (plain_second if order == 2 else plain_first)(reference, *few)])
    got = torch.cat([slope.flatten() for slope in ours(exact, *few, second=order == 2)])
    return {"difference_float64": float((got - wanted).norm() / wanted.norm())}
