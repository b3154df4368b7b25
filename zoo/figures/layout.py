"""Where the parts of a drawn cell go: nodes in columns by depth, and lines around what they pass.

A small version of Sugiyama's layered drawing (1981). A node's column is one more than its deepest source's. A
source that is read further right passes through the columns between, on a stream of its own, so that no line
crosses a box. Items of a column are ordered by the mean height of what they are connected to, in a few sweeps
in both directions, and the calmest of the layouts met on the way is kept. Nothing is random.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.spaces.genotype import INPUTS, Cell

Spot = tuple[float, float]  # x, y in pixels

TAG = 25.0  # the label of an operation's source
OPERATION_WIDTH, OPERATION_HEIGHT = 112.0, 20.0
LINK = 12.0  # between a node and its operations
NODE = 24.0
BLOCK = OPERATION_WIDTH + LINK + NODE  # a column's width
BOX = 40.0  # inputs
_GAP = 42.0  # between columns, for the curves
_BETWEEN, _WITHIN, _PITCH = 14.0, 5.0, 12.0  # items of a column, operations of a node, lines into the output
_SWEEPS = 6

_Item = tuple[int, int]  # (node, column): the node itself, or its stream through that column


@dataclass(frozen=True, slots=True)
class Wire:
    """A source's line from one column to the next; `through`: it goes on along its stream there."""

    source: int
    start: Spot
    stop: Spot
    through: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Coordinates in pixels, origin at the top left.

    Attributes:
        nodes: for inputs and nodes, the middle of their right side.
        operations: for every node, the middle of the left side of each of its operations.
        output: middle of the left side of the concatenation.
    """

    width: float
    height: float
    nodes: dict[int, Spot]
    operations: dict[int, list[Spot]]
    output: Spot
    output_height: float
    wires: list[Wire]


def layout(cell: Cell) -> Layout:
    """Place the parts of `cell`."""
    graph = _Graph.of(cell)
    heights = _calmest(graph)
    shift = -min(y - graph.size(item) / 2 for item, y in heights.items())
    heights = {item: y + shift for item, y in heights.items()}
    total = max(y + graph.size(item) / 2 for item, y in heights.items())
    return _placed(graph, heights, total)


@dataclass(frozen=True, slots=True)
class _Graph:
    """The cell with its columns; the output is one more node, whose sources are the concatenated ones."""

    sources: dict[int, list[int]]
    column: dict[int, int]
    output: int
    columns: list[list[_Item]]

    @classmethod
    def of(cls, cell: Cell) -> "_Graph":
        sources = {n: [e.source for e in edges] for n, edges in enumerate(cell.nodes, start=INPUTS)}
        output = INPUTS + len(cell.nodes)
        column = dict.fromkeys(range(INPUTS), 0)
        for node, read in sources.items():
            column[node] = 1 + max(column[source] for source in read)
        column[output] = 1 + max(column.values())
        sources[output] = list(cell.concat)
        last = dict(column)
        for node, read in sources.items():
            for source in read:
                last[source] = max(last[source], column[node] - 1)
        columns: list[list[_Item]] = [[] for _ in range(column[output] + 1)]
        for node, first in column.items():
            for place in range(first, last[node] + 1):
                columns[place].append((node, place))
        return cls(sources, column, output, columns)

    def is_lane(self, item: _Item) -> bool:
        return item[1] > self.column[item[0]]

    def size(self, item: _Item) -> float:
        """Height of an item."""
        if self.is_lane(item):
            return 2.0
        if item[0] < INPUTS:
            return 26.0
        count = len(self.sources[item[0]])
        if item[0] == self.output:
            return max(34.0, _PITCH * (count + 1))
        return count * (OPERATION_HEIGHT + _WITHIN) - _WITHIN

    def before(self, item: _Item) -> list[_Item]:
        """What an item is connected to in the column on its left."""
        node, place = item
        if place == 0:
            return []
        return [(node, place - 1)] if self.is_lane(item) else [(s, place - 1) for s in self.sources[node]]

    def after(self) -> dict[_Item, list[_Item]]:
        """What every item is connected to in the column on its right."""
        readers: dict[_Item, list[_Item]] = {item: [] for items in self.columns for item in items}
        for item in list(readers):
            for source in self.before(item):
                readers[source].append(item)
        return readers


def _calmest(graph: _Graph) -> dict[_Item, float]:
    """Heights (the middle of every item) of the layout whose lines climb least, of all that the sweeps meet."""
    heights = {item: 0.0 for items in graph.columns for item in items}
    after = graph.after()
    before = {item: graph.before(item) for item in heights}
    _place(graph, graph.columns[0], heights, {item: float(item[0]) for item in graph.columns[0]})
    best, least = heights, float("inf")
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        neighbours = before if forward else after
        for items in graph.columns[1:] if forward else graph.columns[-2::-1]:
            wanted = {item: _mean([heights[n] for n in neighbours[item]], heights[item]) for item in items}
            _place(graph, items, heights, wanted)
        climb = _climb(before, heights)
        if climb < least:
            best, least = dict(heights), climb
    return best


def _climb(before: Mapping[_Item, Sequence[_Item]], heights: Mapping[_Item, float]) -> float:
    """Total height the lines climb, and a price for every two of them that cross."""
    wires = [(item[1], heights[s], heights[item]) for item, found in before.items() for s in found]
    crossings = sum(a[0] == b[0] and (a[1] - b[1]) * (a[2] - b[2]) < 0 for i, a in enumerate(wires) for b in wires[:i])
    return sum(abs(stop - start) for _, start, stop in wires) + 40.0 * crossings


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _place(graph: _Graph, items: Sequence[_Item], heights: dict[_Item, float], wanted: Mapping[_Item, float]) -> None:
    """Put a column's items in the order of the heights they want, as near to those as they fit.

    Least squares under minimal distances: neighbours that would overlap merge into groups, which settle at
    their mean (isotonic regression by pooling).
    """
    order = sorted(items, key=lambda item: (round(wanted[item], 3), item))
    offsets, offset = [], 0.0
    for i, item in enumerate(order):
        if i:
            offset += (graph.size(order[i - 1]) + graph.size(item)) / 2 + _BETWEEN
        offsets.append(offset)
    groups: list[tuple[float, int]] = []  # sum of wanted minus offset, members
    for item, offset in zip(order, offsets, strict=True):
        total, count = wanted[item] - offset, 1
        while groups and groups[-1][0] / groups[-1][1] >= total / count:
            more, members = groups.pop()
            total, count = total + more, count + members
        groups.append((total, count))
    starts = [total / count for total, count in groups for _ in range(count)]
    for item, start, offset in zip(order, starts, offsets, strict=True):
        heights[item] = start + offset


def _placed(graph: _Graph, heights: Mapping[_Item, float], total: float) -> Layout:
    """Coordinates of everything, from the heights of the items."""

    def left(place: int) -> float:
        return BOX + _GAP + (place - 1) * (BLOCK + _GAP)

    def right(place: int) -> float:
        return BOX if place == 0 else left(place) + BLOCK

    nodes: dict[int, Spot] = {}
    operations: dict[int, list[Spot]] = {}
    wires = []
    for item, y in heights.items():
        node, place = item
        if graph.is_lane(item):
            start = (right(place - 1), heights[node, place - 1])
            wires.append(Wire(node, start, (left(place), y), through=True))
            continue
        nodes[node] = (right(place), y)
        if place == 0:
            continue
        pitch = _PITCH if node == graph.output else OPERATION_HEIGHT + _WITHIN
        read = graph.sources[node]
        order = sorted(range(len(read)), key=lambda i: (heights[read[i], place - 1], i))
        spots: list[Spot] = [(0.0, 0.0)] * len(read)
        for rank, i in enumerate(order):
            spots[i] = (left(place), y + (rank - (len(read) - 1) / 2) * pitch)
            wires.append(Wire(read[i], (right(place - 1), heights[read[i], place - 1]), spots[i], through=False))
        operations[node] = spots
    end = graph.column[graph.output]
    output = (left(end), nodes.pop(graph.output)[1])
    operations.pop(graph.output)
    size = graph.size((graph.output, end))
    return Layout(left(end) + BOX + 8, total, nodes, operations, output, size, wires)
