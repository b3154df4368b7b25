"""A pass: one forward and backward pass of a program, with the values and gradients it holds on the way."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Pass:
    """Values and gradients of a pass by number; a value is (C, P, N), of one network.

    A value's ReLU is made once, however many layers read it, and so is the step back through it.

    Args:
        training: whether batches are normalised by their own statistics and everything is kept for the way back.
        masks: what every term of every node is multiplied with (path dropout), by the term's number; empty for none.
    """

    def __init__(self, training: bool, masks: dict[int, Tensor] | None = None) -> None:
        self.training, self.masks = training, masks or {}
        self.values: dict[int, Tensor] = {}
        self.saved: dict[int, Any] = {}
        self._active: dict[int, Tensor] = {}
        self._gradients: dict[int, Tensor] = {}
        self._active_gradients: dict[int, Tensor] = {}
        self._shared: set[int] = set()  # gradients that others hold too

    def read(self, numbers: Sequence[int], active: bool) -> Tensor:
        """The values, or their ReLUs, side by side: (M, C, P, N); a view where there is one."""
        found = [self._relu(number) if active else self.values[number] for number in numbers]
        return found[0].unsqueeze(0) if len(found) == 1 else torch.stack(found)

    def write(self, numbers: Sequence[int], values: Tensor) -> None:
        """Note (M, C, P, N) as values."""
        self.values.update(zip(numbers, values, strict=True))

    def drop(self, numbers: Sequence[int]) -> None:
        """Let go of values that nobody reads any more, and of their ReLUs."""
        for number in numbers:
            self.values.pop(number, None)
            self._active.pop(number, None)

    def send(self, numbers: Sequence[int], gradients: Tensor, active: bool) -> None:
        """Add fresh (M, C, P, N), which nobody else holds, to the gradients of values or of their ReLUs."""
        held = self._active_gradients if active else self._gradients
        for number, gradient in zip(numbers, gradients, strict=True):
            if active and number in held:
                held[number].add_(gradient)
            elif active:
                held[number] = gradient
            else:
                self.share(number, gradient, fresh=True)

    def share(self, number: int, gradient: Tensor, fresh: bool = False) -> None:
        """Add (C, P, N) to the gradient of a value, leaving the tensor itself as it is unless it is ``fresh``."""
        held = self._gradients.get(number)
        if held is None:
            self._gradients[number] = gradient
            if not fresh:
                self._shared.add(number)
        elif number in self._shared:
            self._gradients[number] = held + gradient
            self._shared.discard(number)
        else:
            held.add_(gradient)

    def gradient(self, number: int) -> Tensor:
        """The whole gradient of a value (C, P, N), of which it is taken; every reader must have sent its part."""
        through = self._active_gradients.pop(number, None)
        if through is not None:
            slope = torch.ops.aten.threshold_backward(through, self._active[number], 0)
            self.share(number, slope, fresh=True)
        self._shared.discard(number)
        return self._gradients.pop(number)

    def gradients(self, numbers: Sequence[int]) -> Tensor:
        """The gradients of values side by side, (M, C, P, N)."""
        found = [self.gradient(number) for number in numbers]
        return found[0].unsqueeze(0) if len(found) == 1 else torch.stack(found)

    def _relu(self, number: int) -> Tensor:
        if number not in self._active:
            self._active[number] = torch.relu(self.values[number])
        return self._active[number]
