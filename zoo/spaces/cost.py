"""MACs and parameters of a genotype in closed form: no network is built, and torch is not needed."""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from zoo.spaces.genotype import INPUTS, Cell, CellGenotype, Edge
from zoo.spaces.operations import BUILT_IN, OPERATIONS, Cost, pointwise_cost
from zoo.spaces.skeleton import CellPlan, Skeleton

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def cost(genotype: CellGenotype, skeleton: Skeleton) -> Cost:
    """MACs per image and parameters of the network that ``genotype`` builds on ``skeleton``.

    Without the auxiliary head, which only training uses. Equal to counting on the built network.
    """
    return cost_table(skeleton).of(genotype)


class CostTable:
    """What everything costs on one skeleton: a genotype's cost is then a sum of entries.

    An edge costs the same wherever its cell is of a kind and its source inside the cell or an input of it; all that
    else depends on the genotype is how many nodes each kind of cell concatenates.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._frames: dict[tuple[int, int], Cost] = {}
        any_plan = list(skeleton.plan(_concatenating(1, 1)))
        normal = [plan for plan in any_plan if not plan.reduction]
        reduction = [plan for plan in any_plan if plan.reduction]
        # By kind of edge: in a normal cell; in a reduction cell, from its inputs and from its nodes.
        self._edges = (
            _EdgePrices([(p.channels, p.resolution, 1) for p in normal]),
            _EdgePrices([(p.channels, p.resolution, 2) for p in reduction]),
            _EdgePrices([(p.channels, p.resolution // 2, 1) for p in reduction]),
        )

    def of(self, genotype: CellGenotype) -> Cost:
        """The cost of one genotype."""
        frame = self._frame(len(genotype.normal.concat), len(genotype.reduction.concat))
        in_normal, from_input, from_node = self._edges
        total = 0
        for edges in genotype.normal.nodes:
            for edge in edges:
                total += in_normal[edge.op]
        for edges in genotype.reduction.nodes:
            for edge in edges:
                total += (from_input if edge.source < INPUTS else from_node)[edge.op]
        return Cost(frame.macs + (total & MACS), frame.params + (total >> BITS))

    def encode(self, genotypes: Sequence[CellGenotype]) -> "NDArray[np.int64]":
        """Genotypes as rows of numbers of table entries, (P, entries), for :meth:`macs` and :meth:`params`.

        A search that keeps its population as such rows changes single numbers in them.

        Raises:
            ValueError: for cells that concatenate too many nodes, or operations that another package adds.
        """
        rows = [self._entries(genotype) for genotype in genotypes]
        width = max(map(len, rows))
        import numpy as np

        return np.array([row + [0] * (width - len(row)) for row in rows], dtype=np.int64)

    def macs(self, codes: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """MACs per image of encoded genotypes, (P,)."""
        macs: NDArray[np.int64] = self._table[0].take(codes).sum(axis=1)
        return macs

    def params(self, codes: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Parameters of encoded genotypes, (P,)."""
        params: NDArray[np.int64] = self._table[1].take(codes).sum(axis=1)
        return params

    @cached_property
    def _table(self) -> "NDArray[np.int64]":
        """(2, entries): 0, the three kinds of edges by operation, then frames by both numbers of concatenated nodes."""
        frames = [self._frame(n, r) for n in range(1, MOST_NODES + 1) for r in range(1, MOST_NODES + 1)]
        edges = [kind.price(name) for kind in self._edges for name in BUILT_IN]
        entries = [Cost(0, 0), *edges, *frames]
        import numpy as np

        return np.array([[entry.macs for entry in entries], [entry.params for entry in entries]], dtype=np.int64)

    def _entries(self, genotype: CellGenotype) -> list[int]:
        normal, reduction = genotype.normal, genotype.reduction
        n, r = len(normal.concat), len(reduction.concat)
        if max(n, r) > MOST_NODES:
            raise ValueError(f"expected cells that concatenate at most {MOST_NODES} nodes, got {max(n, r)}")
        for cell in (normal, reduction):
            for _, edge in cell.edges():
                if edge.op not in _NUMBER:
                    raise ValueError(f"only {', '.join(BUILT_IN)} have numbers here, got {edge.op!r}")
        kinds = len(BUILT_IN)
        return [
            1 + 3 * kinds + (n - 1) * MOST_NODES + r - 1,
            *(1 + _NUMBER[edge.op] for _, edge in normal.edges()),
            *(1 + kinds * (1 + (edge.source >= INPUTS)) + _NUMBER[edge.op] for _, edge in reduction.edges()),
        ]

    def _frame(self, normal: int, reduction: int) -> Cost:
        """Stem, preprocessing and classifier of a network whose cells concatenate so many nodes."""
        found = self._frames.get((normal, reduction))
        if found is None:
            genotype = _concatenating(normal, reduction)
            plans = list(self._skeleton.plan(genotype))
            width = plans[-1].channels * (reduction if plans[-1].reduction else normal)
            classes = self._skeleton.classes
            found = _stem(self._skeleton) + _total(map(_preprocessing, plans))
            found = self._frames[normal, reduction] = found + Cost(width * classes, width * classes + classes)
        return found


class _EdgePrices(dict[str, int]):
    """By operation, what its edges of one kind cost: both numbers in one integer, parameters above MACs.

    So an edge of a genotype is one look-up and one addition.

    Args:
        places: channels, resolution and stride of every cell that has such an edge.
    """

    def __init__(self, places: Sequence[tuple[int, int, int]]) -> None:
        super().__init__()
        self._places = places
        for name in BUILT_IN:
            self.__missing__(name)

    def __missing__(self, name: str) -> int:
        price = _total(OPERATIONS[name].cost(*place) for place in self._places)
        found = self[name] = price.macs + (price.params << BITS)
        return found

    def price(self, name: str) -> Cost:
        """The two numbers of one operation."""
        return Cost(self[name] & MACS, self[name] >> BITS)


BITS = 64
MACS = (1 << BITS) - 1
"""Where an integer that holds parameters and MACs has its MACs."""

MOST_NODES = 8
"""Nodes that an encoded genotype's cells may concatenate."""

_NUMBER = {name: number for number, name in enumerate(BUILT_IN)}


@lru_cache(maxsize=64)
def cost_table(skeleton: Skeleton) -> CostTable:
    """The table of a skeleton; it is made once."""
    return CostTable(skeleton)


def _total(costs: Iterable[Cost]) -> Cost:
    return sum(costs, Cost(0, 0))


def _concatenating(normal: int, reduction: int) -> CellGenotype:
    """Any genotype whose cells concatenate so many nodes."""
    cells = [Cell((_EDGES,) * count, tuple(range(INPUTS, INPUTS + count))) for count in (normal, reduction)]
    return CellGenotype(*cells)


_EDGES = (Edge("none", 0),)


def _preprocessing(plan: CellPlan) -> Cost:
    sources, side = (plan.before_previous, plan.previous), plan.resolution
    return _total(pointwise_cost(source, plan.channels, side) for source in sources)


def _stem(skeleton: Skeleton) -> Cost:
    if skeleton.form == "cifar":
        return _conv3(skeleton.in_channels, skeleton.stem_channels, skeleton.resolution)
    c, r = skeleton.channels, skeleton.resolution
    return _conv3(skeleton.in_channels, c // 2, r // 2) + _conv3(c // 2, c, r // 4) + _conv3(c, c, r // 8)


def _conv3(inputs: int, outputs: int, resolution: int) -> Cost:
    weights = 9 * inputs * outputs
    return Cost(weights * resolution**2, weights + 2 * outputs)
