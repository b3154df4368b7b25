"""Layers: what a program is made of. Each does the same-shaped work of all its networks at once, there and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from zoo.networks.engine.parameter_buffer import EPS, NormSlot, Slot
from zoo.networks.engine.passes import Pass
from zoo.networks.engine.rows import Row, added
from zoo.networks.engine.stages import Stage
from zoo.networks.taps import Window


class Layer(Protocol):
    """One step of a program: reads values of a run and writes others; on the way back the same for gradients."""

    @property
    def sources(self) -> Sequence[int]:
        """The values it reads."""
        ...

    @property
    def targets(self) -> Sequence[int]:
        """The values it writes."""
        ...

    def forward(self, run: Pass) -> None:
        """Compute and write the layer's values."""
        ...

    def backward(self, run: Pass) -> None:
        """Take their gradients, write the weights' and send the inputs'."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """ReLU where there is one, linear stages, batch normalisation: M blocks of one shape.

    Attributes:
        sources, targets: values read and written, one a block.
        active: whether the ReLUs of the sources are read.
        stages: the linear maps in order.
        norm: the normalisation of what comes out.
        root: whether nobody wants the sources' gradients: they are images.
    """

    sources: Sequence[int]
    targets: Sequence[int]
    active: bool
    stages: Sequence[Stage]
    norm: NormSlot
    root: bool = False

    def forward(self, run: Pass) -> None:
        x = run.read(self.sources, self.active)
        kept: list[Any] = []
        for stage in self.stages:
            x, saved = stage.forward(x)
            if run.training:
                kept.append(saved)
            del saved  # or it would be held until the next stage has ended
        if run.training:
            run.saved[id(self)] = kept, x
            run.write(self.targets, self._normalised(x))
        else:
            run.write(self.targets, self._folded(x))

    def backward(self, run: Pass) -> None:
        """Back through the norm and the stages, last first."""
        kept, x = run.saved.pop(id(self))
        gradient = self._through_norm(run.gradients(self.targets), x)
        for number in reversed(range(len(self.stages))):
            need = number > 0 or not self.root
            below = self.stages[number].backward(gradient, kept[number], need)
            if below is not None:
                gradient = below
        if not self.root:
            run.send(self.sources, gradient, self.active)

    def _normalised(self, x: Tensor) -> Tensor:
        """Rows of P · N values to mean 0 and variance 1, then scaled and shifted.

        A group normalisation of one example with as many groups as rows is exactly that, in a single pass: on a
        CPU it is several times as fast as torch's batch normalisation (`python -m benchmarks layout`). On a GPU it
        does not take float32 weights for bfloat16 values.
        """
        slot, (m, c, pixels, images) = self.norm, x.shape
        rows, length = m * c, pixels * images
        values = x.view(1, rows, length)
        if x.device.type == "cpu":
            y, mean, inverse = torch.native_group_norm(values, slot.weight, slot.bias, 1, rows, length, rows, EPS)
        else:
            y, mean, inverse = torch.native_batch_norm(values, slot.weight, slot.bias, None, None, True, 0.0, EPS)
        slot.note(mean, inverse)
        return y.view(x.shape)

    def _through_norm(self, gradient: Tensor, x: Tensor) -> Tensor:
        slot, (m, c, pixels, images) = self.norm, x.shape
        shape = (1, m * c, pixels * images)
        below, weight, bias = torch.ops.aten.native_batch_norm_backward(
            gradient.reshape(shape), x.view(shape), slot.weight, None, None, slot.mean, slot.inverse, True, EPS,
            (True, True, True),
        )  # fmt: skip
        slot.weights.put(weight)
        slot.biases.put(bias)
        result: Tensor = below.view(x.shape)
        return result

    def _folded(self, x: Tensor) -> Tensor:
        """With the running statistics: one scale and one shift a channel."""
        slot = self.norm
        scale = slot.weight * (slot.running_var + EPS).rsqrt()
        shift = slot.bias - slot.running_mean * scale
        broad = (x.shape[0], x.shape[1], 1, 1)
        return x.mul_(scale.to(x.dtype).view(broad)).add_(shift.to(x.dtype).view(broad))


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """M pools of one shape, by torch's kernels: pixels by images is what they call channels-last, and vectorise."""

    sources: Sequence[int]
    targets: Sequence[int]
    window: Window
    kind: str  # max or average

    def forward(self, run: Pass) -> None:
        x = self._maps(run.read(self.sources, active=False), self.window.size)
        w = self.window
        if self.kind == "max":
            y, saved = torch.ops.aten.max_pool2d_with_indices(x, w.kernel, w.stride, w.padding)
        else:
            y, saved = torch.ops.aten.avg_pool2d(x, w.kernel, w.stride, w.padding, False, False), None
        if run.training:
            run.saved[id(self)] = x, saved
        run.write(self.targets, self._rows(y))

    def backward(self, run: Pass) -> None:
        """By torch's kernels again."""
        x, saved = run.saved.pop(id(self))
        w, above = self.window, self._maps(run.gradients(self.targets), self.window.out)
        if self.kind == "max":
            below = torch.ops.aten.max_pool2d_with_indices_backward(
                above, x, w.kernel, w.stride, w.padding, (1, 1), False, saved
            )
        else:
            below = torch.ops.aten.avg_pool2d_backward(above, x, w.kernel, w.stride, w.padding, False, False, None)
        run.send(self.sources, self._rows(below), active=False)

    def _maps(self, values: Tensor, size: tuple[int, int]) -> Tensor:
        """(M, C, P, N) to (M · C, N, H, W), the same memory."""
        m, channels, _, images = values.shape
        return values.reshape(m * channels, *size, images).permute(0, 3, 1, 2)

    def _rows(self, maps: Tensor) -> Tensor:
        """(M · C, N, H, W) to (M, C, P, N), the same memory."""
        rows = maps.permute(0, 2, 3, 1).flatten(1, 2)
        return rows.view(len(self.sources), -1, *rows.shape[1:])


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """M nodes of equally many terms: their sums.

    Attributes:
        terms: of every node (number of the value, number of the term's mask or None).
        targets: the sums.
    """

    terms: Sequence[Sequence[tuple[int, int | None]]]
    targets: Sequence[int]

    @property
    def sources(self) -> Sequence[int]:
        """The terms' values."""
        return [value for terms in self.terms for value, _ in terms]

    @property
    def passes_on(self) -> bool:
        """Whether nodes are their only terms."""
        return len(self.terms[0]) == 1

    def forward(self, run: Pass) -> None:
        if self.passes_on and not run.masks:
            run.alias(self.targets, self.sources)
        else:
            run.write(self.targets, added([[self._term(run, *term) for term in terms] for terms in self.terms]))

    def backward(self, run: Pass) -> None:
        """Every term gets its node's gradient, masked as the term was."""
        gradients = run.gradients(self.targets)
        for terms in zip(*self.terms, strict=True):  # the first ones of all nodes, the second ones, …
            masks = [run.masks.get(mask) if mask is not None else None for _, mask in terms]
            sent = gradients if masks.count(None) == len(masks) else _masked(gradients, masks)
            run.send([value for value, _ in terms], sent, fresh=sent is not gradients)

    def _term(self, run: Pass, value: int, mask: int | None) -> Row:
        row, factor = run.values[value], run.masks.get(mask) if mask is not None else None
        return row if factor is None else Row((row.tensor * factor).unsqueeze(0), 0, fresh=True)


def _masked(gradients: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
    """(M, C, P, N), each of M multiplied with its mask (N,), where it has one."""
    one = torch.ones((), dtype=gradients.dtype, device=gradients.device)
    factors = torch.stack([(one if mask is None else mask).expand(gradients.shape[3]) for mask in masks])
    return gradients * factors[:, None, None]


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The outputs of M cells of equally many nodes: their channels one after another.

    Attributes:
        nodes: of every cell.
        targets: all channels of each.
    """

    nodes: Sequence[Sequence[int]]
    targets: Sequence[int]

    @property
    def sources(self) -> Sequence[int]:
        """The nodes."""
        return [node for nodes in self.nodes for node in nodes]

    @property
    def passes_on(self) -> bool:
        """Whether cells are their only nodes."""
        return len(self.nodes[0]) == 1

    def forward(self, run: Pass) -> None:
        if self.passes_on:
            run.alias(self.targets, self.sources)
        else:
            run.write(self.targets, run.read(self.sources).view(len(self.targets), -1, *self._map(run)))

    def backward(self, run: Pass) -> None:
        """Every node gets its channels."""
        gradients = run.gradients(self.targets)
        # nobody else holds them: a cell's readers are blocks and heads, which share nothing
        run.send(self.sources, gradients.view(len(self.sources), -1, *self._map(run)))

    def _map(self, run: Pass) -> tuple[int, int]:
        """Pixels and images."""
        pixels, images = run.values[self.sources[0]].made.shape[2:]
        return pixels, images


@dataclass(frozen=True, slots=True, eq=False)
class Nothing:
    """A node that has ``none`` edges only: zeros, for as many images as ``like`` has."""

    like: int
    channels: int
    pixels: int
    target: int

    @property
    def sources(self) -> Sequence[int]:
        """Whose images are counted."""
        return [self.like]

    @property
    def targets(self) -> Sequence[int]:
        """The zeros."""
        return [self.target]

    def forward(self, run: Pass) -> None:
        like = run.values[self.like].made
        run.write(self.targets, like.new_zeros(1, self.channels, self.pixels, like.shape[3]))

    def backward(self, run: Pass) -> None:
        """Zeros depend on nothing."""
        run.gradients(self.targets)


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """Global average pooling and a linear layer: M of one width. Logits are (M, classes, N)."""

    sources: Sequence[int]
    targets: Sequence[int]
    weights: Slot
    biases: Slot

    def forward(self, run: Pass) -> None:
        pooled = run.read(self.sources).mean(dim=2)  # (M, C, N)
        logits = torch.baddbmm(self.biases.weight.unsqueeze(2), self.weights.weight, pooled)
        if run.training:
            run.saved[id(self)] = pooled
        run.write(self.targets, logits)

    def backward(self, run: Pass) -> None:
        """To the maps, alike for all their pixels."""
        pooled = run.saved.pop(id(self))
        gradient = run.gradients(self.targets)
        self.weights.put(torch.bmm(gradient, pooled.transpose(1, 2)))
        self.biases.put(gradient.sum(dim=2))
        below = torch.bmm(self.weights.weight.transpose(1, 2), gradient)  # (M, C, N)
        pixels = run.values[self.sources[0]].made.shape[2]
        run.send(self.sources, (below / pixels).unsqueeze(2).expand(-1, -1, pixels, -1).contiguous())


class Auxiliary:
    """An auxiliary head, run as the module it is; it trains long schedules on large maps, where speed is elsewhere."""

    def __init__(
        self, source: int, target: int, head: nn.Module, slots: dict[str, Slot], size: tuple[int, int]
    ) -> None:
        self.sources, self.targets = [source], [target]
        self._source, self._head = source, head
        self._slots, self._size = slots, size

    def forward(self, run: Pass) -> None:
        if not run.training:
            return
        with torch.enable_grad():
            source = run.values[self._source].tensor
            maps = source.view(source.shape[0], *self._size, source.shape[2])
            maps = maps.permute(3, 0, 1, 2).detach().requires_grad_()
            low = maps.dtype == torch.bfloat16
            with torch.autocast(maps.device.type, torch.bfloat16, enabled=low):
                logits = self._head(maps if low else maps.contiguous())  # (N, classes)
        run.saved[id(self)] = maps, logits
        run.write(self.targets, logits.detach().t().unsqueeze(0))

    def backward(self, run: Pass) -> None:
        """By autograd, from what the forward pass kept."""
        maps, logits = run.saved.pop(id(self))
        names, parameters = zip(*self._head.named_parameters(), strict=True)
        above = run.gradients(self.targets)[0].t().to(logits.dtype)
        below, *slopes = torch.autograd.grad(logits, [maps, *parameters], above)
        for name, slope in zip(names, slopes, strict=True):
            self._slots[name].put(slope.contiguous())
        run.send(self.sources, below.permute(1, 2, 3, 0).flatten(1, 2).contiguous().unsqueeze(0))
