"""How many kernels a GPU launches for a training step of co-trained networks, counted on tensors without numbers.

A step of small networks takes a GPU about as long as its launches, so their number is what an engine for it can be
judged by where there is no GPU. Every operator that is not a view counts as one launch, but for these, which are
counted as torch 2.x does them: batch normalisation is three; stacks and concatenations take 128 tensors at a time;
operators on lists take 64 tensors, or 320 pieces of 65,536 numbers, at a time.

Two columns say how much of the work fills such a GPU: of normalisations, which are a block a channel, and of the
products that give weights' gradients, which are a block per 64 by 64 weights, however many images they sum over.

What the host does once a stage while the device waits is timed here: building networks, planning their program, and
checkpoints. Seconds are a network's, medians of ``--rounds``.
"""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks._pairs import RECIPE, genotypes, proxy_skeleton
from zoo.networks.cell_network import CellNetwork, build_network
from zoo.spaces import CELL_SPACES
from zoo.training import Precision
from zoo.training.checkpoint import save_checkpoint
from zoo.training.cotraining import make_program, store_momenta
from zoo.training.step import train_step
from zoo.training.trainer import make_optimizer

LARGEST = 12  # kinds of kernels that are listed
PROCESSORS, TILE, LONG = 132, 64, 4  # of an H100 or H200; a block's output; how much longer a sum is than it is wide
STACKED, LISTED, PIECES, PIECE = 128, 64, 320, 65_536
NONE = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "_unsafe_view", "lift_fresh", "device"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", nargs="+", choices=sorted(CELL_SPACES), default=["econas-search", "econas-zoo"])
    parser.add_argument("--networks", type=int, nargs="+", default=[1, 28], metavar="K", help="co-trained (1 28)")
    parser.add_argument("--rounds", type=int, default=5, help="of what the host does")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if args.rounds < 1:
        raise ValueError(f"expected at least one round, got {args.rounds}")
    rows, kinds, host = [], list[dict[str, Any]](), list[dict[str, Any]]()
    for space in args.space:
        for count in args.networks:
            counted = traced(space, count, args.dtype)
            found, total = counted.found, counted.found.total()
            row = {"space": space, "networks": count, "kernels": total, "a_network": round(total / count)}
            rows.append(row | {name: round(share, 3) for name, share in counted.filling().items()})
            listed = ", ".join(f"{name} {number}" for name, number in found.most_common(LARGEST))
            kinds.append({"space": space, "networks": count, "most": listed})
            host.append({"space": space, "networks": count} | host_seconds(space, count, args.rounds))
    return {"name": "kernels", "rows": rows, "kinds": kinds, "host": host, "dtype": args.dtype, "images": RECIPE.batch}


def launches(space: str, count: int, dtype: str = "bfloat16") -> Counter[str]:
    """Kernels of a step of ``count`` random networks at c4r4, by operator."""
    return traced(space, count, dtype).found


def host_seconds(space: str, count: int, rounds: int) -> dict[str, float]:
    """What a network and stage costs the host beside training, in seconds."""
    skeleton, kinds, found = proxy_skeleton(), genotypes(count, space), list[tuple[float, ...]]()
    for _ in range(rounds):
        times = [time.perf_counter()]
        networks = [build_network(kind, skeleton, torch.Generator().manual_seed(0)) for kind in kinds]
        times.append(time.perf_counter())
        program = make_program(networks, Precision(), RECIPE)
        times.append(time.perf_counter())
        optimizers = [make_optimizer(network, RECIPE) for network in networks]
        store_momenta(program, optimizers)
        program.close()
        for network, optimizer in zip(networks, optimizers, strict=True):
            save_checkpoint(network, optimizer, 1)
        times.append(time.perf_counter())
        found.append(tuple((after - before) / count for before, after in pairwise(times)))
    names = ("build_s", "plan_s", "checkpoint_s")
    return {name: round(statistics.median(one), 4) for name, one in zip(names, zip(*found, strict=True), strict=True)}


def traced(space: str, count: int, dtype: str) -> "_Launches":
    """A step of ``count`` random networks at c4r4."""
    skeleton = proxy_skeleton()
    with torch.device("meta"):
        networks = [CellNetwork(genotype, skeleton) for genotype in genotypes(count, space)]
        images = torch.empty(count, RECIPE.batch, 3, skeleton.resolution, skeleton.resolution)
        labels, rate = torch.empty(count, RECIPE.batch, dtype=torch.long), torch.empty(())
    program = make_program(networks, Precision(dtype=dtype), RECIPE)
    counted = _Launches()
    with counted:
        train_step(program, images, labels, RECIPE, rate)
    return counted


class _Launches(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what a GPU would launch for the operators inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Counter[str] = Counter()
        self._blocks: dict[str, list[tuple[int, int]]] = {"normalised": [], "gradients": []}

    def filling(self) -> dict[str, float]:
        """Shares of the work of normalisations, and of weights' gradients, in kernels that fill every processor."""
        return {
            name: sum(work for blocks, work in found if blocks >= PROCESSORS) / max(1, sum(work for _, work in found))
            for name, found in self._blocks.items()
        }

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        if not func.is_view and name not in NONE:
            self.found[name] += _launches_of(name, args)
            if name in ("native_batch_norm", "native_batch_norm_backward"):
                maps = args[0]  # or their gradient: (1, rows, elements)
                self._blocks["normalised"].append((maps.shape[1], maps.numel()))
            elif name == "bmm" and (product := _gradient(*args[:2])) is not None:
                self._blocks["gradients"].append(product)
        return func(*args, **(kwargs or {}))


def _gradient(left: Tensor, right: Tensor) -> tuple[int, int] | None:
    """Blocks and multiplications of a product that sums over many images, as weights' gradients do; else None."""
    count, rows, long = left.shape
    columns = right.shape[2]
    if long < LONG * max(rows, columns):
        return None
    return count * -(-rows // TILE) * -(-columns // TILE), count * rows * columns * long


def _launches_of(name: str, args: Sequence[Any]) -> int:
    if name in ("cat", "stack"):
        return -(-len(args[0]) // STACKED)
    if name.startswith("_foreach"):
        return _lists(args[0])
    return 3 if name == "native_batch_norm" else 1


def _lists(tensors: Sequence[Tensor]) -> int:
    """Launches of an operator on lists: as many tensors at a time as fit into the arguments of one kernel."""
    launched = held = pieces = 0
    for tensor in tensors:
        held, pieces = held + 1, pieces - (-tensor.numel() // PIECE)
        if held == LISTED or pieces >= PIECES:
            launched, held, pieces = launched + 1, 0, 0
    return launched + (held > 0)
