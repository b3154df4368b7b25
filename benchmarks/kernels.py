"""How many kernels a GPU launches for a training step of co-trained networks, counted on tensors without numbers.

A step of small networks takes a GPU about as long as its launches, so their number is what an engine for it can be
judged by where there is no GPU. Every operator that is not a view counts as one launch, but for these, which are
counted as torch 2.x does them: batch normalisation is three; stacks and concatenations take 128 tensors at a time;
operators on lists take 64 tensors, or 320 pieces of 65,536 numbers, at a time.
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
            found = launches(space, count, args.dtype)
            total = found.total()
            rows.append({"space": space, "networks": count, "kernels": total, "a_network": round(total / count)})
            listed = ", ".join(f"{name} {number}" for name, number in found.most_common(LARGEST))
            kinds.append({"space": space, "networks": count, "most": listed})
    return {"name": "kernels", "rows": rows, "kinds": kinds, "dtype": args.dtype, "images": RECIPE.batch}


def launches(space: str, count: int, dtype: str = "bfloat16") -> Counter[str]:
    """Kernels of a step of ``count`` random networks at c4r4, by operator."""
    skeleton = proxy_skeleton()
    with torch.device("meta"):
        networks = [CellNetwork(genotype, skeleton) for genotype in genotypes(count, space)]
        images = torch.empty(count, RECIPE.batch, 3, skeleton.resolution, skeleton.resolution)
        labels, rate = torch.empty(count, RECIPE.batch, dtype=torch.long), torch.empty(())
    program = make_program(networks, Precision(dtype=dtype), RECIPE)
    with _Launches() as counted:
        train_step(program, images, labels, RECIPE, rate)
    found: Counter[str] = counted.found
    return found


class _Launches(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what a GPU would launch for the operators inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        if not func.is_view and name not in NONE:
            self.found[name] += _launches_of(name, args)
        return func(*args, **(kwargs or {}))


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
