"""Planning: several cell networks as one list of layers, in which work of the same shape is one layer."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import nn

from zoo.networks.cell_network import CellModule, CellNetwork
from zoo.networks.engine.layers import Auxiliary, Block, Classifier, Layer, Node, Nothing, Pool, Stack
from zoo.networks.engine.liveness import last_reads, peak
from zoo.networks.engine.parameter_buffer import ParameterBuffer, Slot
from zoo.networks.engine.pieces import Piece, Size, is_product, pieces
from zoo.networks.engine.stages import (
    Depthwise,
    Matrix,
    Ordinary,
    Pointwise,
    Stage,
    Strided,
    largest_matrix,
)
from zoo.networks.engine.tap_products import TapProducts
from zoo.networks.operations import Zero
from zoo.networks.taps import Window
from zoo.spaces.genotype import CellGenotype
from zoo.spaces.operations import BUILT_IN


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One piece of work of one network: what it reads, the value it makes, and how it becomes a layer.

    Attributes:
        owner: number of the network.
        needs: the values it reads.
        target: the value it makes.
        shape: tasks of equal shape become one layer; one with None stands alone.
        make: their layer.
        piece: what a block does.
        masks: of every value it reads, the number of the term that path dropout may drop, or None.
        light: whether it costs little: what unlocks others comes first.
    """

    owner: int
    needs: Sequence[int]
    target: int
    shape: Hashable
    make: Callable[[Sequence["Task"]], Layer]
    piece: Piece | None = None
    masks: Sequence[int | None] = ()
    light: bool = False

    @property
    def group(self) -> Hashable:
        """Equal for tasks that may be one layer."""
        return self.target if self.shape is None else self.shape


def grouped(tasks: Iterable[Task]) -> list[list[Task]]:
    """The tasks that may be one layer together, in the order of the first of each."""
    groups: dict[Hashable, list[Task]] = {}
    for task in tasks:
        groups.setdefault(task.group, []).append(task)
    return list(groups.values())


def strangers(genotype: CellGenotype) -> list[str]:
    """The operations of a genotype that a program does not know: those that another package adds."""
    used = {edge.op for cell in (genotype.normal, genotype.reduction) for _, edge in cell.edges()}
    return sorted(used - set(BUILT_IN))


MEMBERS = 1024
"""At most so many members has a layer."""

CACHE = 1 << 20
"""Bytes of a CPU core's second-level cache, about."""


def room_on(device: torch.device, dtype: torch.dtype, batch: int) -> float:
    """Values per image that the members of a layer may have together.

    On a GPU as many as there are: few large launches. On a CPU what fits in a core's cache with a batch of images:
    larger layers save calls, but lose more to memory (`python -m benchmarks cotrain`).
    """
    return math.inf if device.type != "cpu" else CACHE / dtype.itemsize / batch


class Plan:
    """The layers of K networks, and the numbers of their values.

    What no output depends on is left out: nodes nobody reads, cells nobody reads, ``none`` edges.

    Args:
        networks: built on skeletons with the same cells, resolution and classes.
        parameter buffer: where their weights are to live; not open yet.
        room: values per image that the members of one layer may have together; see :func:`room_on`.

    Raises:
        ValueError: for no networks, skeletons that differ, or operations that :func:`strangers` names.
    """

    def __init__(self, networks: Sequence[CellNetwork], buffer: ParameterBuffer, room: float) -> None:
        if len({network.skeleton for network in networks}) != 1:
            raise ValueError("networks that run as one program must have one skeleton")
        for network in networks:
            for name in strangers(network.genotype):
                raise ValueError(f"a program does not know the operation {name!r}, expected {', '.join(BUILT_IN)}")
        self._networks, self._buffer, self._room = networks, buffer, room
        self._skeleton = networks[0].skeleton
        self._shapes: list[tuple[int, Size]] = []  # channels and size of every value
        self._tasks: list[Task] = []
        self.layers: list[Layer] = []
        self.products = TapProducts(buffer.compute, buffer.device, together=math.isinf(room))
        side = self._skeleton.resolution
        self.images = [self._value(self._skeleton.in_channels, (side, side)) for _ in networks]
        self.masks: list[list[int]] = [[] for _ in networks]  # a network's droppable terms, as forward meets them
        self._terms = 0
        self.logits, self.auxiliaries = self._lay_out()
        self.last_reads = last_reads(self.layers, [*self.logits, *self.auxiliaries])

    @property
    def small(self) -> bool:
        """Whether layers are no larger than a cache."""
        return math.isfinite(self._room)

    @property
    def held(self) -> int:
        """Numbers an image that a forward pass holds at most, about, where it drops what is not read any more."""
        sizes = [channels * rows * columns for channels, (rows, columns) in self._shapes]
        return peak(self.layers, self.last_reads, self.images, sizes.__getitem__)

    def _lay_out(self) -> tuple[list[int], list[int]]:
        before = [self._chain(owner, network.stem, self.images[owner]) for owner, network in self._numbered()]
        previous = [
            before[owner] if network.stem_2 is None else self._chain(owner, network.stem_2, before[owner])
            for owner, network in self._numbered()
        ]
        stages = [[self._taken()]]  # parts of networks on maps of one size, in order
        heads = list(previous)
        size = self._shapes[previous[0]][1]  # of the maps that the next cell reads
        for position in range(self._skeleton.cells):
            if position in self._skeleton.reductions:
                size = (-(-size[0] // 2), -(-size[1] // 2))
                stages.append([])
            for owner, network in self._numbered():
                cell = network.cells[position]
                assert isinstance(cell, CellModule)
                made = self._cell(owner, cell, before[owner], previous[owner], size)
                before[owner], previous[owner] = previous[owner], made
                if position == self._skeleton.reductions[-1]:
                    heads[owner] = made
            stages[-1].append(self._taken())
        auxiliaries = [
            self._auxiliary(owner, network.auxiliary, heads[owner])
            for owner, network in self._numbered()
            if network.auxiliary is not None
        ]
        logits = [self._classifier(owner, network.classifier, previous[owner]) for owner, network in self._numbered()]
        stages[-1].append(self._taken())
        self._activated = {
            need
            for stage in stages
            for part in stage
            for task in part
            if task.piece is not None and task.piece.active
            for need in task.needs
        }
        needed = reachable([task for stage in stages for part in stage for task in part], [*logits, *auxiliaries])
        for stage in stages:
            self._flush_stage([[task for task in part if task.target in needed] for part in stage])
        return logits, auxiliaries

    def _taken(self) -> list[Task]:
        """The tasks since the last call: what may run together in all networks."""
        tasks, self._tasks = self._tasks, []
        return tasks

    def _numbered(self) -> Iterator[tuple[int, CellNetwork]]:
        return iter(enumerate(self._networks))

    # ------------------------------------------------------------ modules to tasks

    def _cell(self, owner: int, cell: CellModule, before: int, previous: int, size: Size) -> int:
        states = [
            self._chain(owner, cell.preprocess_0, before),
            self._chain(owner, cell.preprocess_1, previous),
        ]
        width = self._shapes[states[1]][0]
        for sources, operations in zip(cell.sources, cell.nodes, strict=True):
            terms: list[tuple[int, int | None]] = []
            for source, operation in zip(sources, operations, strict=True):  # type: ignore[call-overload]
                term = None if isinstance(operation, nn.Identity) else self._term(owner)
                if not isinstance(operation, Zero):
                    terms.append((self._chain(owner, operation, states[source]), term))
            states.append(self._node(owner, terms) if terms else self._nothing(owner, width, size))
        return self._stack(owner, [states[node] for node in cell.concat])

    def _term(self, owner: int) -> int:
        """A number for a term that path dropout may drop."""
        self.masks[owner].append(self._terms)
        self._terms += 1
        return self._terms - 1

    def _chain(self, owner: int, module: nn.Module, source: int) -> int:
        """Tasks of an operation's module; returns the value it makes."""
        if isinstance(module, nn.Identity):
            return source
        size = self._shapes[source][1]
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            return self._pool(owner, module, source)
        for piece in pieces(module, size):
            target = self._value(piece.norm.num_features, piece.out)
            self._tasks.append(Task(owner, [source], target, ("block", piece.shape), self._block, piece))
            source = target
        return source

    def _pool(self, owner: int, module: nn.MaxPool2d | nn.AvgPool2d, source: int) -> int:
        channels, size = self._shapes[source]
        kernel, stride, padding = ((int(n), int(n)) for n in (module.kernel_size, module.stride, module.padding))  # type: ignore[arg-type]
        window = Window(size, kernel, stride, padding, (1, 1))
        kind = "max" if isinstance(module, nn.MaxPool2d) else "average"
        target = self._value(channels, window.out)

        def make(tasks: Sequence[Task]) -> Layer:
            return Pool([task.needs[0] for task in tasks], [task.target for task in tasks], window, kind)

        self._tasks.append(Task(owner, [source], target, ("pool", kind, window, channels), make))
        return target

    def _node(self, owner: int, terms: Sequence[tuple[int, int | None]]) -> int:
        needs, masks = zip(*terms, strict=True)
        channels, size = self._shapes[needs[0]]
        target = self._value(channels, size)

        def make(tasks: Sequence[Task]) -> Layer:
            found = [list(zip(task.needs, task.masks, strict=True)) for task in tasks]
            return Node(found, [task.target for task in tasks])

        shape = ("node", len(terms), channels, size)
        self._tasks.append(Task(owner, needs, target, shape, make, masks=masks, light=True))
        return target

    def _stack(self, owner: int, nodes: Sequence[int]) -> int:
        (channels, size), count = self._shapes[nodes[0]], len(nodes)
        target = self._value(count * channels, size)

        def make(tasks: Sequence[Task]) -> Layer:
            return Stack([task.needs for task in tasks], [task.target for task in tasks])

        self._tasks.append(Task(owner, nodes, target, ("stack", count, channels, size), make, light=True))
        return target

    def _nothing(self, owner: int, width: int, size: Size) -> int:
        target, images = self._value(width, size), self.images[owner]
        layer = Nothing(images, width, size[0] * size[1], target)
        self._tasks.append(Task(owner, [images], target, None, lambda _: layer, light=True))
        return target

    def _auxiliary(self, owner: int, head: nn.Module, source: int) -> int:
        slots = {name: self._buffer.slot([parameter], [owner]) for name, parameter in head.named_parameters()}
        target = self._value(self._skeleton.classes, (1, 1))
        layer = Auxiliary(source, target, head, slots, self._shapes[source][1])
        self._tasks.append(Task(owner, [source], target, None, lambda _: layer, light=True))
        return target

    def _classifier(self, owner: int, linear: nn.Linear, source: int) -> int:
        target = self._value(linear.out_features, (1, 1))

        def make(tasks: Sequence[Task]) -> Layer:
            owners = [task.owner for task in tasks]
            linears = [self._networks[number].classifier for number in owners]
            weights = self._buffer.slot([one.weight for one in linears], owners)
            biases = self._buffer.slot([one.bias for one in linears], owners)
            return Classifier([task.needs[0] for task in tasks], [task.target for task in tasks], weights, biases)

        shape = ("classifier", linear.in_features, self._shapes[source][1])
        self._tasks.append(Task(owner, [source], target, shape, make))
        return target

    # ------------------------------------------------------------ tasks to layers

    def _value(self, channels: int, size: Size) -> int:
        self._shapes.append((channels, size))
        return len(self._shapes) - 1

    def _flush_stage(self, parts: Sequence[Sequence[Task]]) -> None:
        """Turn parts into layers, side by side for as many networks as a layer of one block each has room for.

        The others follow: all networks in step would push each other's maps out of the cache from layer to layer.
        """
        blocks = [task for part in parts for task in part if task.piece is not None]
        together = max(map(self._members, blocks), default=MEMBERS)
        for first in range(0, len(self._networks), together):
            for part in parts:
                self._flush([task for task in part if first <= task.owner < first + together])

    def _flush(self, waiting: Sequence[Task]) -> None:
        """Turn tasks into layers: of what can run, whatever has one shape runs together."""
        while waiting:
            missing = {task.target for task in waiting}
            ready = [task for task in waiting if not missing.intersection(task.needs)]
            groups = self._next(grouped(ready), waiting)
            for tasks in groups:
                members = self._members(tasks[0])
                self.layers += [tasks[i].make(tasks[i : i + members]) for i in range(0, len(tasks), members)]
            done = {task.target for tasks in groups for task in tasks}
            waiting = [task for task in waiting if task.target not in done]

    def _next(self, ready: Sequence[list[Task]], waiting: Sequence[Task]) -> Sequence[list[Task]]:
        """Which of the groups that can run do so now.

        Where layers are small anyway, all, in waves; what is light first, because it unlocks more. Where they may be
        as large as they can, the shape of which the greatest part of what is left can run: the others wait for more
        of theirs (as agenda-based batching does, Neubig 2017, with another measure).
        """
        if self.small:
            return [tasks for tasks in ready if tasks[0].light] or ready
        left = Counter(task.group for task in waiting)
        return [max(ready, key=lambda tasks: (len(tasks) / left[tasks[0].group], len(tasks)))]

    def _members(self, task: Task) -> int:
        """How many tasks like this one may be one layer."""
        values = max(
            channels * rows * columns
            for channels, (rows, columns) in (self._shapes[number] for number in (task.target, task.needs[0]))
        )
        return max(1, int(min(self._room / values, MEMBERS)))

    def _block(self, tasks: Sequence[Task]) -> Layer:
        """One block of all tasks, ordered so that equal depthwise kernels lie side by side.

        Where layers are as large as they can, what is read through a ReLU comes first: the way back through it is then
        one launch on a part of them.
        """
        first = () if self.small else self._activated
        tasks = sorted(tasks, key=lambda task: (task.target not in first, [w[1:] for w in windows_of(task)]))
        found = [task.piece for task in tasks if task.piece is not None]
        owners = [task.owner for task in tasks]
        if found[0].halves:
            stages: list[Stage] = [self._halves(found, owners)]
        else:
            stages = [self._stage(i, found, owners) for i in range(len(found[0].convs))]
        rows, columns = found[0].out
        norm = self._buffer.norm([piece.norm for piece in found], owners, rows * columns)
        sources, targets = [task.needs[0] for task in tasks], [task.target for task in tasks]
        return Block(sources, targets, found[0].active, stages, norm, sources[0] in self.images)

    def _stage(self, place: int, found: Sequence[Piece], owners: Sequence[int]) -> Stage:
        """The stage that the ``place``-th convolutions of all pieces are."""
        convs, windows = [piece.convs[place] for piece in found], [piece.windows[place] for piece in found]
        first, window = convs[0], windows[0]
        if is_product(first, window):
            members = zip(windows, convs, owners, strict=True)
            runs = [(kind, list(run)) for kind, run in groupby(members, key=lambda member: member[0])]
            slots = [(self._slot([c for _, c, _ in run], [o for *_, o in run]), kind) for kind, run in runs]
            return Depthwise(slots, self.products)
        slot = self._slot(convs, owners)
        if first.kernel_size == (1, 1) and first.groups == 1:  # torch's strided kernel may be wrong: see convolution.py
            return Pointwise(slot) if window.size == window.out else Strided([(slot, 0)], window.size, window.stride[0])
        dtype, device = self._buffer.compute, self._buffer.device
        if first.groups == 1 and window.pixels * window.out_pixels <= largest_matrix(device, dtype):
            return Matrix(slot, window, dtype, device)
        return Ordinary(slot, window, first.groups)

    def _halves(self, found: Sequence[Piece], owners: Sequence[int]) -> Stage:
        slots = [self._slot([piece.convs[i] for piece in found], owners) for i in range(len(found[0].convs))]
        shifts = (0, 1)[-len(slots) :]  # the first half may have no channels
        return Strided(list(zip(slots, shifts, strict=True)), found[0].windows[0].size, 2)

    def _slot(self, convs: Sequence[nn.Conv2d], owners: Sequence[int]) -> Slot:
        return self._buffer.slot([conv.weight for conv in convs], owners)


def windows_of(task: Task) -> Sequence[Window]:
    """Of a block's convolutions."""
    return task.piece.windows if task.piece is not None else ()


def reachable(tasks: Iterable[Task], outputs: Sequence[int]) -> set[int]:
    """Numbers of the values that ``outputs`` depend on."""
    needs = {task.target: task.needs for task in tasks}
    found, stack = set[int](), list(outputs)
    while stack:
        value = stack.pop()
        if value not in found:
            found.add(value)
            stack += needs.get(value, ())  # an image needs nothing
    return found
