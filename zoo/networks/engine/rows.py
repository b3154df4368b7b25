"""Rows: a value or gradient of one network among those that a layer has made for several, and what is done to many.

On a GPU a kernel on one row costs about as much as one on all of them, so nothing here works row by row where rows
lie side by side, and lists of rows go to torch's kernels for lists.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Row(NamedTuple):
    """(C, P, N), the ``number``-th of (M, C, P, N); only a ``fresh`` row may be written to."""

    made: Tensor
    number: int
    fresh: bool

    @property
    def tensor(self) -> Tensor:
        """The row alone."""
        return self.made[self.number]


def rows_of(made: Tensor, fresh: bool) -> list[Row]:
    """The M rows of (M, C, P, N)."""
    return [Row(made, number, fresh) for number in range(len(made))]


def view_of(rows: Sequence[Row]) -> Tensor | None:
    """(M, C, P, N), where the rows follow one another in one tensor."""
    made, first, _ = rows[0]
    if all(row.made is made and row.number == first + place for place, row in enumerate(rows)):
        return made[first : first + len(rows)]
    return None


def added(parts: Sequence[Sequence[Row]]) -> Tensor:
    """M sums of rows, each in the order of its parts: (M, C, P, N), which may be a view of the first parts."""
    firsts = [rows[0] for rows in parts]
    there = view_of(firsts)
    total = torch.stack([row.tensor for row in firsts]) if there is None else there
    ours = there is None or all(row.fresh for row in firsts)
    for place in range(1, max(map(len, parts))):
        members = [number for number, rows in enumerate(parts) if len(rows) > place]
        more = [parts[number][place] for number in members]
        other = view_of(more) if len(more) == len(parts) else None
        if other is not None:
            total = total.add_(other) if ours else total + other
        else:
            total = total if ours else total.clone()
            torch._foreach_add_([total[number] for number in members], [row.tensor for row in more])
        ours = True
    return total
