"""Cells: the networks, batches and states that several groups train and compare."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks._gpu.place import Place
from zoo.networks.cell_network import CellNetwork, build_network
from zoo.spaces.cell_space import cell_space
from zoo.spaces.genotype import CellGenotype
from zoo.spaces.skeleton import Skeleton
from zoo.training.captured import CapturedStep
from zoo.training.cotraining import Trained

PAPER = Skeleton(channels=9, cells=20, resolution=8)
"""c4r4: what EcoNAS's search trains."""

TINY = Skeleton(channels=2, cells=2, resolution=4)
"""What a dry run times; what it compares has a third cell, which does not reduce."""

Batch = tuple[Tensor, Tensor]
"""Images (K, b, 3, r, r) and labels (K, b) of K networks."""


def genotypes(count: int, spaces: Sequence[str] = ("econas-search",)) -> list[CellGenotype]:
    """The same random cells in every group, of the spaces in turn."""
    return [cell_space(spaces[seed % len(spaces)]).sample(np.random.default_rng(seed)) for seed in range(count)]


def build(
    networks: Sequence[CellGenotype], skeleton: Skeleton, device: str, dtype: torch.dtype = torch.float32
) -> list[CellNetwork]:
    """The networks with the same weights on every device."""
    return [
        build_network(genotype, skeleton, torch.Generator().manual_seed(seed), device=device, dtype=dtype)
        for seed, genotype in enumerate(networks)
    ]


@lru_cache(maxsize=2)
def built(count: int, skeleton: Skeleton, device: str) -> tuple[list[CellNetwork], float]:
    """So many networks in float32 for timing, made once, and the seconds that took: most of a second for every four."""
    began = time.perf_counter()
    return build(genotypes(count), skeleton, device), time.perf_counter() - began


def batches(networks: int, sizes: Sequence[int], skeleton: Skeleton, dtype: torch.dtype = torch.float32) -> list[Batch]:
    """Batches of these sizes on the CPU; images are a little brighter by class, so that there is something to learn."""
    generator, made = torch.Generator().manual_seed(7), []
    shape = (skeleton.in_channels, skeleton.resolution, skeleton.resolution)
    for size in sizes:
        labels = torch.randint(skeleton.classes, (networks, size), generator=generator)
        images = torch.randn(networks, size, *shape, generator=generator, dtype=torch.float64)
        images += 0.3 * (labels.double()[..., None, None, None] - skeleton.classes / 2)
        made.append((images.to(dtype), labels))
    return made


def placed(found: Iterable[Batch], device: str) -> list[Batch]:
    """Batches on a device."""
    return [(images.to(device), labels.to(device)) for images, labels in found]


def state_of(network: CellNetwork, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights, momenta and statistics in one flat tensor each, on the CPU in float64.

    Statistics come with ``used``, how often they were moved: a module moves those of a node that nobody
    reads, a program does not.
    """
    kinds: dict[str, list[Tensor]] = {"weights": [], "momenta": [], "statistics": [], "used": []}
    for parameter in network.parameters():
        momentum = optimizer.state.get(parameter, {}).get("momentum_buffer")  # none of what is never used
        kinds["weights"].append(parameter.detach())
        kinds["momenta"].append(torch.zeros_like(parameter) if momentum is None else momentum.detach())
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            moved = [
                each for each in (norm.running_mean, norm.running_var, norm.num_batches_tracked) if each is not None
            ]
            kinds["statistics"] += moved
            kinds["used"] += [torch.full_like(each, int(moved[-1])) for each in moved]
    return {kind: torch.cat([part.cpu().double().reshape(-1) for part in parts]) for kind, parts in kinds.items()}


def furthest(got: Sequence[Mapping[str, Tensor]], wanted: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """The largest difference of each kind, by the largest number of that kind in the network."""
    found = dict.fromkeys(("weights", "momenta", "statistics"), 0.0)
    for ours, theirs in zip(got, wanted, strict=True):
        for kind in found:
            apart = (ours[kind] - theirs[kind]).abs()
            if kind == "statistics":
                apart = apart[ours["used"] > 0]
            gap = (apart.max() / theirs[kind].abs().max().clamp_min(1e-300)).item()
            found[kind] = max(found[kind], gap if math.isfinite(gap) else math.inf)
    return found


def fallbacks(place: Place, trained: Iterable[CapturedStep | Trained]) -> dict[str, bool]:
    """What speaks against trainings on a GPU: steps that were launched kernel by kernel, or none that was captured."""
    found = list(trained)
    if not place.cuda:
        return {}
    reasons = {f"steps were eager: {reason}": True for reason in sorted({each.fallback for each in found}) if reason}
    return reasons | {"no step was captured": not any(each.graphs for each in found)}


class Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is dispatched inside, one by one: of a replayed step a handful, of an eager one thousands."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))
