"""A pass: one forward and backward pass of a program, with the values and gradients it holds on the way."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.networks.engine.rows import Row, added, rows_of, view_of


class Pass:
    """Values and gradients of a pass by number; a value is (C, P, N), of one network.

    What is done to every number (ReLUs, the way back through them, sums of gradients) is done to all values of a layer
    at once: on a GPU each of them alone would be a launch. On a CPU calls cost little and memory much: there it is done
    value by value as they come, while the cache holds them.

    Args:
        training: whether batches are normalised by their own statistics and everything is kept for the way back.
        masks: what every term of every node is multiplied with (path dropout), by the term's number; empty for none.
        by_value: whether a value's ReLU is made once and kept, however many layers read it, and its gradients are added
            as they come.
    """

    def __init__(self, training: bool, masks: dict[int, Tensor] | None = None, by_value: bool = False) -> None:
        self.training, self.masks = training, masks or {}
        self._by_value = by_value
        self._active: dict[tuple[int, int], Tensor] = {}  # ReLUs that are kept, by a row's tensor and number
        self.values: dict[int, Row] = {}
        self.saved: dict[int, Any] = {}
        self._gradients: dict[int, list[Row]] = {}  # a value's: the parts that readers have sent
        self._active_gradients: dict[int, list[Row]] = {}  # the same of its ReLU

    def read(self, numbers: Sequence[int], active: bool = False) -> Tensor:
        """The values, or their ReLUs, side by side: (M, C, P, N); values may be a view."""
        rows = [self.values[number] for number in numbers]
        if active and self._by_value:
            kept = [self._relu(row) for row in rows]
            return kept[0].unsqueeze(0) if len(kept) == 1 else torch.stack(kept)
        found = view_of(rows)
        if found is not None:
            return torch.relu(found) if active else found
        copied = torch.stack([row.tensor for row in rows])
        return copied.relu_() if active else copied

    def write(self, numbers: Sequence[int], values: Tensor) -> None:
        """Note (M, C, P, N) as values."""
        self.values.update(zip(numbers, rows_of(values, fresh=False), strict=True))

    def alias(self, numbers: Sequence[int], sources: Sequence[int]) -> None:
        """Note the values that ``sources`` name under other numbers too."""
        self.values.update(zip(numbers, [self.values[source] for source in sources], strict=True))

    def drop(self, numbers: Sequence[int]) -> None:
        """Let go of values that nobody reads any more."""
        for number in numbers:
            del self.values[number]

    def send(self, numbers: Sequence[int], gradients: Tensor, active: bool = False, fresh: bool = True) -> None:
        """Add (M, C, P, N) to the gradients of values or of their ReLUs; ``fresh`` is what nobody else holds."""
        held = self._active_gradients if active else self._gradients
        for number, row in zip(numbers, rows_of(gradients, fresh), strict=True):
            parts = held.setdefault(number, [])
            parts.append(row)
            if self._by_value and len(parts) > 1:  # while the cache still holds the new one
                held[number] = rows_of(added([parts]), fresh=True)

    def gradients(self, numbers: Sequence[int]) -> Tensor:
        """Take the gradients of values side by side, (M, C, P, N); every reader must have sent its part."""
        through = [number for number in numbers if number in self._active_gradients]
        if through:
            above = added([self._active_gradients.pop(number) for number in through])
            self.send(through, torch.ops.aten.threshold_backward(above, self.read(through), 0))
        return added([self._gradients.pop(number) for number in numbers])

    def _relu(self, row: Row) -> Tensor:
        """Kept as long as the pass, which keeps the values too."""
        key = id(row.made), row.number
        if key not in self._active:
            self._active[key] = torch.relu(row.tensor)
        return self._active[key]
