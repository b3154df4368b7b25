"""Monitors: numbers that show how a search is doing; :mod:`milenas.history.warnings` reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from milenas.supernet.config import KINDS
from milenas.supernet.derivation import depth
from milenas.supernet.supernet import Supernet
from milenas.supernet.topology import penalty
from milenas.training.updates import Loss
from zoo.spaces.genotype import Cell, CellGenotype
from zoo.spaces.operations import OPERATIONS

ITERATIONS = 12


@dataclass(frozen=True, slots=True)
class CellSize:
    """What a derived cell consists of: edges with weights, skip connections, edges, longest path in operations."""

    convs: int
    skips: int
    edges: int
    depth: int


def cell_size(cell: Cell) -> CellSize:
    """Count a cell; a strided skip connection counts as a skip connection."""
    kinds = [OPERATIONS[edge.op] for _, edge in cell.edges()]
    return CellSize(
        convs=sum(kind.parametric for kind in kinds),
        skips=sum(kind.kind == "skip" for kind in kinds),
        edges=len(kinds),
        depth=depth(cell),
    )


def size_metrics(genotype: CellGenotype) -> dict[str, float]:
    """:class:`CellSize` of both cells, by names such as ``convs_normal``."""
    metrics: dict[str, float] = {}
    for kind, cell in zip(KINDS, (genotype.normal, genotype.reduction), strict=True):
        size = cell_size(cell)
        metrics |= {f"{name}_{kind}": getattr(size, name) for name in size.__slots__}
    return metrics


@torch.no_grad()
def architecture_metrics(supernet: Supernet) -> dict[str, float]:
    """How undecided α and β are, and what invalid topologies β pays for.

    Entropies are means over edges (α) and nodes that choose (β), as shares of the largest possible: 1 is uniform,
    0 decided.
    """
    metrics: dict[str, float] = {}
    for kind in KINDS:
        rows = list(supernet.alpha(kind))
        metrics[f"alpha_entropy_{kind}"] = _entropy(rows)
        beta = supernet.beta(kind)
        if beta is not None:
            topology = supernet.shape.cell
            metrics[f"beta_entropy_{kind}"] = _entropy(torch.split(beta, topology.sizes))
            metrics[f"penalty_{kind}"] = penalty(topology, beta).item()
    return metrics


def _entropy(logits: Sequence[Tensor]) -> float:
    shares = []
    for row in logits:
        if len(row) > 1:
            logs = row.double().log_softmax(0)
            shares.append(float(-(logs.exp() * logs).sum()) / log(len(row)))
    return sum(shares) / len(shares) if shares else 0.0


def dominant_eigenvalue(loss: Loss, alphas: Sequence[Tensor], generator: torch.Generator) -> float:
    """The eigenvalue of largest size of ∇²_α ``loss``, by power iteration on products with the Hessian.

    Zela et al. 2020 found cells to be bad where it grows. ``generator``, a CPU one, draws the first vector.
    """
    slopes = torch.autograd.grad(loss(), list(alphas), create_graph=True)
    flat = torch.cat([slope.flatten() for slope in slopes])
    vector = torch.randn(flat.numel(), generator=generator).to(flat)
    value = 0.0
    for _ in range(ITERATIONS):
        vector = vector / vector.norm()
        product = torch.autograd.grad(flat @ vector, list(alphas), retain_graph=True)
        turned = torch.cat([part.flatten() for part in product])
        value = float(turned @ vector)
        if not turned.any():
            return 0.0
        vector = turned
    return value
