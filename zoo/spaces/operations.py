"""Operations: one row for each, with all that is known of it: facts for the spaces, its cost, its colour in drawings.

The modules of the operations of this package are built in :mod:`zoo.networks.operations`, by kind. An installed package
adds an operation by an entry point of the group ``thriftnas.operations``: its name is that of the operation, its object
an :class:`Operation` of the kind "other".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from zoo import plugins

ADDED_OPERATIONS = "thriftnas.operations"

Kind = Literal["none", "skip", "avg_pool", "max_pool", "conv", "sep_conv", "dil_conv", "rect_conv", "other"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one image costs: multiply-accumulates of convolutions and linear layers, and trainable parameters.

    One multiplication with one addition is one MAC; normalisation, activation and pooling are not counted,
    as in torch's flop counter (which counts two per MAC).
    """

    macs: int
    params: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.macs + other.macs, self.params + other.params)


Price = Callable[[int, int, int], Cost]
"""(channels, pixels a side of what is read, stride) to the cost; a stride of 2 halves the side, which is even."""

Build = Callable[[int, int], Any]
"""(channels, stride) to a module: (B, channels, H, W) -> (B, channels, H/stride, W/stride)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of a cell.

    Attributes:
        name: as genotypes have it.
        kind: what it is; "other" for an operation that another package adds.
        kernel: side of its square kernel in pixels, 0 where it has none.
        price: the rule of its cost. Required: an operation without one is refused, for it would seem to cost nothing.
        build: makes its module, as a function or as the text "module:function", which is imported when a network is
            built, so that the row needs no torch. Its weights must be those of Conv2d, Linear and BatchNorm2d, which is
            what networks know how to initialise. None for the kinds of this package.
        tint: its colour in drawings, as "#rrggbb".
        parametric: whether it has weights at stride 1 (a strided skip has: it is a factorized reduce). One that has
            none is a function of its input alone, by which spaces tell that two cells compute the same.
    """

    name: str
    kind: Kind = "other"
    kernel: int = 0
    price: Price | None = None
    build: Build | str | None = None
    tint: str = "#ece6f5"
    parametric: bool = True

    def cost(self, channels: int, resolution: int, stride: int) -> Cost:
        """Cost on ``channels`` maps of ``resolution``² pixels; a stride of 2 halves the resolution, which must be even.

        Raises:
            ValueError: for an operation without a rule of its cost.
        """
        if self.price is None:
            raise ValueError(f"the operation {self.name!r} has no cost rule, expected one: it must not seem free")
        return self.price(channels, resolution, stride)


# ---------------------------------------------------------------- what operations cost: pixels are those of the output


def _nothing(channels: int, resolution: int, stride: int) -> Cost:
    return Cost(0, 0)


def _skip(channels: int, resolution: int, stride: int) -> Cost:
    return Cost(0, 0) if stride == 1 else pointwise_cost(channels, channels, resolution // stride)


def _conv(k: int, c: int, resolution: int, stride: int) -> Cost:
    return Cost(c * c * k * k * (resolution // stride) ** 2, c * c * k * k + 2 * c)


def _sep_conv(k: int, c: int, resolution: int, stride: int) -> Cost:
    """Depthwise, pointwise, norm; twice."""
    return Cost(2 * (c * k * k + c * c) * (resolution // stride) ** 2, 2 * (c * k * k + c * c + 2 * c))


def _dil_conv(k: int, c: int, resolution: int, stride: int) -> Cost:
    return Cost((c * k * k + c * c) * (resolution // stride) ** 2, c * k * k + c * c + 2 * c)


def _rect_conv(k: int, c: int, resolution: int, stride: int) -> Cost:
    """The first of the two convolutions still has the full height."""
    return Cost(c * c * k * (resolution // stride) ** 2 * (stride + 1), 2 * c * c * k + 2 * c)


def pointwise_cost(inputs: int, outputs: int, resolution: int) -> Cost:
    """A 1×1 convolution (or a factorized reduce, which costs the same) and its norm, for maps of ``resolution``²."""
    return Cost(inputs * outputs * resolution**2, inputs * outputs + 2 * outputs)


# ---------------------------------------------------------------- the rows

_PLAIN, _POOL, _CONV = "#ffffff", "#fdf1d6", "#e3eefa"


def _pool(name: str, kind: Kind, kernel: int) -> Operation:
    return Operation(name=name, kind=kind, kernel=kernel, price=_nothing, tint=_POOL, parametric=False)


def _convolution(name: str, kind: Kind, kernel: int, rule: Callable[[int, int, int, int], Cost]) -> Operation:
    return Operation(name=name, kind=kind, kernel=kernel, price=partial(rule, kernel), tint=_CONV)


_ROWS = (
    Operation(name="none", kind="none", price=_nothing, tint=_PLAIN, parametric=False),
    Operation(name="skip_connect", kind="skip", price=_skip, tint=_PLAIN, parametric=False),
    _pool("avg_pool_3x3", "avg_pool", 3),
    _pool("max_pool_3x3", "max_pool", 3),
    _pool("max_pool_5x5", "max_pool", 5),
    _pool("max_pool_7x7", "max_pool", 7),
    _convolution("conv_1x1", "conv", 1, _conv),
    _convolution("conv_3x3", "conv", 3, _conv),
    _convolution("sep_conv_3x3", "sep_conv", 3, _sep_conv),
    _convolution("sep_conv_5x5", "sep_conv", 5, _sep_conv),
    _convolution("sep_conv_7x7", "sep_conv", 7, _sep_conv),
    _convolution("dil_conv_3x3", "dil_conv", 3, _dil_conv),
    _convolution("dil_conv_5x5", "dil_conv", 5, _dil_conv),
    _convolution("conv_1x3_3x1", "rect_conv", 3, _rect_conv),
    _convolution("conv_1x7_7x1", "rect_conv", 7, _rect_conv),
)


class _Rows(dict[str, Operation]):
    """Operations by name. One that an installed package adds joins when it is first looked up."""

    def __missing__(self, name: str) -> Operation:
        found = self[name] = _added(name)
        return found


OPERATIONS: dict[str, Operation] = _Rows({row.name: row for row in _ROWS})
"""Every operation a cell genotype may name; any one search space uses a part of them. Looking up the name of an added
operation loads it, so ask :func:`known` whether there is one."""

BUILT_IN = tuple(OPERATIONS)
"""The names of the operations of this package, in an order that does not change."""


def known(name: str) -> bool:
    """Whether an operation of this name is here or in an installed package."""
    return name in OPERATIONS or name in plugins.names(ADDED_OPERATIONS)


def names() -> list[str]:
    """All names that :func:`known` knows: those of this package first."""
    return [*BUILT_IN, *(name for name in plugins.names(ADDED_OPERATIONS) if name not in BUILT_IN)]


def _added(name: str) -> Operation:
    """The operation of an installed package.

    Raises:
        ValueError: if there is none of this name, it cannot be loaded, or its row lacks what is required.
    """
    added = plugins.plugin(ADDED_OPERATIONS, name, "operation")
    if added is None:
        raise ValueError(f"unknown operation {name!r}, expected one of {', '.join(names())}")
    found = added.held
    if not isinstance(found, Operation):
        raise ValueError(f"{added.title} must be an Operation, got {type(found).__name__}")
    if (found.name, found.kind) != (name, "other"):
        raise ValueError(
            f"{added.title} must have this name and the kind 'other', got {found.name!r} and {found.kind!r}"
        )
    for field, what in ((found.price, "cost rule"), (found.build, "builder"), (found.tint, "tint")):
        if not field:
            raise ValueError(f"{added.title} has no {what}, expected one")
    return found
