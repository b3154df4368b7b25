"""How many kernels a GPU launches for a training step of co-trained networks, counted on tensors without numbers.

A step of small networks takes a GPU about as long as its launches, so their number is what an engine for it can be
judged by where there is no GPU. Every operator that is not a view counts as one launch, but for these, which are
counted as torch 2.x does them: batch normalisation is three; stacks and concatenations take 128 tensors at a time;
operators on lists take 64 tensors, or 320 pieces of 65,536 numbers, at a time.

Two columns say how much of the work fills such a GPU: of normalisations, which are a block a channel, and of the
products that give weights' gradients, which are a block per 64 by 64 weights, however many images they sum over.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks._pairs import RECIPE, genotypes, proxy_skeleton
from zoo.networks.cell_network import CellNetwork
from zoo.spaces import CELL_SPACES
from zoo.training import Precision
from zoo.training.cotraining import make_program
from zoo.training.step import train_step

LARGEST = 12  # kinds of kernels that are listed
PROCESSORS, TILE, LONG = 132, 64, 4  # of an H100 or H200; a block's output; how much longer a sum is than it is wide
STACKED, LISTED, PIECES, PIECE = 128, 64, 320, 65_536
NONE = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "_unsafe_view", "lift_fresh", "device"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", nargs="+", choices=sorted(CELL_SPACES), default=["econas-search", "econas-zoo"])
    parser.add_argument("--networks", type=int, nargs="+", default=[1, 28], metavar="K", help="co-trained (1 28)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="bfloat16")


def run(args: argparse.Namespace) -> dict[str, Any]:
    rows, kinds = [], list[dict[str, Any]]()
    for space in args.space:
        for count in args.networks:
            counted = traced(space, count, args.dtype)
            found, total = counted.found, counted.found.total()
            row = {"space": space, "networks": count, "kernels": total, "a_network": round(total / count)}
            rows.append(row | {name: round(share, 3) for name, share in counted.filling().items()})
            listed = ", ".join(f"{name} {number}" for name, number in found.most_common(LARGEST))
            kinds.append({"space": space, "networks": count, "most": listed})
    return {"name": "kernels", "rows": rows, "kinds": kinds, "dtype": args.dtype, "images": RECIPE.batch}


def launches(space: str, count: int, dtype: str = "bfloat16") -> Counter[str]:
    """Kernels of a step of ``count`` random networks at c4r4, by operator."""
    return traced(space, count, dtype).found


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
