"""One description of chain networks: stem, layers of equal choices, head; and what every layer receives and makes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

Activation = Literal["relu", "relu6", "hswish"]


@dataclass(frozen=True, slots=True)
class Block:
    """An inverted bottleneck as a choice: hidden channels per input channel, kernel, squeeze-excitation."""

    expansion: int
    kernel: int
    excited: bool = False

    def __str__(self) -> str:
        return f"{self.expansion}-{self.kernel}{'S' if self.excited else ''}"


Choice = Block | None
"""What a layer may be; None is a skip."""

SKIP_NAME = "I"


@dataclass(frozen=True, slots=True)
class Stage:
    """Consecutive layers that make maps of one width; the first of them may have a stride."""

    width: int
    layers: int
    stride: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """What one layer receives and makes where no skip changes it.

    Attributes:
        inputs: channels of the layer before, whose multiples are the blocks' hidden channels.
        width: channels it makes.
        stride: of its depthwise convolution, and of a skip.
    """

    inputs: int
    width: int
    stride: int

    @property
    def keeps_shape(self) -> bool:
        """Whether blocks have a shortcut here, and a skip changes nothing."""
        return self.stride == 1 and self.inputs == self.width


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A family of networks: every layer is one of the same choices.

    A skip of a ``projecting`` chain is a 1×1 convolution with normalisation where the shape changes. In other chains
    it keeps the incoming channels and takes every second pixel where the layer has a stride; the next block's first
    convolution reads those channels, its hidden channels stay what they are without the skip (Eq. 3-4, Chu 2019).

    Attributes:
        name: of the space.
        stem: channels of the first 3×3 convolution.
        stem_stride: its stride.
        separable: channels of the separable convolution that follows; 0 for none.
        stages: of the searched layers.
        choices: of every layer, at most one of them a skip.
        head: channels of the last 1×1 convolution.
        activation: inside the blocks.
        outer: activation of stem, separable convolution and head.
        projecting: what a skip is, see above.
        resolution: pixels a side it is made for.
    """

    name: str
    stem: int
    stem_stride: int
    separable: int
    stages: tuple[Stage, ...]
    choices: tuple[Choice, ...]
    head: int
    activation: Activation
    outer: Activation
    projecting: bool
    resolution: int

    @property
    def skip(self) -> int | None:
        """The number of the choice that is a skip, None where there is none."""
        return self.choices.index(None) if None in self.choices else None

    @property
    def entry(self) -> int:
        """Channels that the first searched layer receives."""
        return self.separable or self.stem

    @property
    def layers(self) -> tuple[LayerPlan, ...]:
        """Every searched layer, in order."""
        plans, inputs = [], self.entry
        for stage in self.stages:
            for place in range(stage.layers):
                stride = stage.stride if place == 0 else 1
                plans.append(LayerPlan(inputs=inputs, width=stage.width, stride=stride))
                inputs = stage.width
        return tuple(plans)

    @property
    def starts(self) -> tuple[int, ...]:
        """The layer every stage starts at, and the number of layers."""
        starts = [0]
        for stage in self.stages:
            starts.append(starts[-1] + stage.layers)
        return tuple(starts)

    def scaled(self, stem: int) -> "Chain":
        """The chain with all channels in the ratio that makes the stem's ``stem``; rounded, ties up, at least 1."""
        ratio = stem / self.stem

        def times(width: int) -> int:
            return max(1, math.floor(width * ratio + 0.5)) if width else 0

        return replace(
            self,
            stem=stem,
            separable=times(self.separable),
            stages=tuple(replace(stage, width=times(stage.width)) for stage in self.stages),
            head=times(self.head),
        )

    def text(self, choices: Sequence[int]) -> str:
        """Layers as ``expansion-kernel``, S for squeeze-excitation, I for a skip; a bar between stages."""
        names = [SKIP_NAME if self.choices[c] is None else str(self.choices[c]) for c in choices]
        starts = self.starts
        return "|".join(",".join(names[a:b]) for a, b in pairwise(starts))

    def choices_of(self, text: str) -> tuple[int, ...]:
        """The choices that :meth:`text` writes as ``text``; spaces make no difference.

        Raises:
            ValueError: for text of another form.
        """
        numbers = {SKIP_NAME if choice is None else str(choice): number for number, choice in enumerate(self.choices)}
        plain = "".join(text.split())
        choices = tuple(numbers.get(name, -1) for name in plain.replace("|", ",").split(","))
        if -1 in choices or len(choices) != self.starts[-1] or self.text(choices) != plain:
            raise ValueError(
                f"{text[:100]!r} is not a chain of {self.name!r}: {self.starts[-1]} layers like "
                f"{next(str(c) for c in self.choices if c)}, separated by commas, stages by bars"
            )
        return choices

    def function(self, choices: tuple[int, ...]) -> str:
        """Equal only where two chains are the same network.

        Every stage's first choice, then its other choices without the skips: those layers are alike, so that a
        skip's place among them makes no difference.
        """
        skip, starts, parts = self.skip, self.starts, []
        for start, stop in pairwise(starts):
            kept = (choices[start], *(choice for choice in choices[start + 1 : stop] if choice != skip))
            parts.append("".join(_DIGITS[choice] for choice in kept))
        return "-".join(parts)


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

_PLAIN = tuple(Block(expansion, kernel) for expansion in (3, 6) for kernel in (3, 5, 7))
_EXCITED = tuple(Block(block.expansion, block.kernel, True) for block in _PLAIN)
_WIDTHS = ((32, 2), (40, 4), (80, 4), (96, 4), (192, 4), (320, 1))  # §3.1 of the supplement, Chu 2019


def _scarlet(name: str, choices: tuple[Choice, ...], resolution: int, stem_stride: int, strides: str) -> Chain:
    return Chain(
        name=name,
        stem=32,
        stem_stride=stem_stride,
        separable=16,
        stages=tuple(Stage(*shape, int(stride)) for shape, stride in zip(_WIDTHS, strides, strict=True)),
        choices=choices,
        head=1280,
        activation="hswish",
        outer="relu6",
        projecting=False,
        resolution=resolution,
    )


# S1: o = (x - 3) + (y - 3)/2 for expansion x and kernel y, 6 the skip.
# S2: o, 6 + o with squeeze-excitation, 12 the skip.
_S1, _S2 = (*_PLAIN, None), (*_PLAIN, *_EXCITED, None)

CHAINS: dict[str, Chain] = {
    chain.name: chain
    for chain in (
        _scarlet("scarlet-s1", _S1, 224, 2, "222121"),
        _scarlet("scarlet-s2", _S2, 224, 2, "222121"),
        # Ours: for 32 pixels, with half as many strides before the widest layers
        _scarlet("scarlet-s1-cifar", _S1, 32, 1, "122121"),
        _scarlet("scarlet-s2-cifar", _S2, 32, 1, "122121"),
        Chain(  # Su et al. 2021
            name="nas-bench-macro",
            stem=32,
            stem_stride=1,
            separable=0,
            stages=(Stage(64, 2, 2), Stage(128, 3, 2), Stage(256, 3, 2)),
            choices=(None, Block(3, 3), Block(6, 5)),
            head=1280,
            activation="relu",
            outer="relu",
            projecting=True,
            resolution=32,
        ),
    )
}
"""Every family of chain networks by name."""


def chain_of(name: str) -> Chain:
    """The chain of a space.

    Raises:
        ValueError: if there is none; names those there are.
    """
    if name not in CHAINS:
        raise ValueError(f"unknown chain space {name[:100]!r}, expected one of {', '.join(CHAINS)}")
    return CHAINS[name]
