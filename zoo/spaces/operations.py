"""The vocabulary of cell operations: what each name means, for the networks and for the closed-form cost."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["none", "skip", "avg_pool", "max_pool", "conv", "sep_conv", "dil_conv", "rect_conv"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a cell: its kind and its square kernel's side in pixels (0 where it has none)."""

    name: str
    kind: Kind
    kernel: int

    @property
    def parametric(self) -> bool:
        """Whether the operation has weights at stride 1 (a strided skip has: it is a factorized reduce)."""
        return self.kind in ("conv", "sep_conv", "dil_conv", "rect_conv")


def _table() -> dict[str, Operation]:
    rows: list[tuple[str, Kind, int]] = [
        ("none", "none", 0),
        ("skip_connect", "skip", 0),
        ("avg_pool_3x3", "avg_pool", 3),
        ("max_pool_3x3", "max_pool", 3),
        ("max_pool_5x5", "max_pool", 5),
        ("max_pool_7x7", "max_pool", 7),
        ("conv_1x1", "conv", 1),
        ("conv_3x3", "conv", 3),
        ("sep_conv_3x3", "sep_conv", 3),
        ("sep_conv_5x5", "sep_conv", 5),
        ("sep_conv_7x7", "sep_conv", 7),
        ("dil_conv_3x3", "dil_conv", 3),
        ("dil_conv_5x5", "dil_conv", 5),
        ("conv_1x3_3x1", "rect_conv", 3),
        ("conv_1x7_7x1", "rect_conv", 7),
    ]
    return {name: Operation(name, kind, kernel) for name, kind, kernel in rows}


OPERATIONS: dict[str, Operation] = _table()
"""Every operation a cell genotype may name; any one search space uses a part of them."""
