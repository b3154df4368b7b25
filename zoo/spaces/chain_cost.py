"""What chain networks cost, from tables: a whole population in one call, and no network is built."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from zoo.spaces.chain import Block, Chain, Choice, LayerPlan, chain_of
from zoo.spaces.cost import cost
from zoo.spaces.genotype import CellGenotype, ChainGenotype, Genotype
from zoo.spaces.operations import Cost
from zoo.spaces.skeleton import Skeleton

IMAGENET = 224
"""Pixels a side of the chains that are made for ImageNet."""

SQUEEZE = 4
"""Squeeze-excitation's inner channels are a quarter of the hidden ones."""


def squeezed(hidden: int) -> int:
    """Inner channels of squeeze-excitation on ``hidden`` channels."""
    return max(1, hidden // SQUEEZE)


class ChainCosts:
    """MACs per image and parameters of any number of chains at once.

    What a layer costs depends on its choice and on the width of the last layer before it that was no skip, and on
    nothing else; so does the head. One look-up per two layers finds both numbers, packed into one.

    Args:
        chain: the family.
        resolution: pixels a side of an image.
        classes: outputs of the classifier.
        in_channels: colours of an image.
        stabilizers: whether skips are kept as the 1×1 convolutions they are in a supernet.

    Raises:
        ValueError: for networks so large that the two numbers do not fit into 63 bits.
    """

    def __init__(
        self, chain: Chain, resolution: int, classes: int, in_channels: int = 3, *, stabilizers: bool = False
    ) -> None:
        layers, choices = chain.layers, chain.choices
        self.layers, self.choices = len(layers), len(choices)
        sizes = list(
            accumulate([plan.stride for plan in layers], _shrunk, initial=_shrunk(resolution, chain.stem_stride))
        )
        widths = [chain.entry, *(plan.width for plan in layers)]
        costs = {
            (number, choice, origin): _layer(chain, plan, what, widths[origin], sizes[number], stabilizers)
            for number, plan in enumerate(layers)
            for choice, what in enumerate(choices)
            for origin in range(number + 1)
        }
        before = _stem(chain, in_channels, resolution)
        ends = [before + _head(chain, width, sizes[-1], classes) for width in widths]
        self._shift, packed = _packing(list(costs.values()), ends, self.layers)
        even = self.layers + self.layers % 2  # one layer more that costs nothing
        table = np.zeros((even, self.choices, self.layers + 1), dtype=np.int64)
        for place, price in costs.items():
            table[place] = packed(price)
        keeps_width = not chain.projecting and not stabilizers
        # By layer and choice: the place a width comes from afterwards; 0 says that the layer changed nothing.
        places = np.zeros((even, self.choices), dtype=np.intp)
        for number, choice in np.ndindex(self.layers, self.choices):
            places[number, choice] = 0 if choices[choice] is None and keeps_width else number + 1
        self._table, self._places = _paired(table, places)
        self._ends = np.array([packed(end) for end in ends])
        self._rows = (np.arange(even // 2) * self.choices**2)[:, None]

    def __call__(self, choices: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """MACs per image and parameters, both int64 (P,), of the chains ``choices`` (P, layers).

        Raises:
            ValueError: for another shape or a choice that does not exist.
        """
        given = np.asarray(choices)
        if given.ndim != 2 or given.shape[1] != self.layers:
            raise ValueError(f"expected choices (population, {self.layers}), got {given.shape}")
        chosen = np.zeros((2 * len(self._rows), len(given)), dtype=np.intp)  # every layer is a row
        chosen[: self.layers] = given.T
        if chosen.size and chosen.view(np.uintp).max() >= self.choices:
            raise ValueError(f"expected choices 0 to {self.choices - 1}, got {given.min()} to {given.max()}")
        pairs = chosen[::2] * self.choices
        pairs += chosen[1::2]
        pairs += self._rows
        after: NDArray[np.intp] = np.maximum.accumulate(self._places.take(pairs), axis=0)
        pairs *= self.layers + 1
        pairs[1:] += after[:-1]
        total = np.add.reduce(self._table.take(pairs), axis=0)
        total += self._ends.take(after[-1])
        return total >> self._shift, total & ((1 << self._shift) - 1)

    def of(self, genotype: ChainGenotype) -> Cost:
        """The cost of one chain."""
        macs, params = self(np.array([genotype.choices]))
        return Cost(int(macs[0]), int(params[0]))


def scaled_chain(space: str, skeleton: Skeleton) -> Chain:
    """The chain a skeleton describes: its ``channels`` are the stem's, ``cells`` say nothing.

    Raises:
        ValueError: for a space that is not of chain networks.
    """
    return chain_of(space).scaled(skeleton.channels)


def chain_skeleton(space: str) -> Skeleton:
    """The skeleton a chain is published on: all its channels, its own resolution, 1000 classes at 224 pixels.

    Raises:
        ValueError: as :func:`scaled_chain`.
    """
    chain = chain_of(space)
    classes = 1000 if chain.resolution == IMAGENET else 10
    return Skeleton(channels=chain.stem, cells=chain.starts[-1], resolution=chain.resolution, classes=classes)


def sized_skeleton(space: str, **sizes: int | None) -> Skeleton:
    """The skeleton a chain is published on, with other sizes where they are given.

    Raises:
        ValueError: as :func:`scaled_chain`, or for sizes that a skeleton cannot have.
    """
    return replace(chain_skeleton(space), **{name: size for name, size in sizes.items() if size is not None})  # type: ignore[arg-type]


def chain_cost(genotype: ChainGenotype, skeleton: Skeleton, *, stabilizers: bool = False) -> Cost:
    """MACs per image and parameters of one chain network on a skeleton; see :func:`scaled_chain`."""
    chain = scaled_chain(genotype.space, skeleton)
    costs = ChainCosts(chain, skeleton.resolution, skeleton.classes, skeleton.in_channels, stabilizers=stabilizers)
    return costs.of(genotype)


def network_cost(genotype: Genotype, skeleton: Skeleton) -> Cost:
    """The cost of the network that any genotype but a supernet's builds on ``skeleton``.

    Raises:
        ValueError: for a supernet.
    """
    if isinstance(genotype, ChainGenotype):
        return chain_cost(genotype, skeleton)
    if isinstance(genotype, CellGenotype):
        return cost(genotype, skeleton)
    raise ValueError(f"expected one network, got a supernet of {genotype.space!r}")


def _paired(table: NDArray[np.int64], places: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The tables of two layers each, flat: by pair, choice, choice, (and origin)."""
    between = places[::2][:, :, None]  # where the second layer's width comes from, if not from before the pair
    origins = np.maximum(between, np.arange(table.shape[2]))  # (pairs, choices, origins)
    pairs, choices = origins.shape[:2]
    second = table[1::2][np.arange(pairs)[:, None, None, None], np.arange(choices)[:, None], origins[:, :, None, :]]
    costs = table[::2][:, :, None, :] + second  # (pairs, choices, choices, origins)
    return costs.reshape(-1), np.maximum(between, places[1::2][:, None, :]).reshape(-1)


def _packing(costs: list[Cost], ends: list[Cost], layers: int) -> tuple[int, Callable[[Cost], int]]:
    """By how many bits MACs are shifted to make room for any sum of parameters, and the packing."""
    most = [layers * max(getattr(p, f) for p in costs) + max(getattr(e, f) for e in ends) for f in ("macs", "params")]
    shift = most[1].bit_length()
    if most[0].bit_length() + shift > 63:
        raise ValueError(f"these chains cost up to {most[0]:,} MACs, which is more than can be counted")
    return shift, lambda price: price.macs << shift | price.params


def _shrunk(resolution: int, stride: int) -> int:
    return math.ceil(resolution / stride)


def _conv(inputs: int, outputs: int, kernel: int, resolution: int, *, groups: int = 1) -> Cost:
    """A convolution making maps of ``resolution``² pixels, and its normalisation."""
    weights = inputs // groups * outputs * kernel**2
    return Cost(weights * resolution**2, weights + 2 * outputs)


def _layer(chain: Chain, plan: LayerPlan, what: Choice, width: int, resolution: int, stabilizers: bool) -> Cost:
    size = _shrunk(resolution, plan.stride)
    if isinstance(what, Block):
        return _block(plan, what, plan.inputs if chain.projecting or stabilizers else width, resolution, size)
    if chain.projecting and not plan.keeps_shape:
        return _conv(plan.inputs, plan.width, 1, size)
    if stabilizers:
        weights = plan.inputs * plan.width
        return Cost(weights * size**2, weights)
    return Cost(0, 0)


def _block(plan: LayerPlan, block: Block, width: int, resolution: int, size: int) -> Cost:
    hidden = block.expansion * plan.inputs
    total = _conv(width, hidden, 1, resolution)
    total += _conv(hidden, hidden, block.kernel, size, groups=hidden)
    total += _conv(hidden, plan.width, 1, size)
    if block.excited:
        weights = 2 * hidden * squeezed(hidden)
        total += Cost(weights, weights + hidden + squeezed(hidden))
    return total


def _stem(chain: Chain, in_channels: int, resolution: int) -> Cost:
    size = _shrunk(resolution, chain.stem_stride)
    total = _conv(in_channels, chain.stem, 3, size)
    if chain.separable:
        total += _conv(chain.stem, chain.stem, 3, size, groups=chain.stem)
        total += _conv(chain.stem, chain.separable, 1, size)
    return total


def _head(chain: Chain, width: int, resolution: int, classes: int) -> Cost:
    weights = chain.head * classes
    return _conv(width, chain.head, 1, resolution) + Cost(weights, weights + classes)
