"""Tap products: kernels of depthwise convolutions as matrices of pixels by pixels, and gradients back to kernels."""

import torch
from torch import Tensor

from zoo.networks.engine.parameter_buffer import Slot
from zoo.networks.taps import Window, tap_matrix


class TapProducts:
    """The products of kernels and tap matrices in both directions.

    On a GPU those of all convolutions of one window are one product at the beginning of a pass, and one at its end:
    every layer's own would be a launch. On a CPU each is made where it is used, while the cache still holds it.

    Args:
        dtype: of the activations.
        device: of the activations.
        together: whether a window's are one product.
    """

    def __init__(self, dtype: torch.dtype, device: torch.device, together: bool) -> None:
        self._dtype, self._device, self._together = dtype, device, together
        # held, not only looked up: a captured step reads their memory for as long as it is replayed
        self._taps: dict[Window, Tensor] = {}
        self._slots: dict[Window, list[Slot]] = {}
        self._firsts: dict[int, int] = {}  # by a slot's start: its first row among those of its window
        self._rows: dict[Window, int] = {}
        self._matrices: dict[Window, Tensor] = {}
        self._slopes: dict[Window, list[tuple[Slot, Tensor]]] = {}

    def add(self, slot: Slot, window: Window) -> None:
        """To be called once for every convolution, before the first pass."""
        self._taps[window] = tap_matrix(window, self._dtype, self._device)
        self._slots.setdefault(window, []).append(slot)
        self._firsts[slot.start] = self._rows.get(window, 0)
        self._rows[window] = self._firsts[slot.start] + slot.rows

    def begin(self) -> None:
        """A pass begins: weights may have changed since the last."""
        self._matrices.clear()

    def matrices(self, slot: Slot, window: Window) -> Tensor:
        """(M · C, P' · P) for the kernels of a slot."""
        if not self._together:
            return _kernels(slot) @ self._taps[window]
        if window not in self._matrices:
            self._matrices[window] = torch.cat([_kernels(one) for one in self._slots[window]]) @ self._taps[window]
        first = self._firsts[slot.start]
        return self._matrices[window][first : first + slot.rows]

    def put(self, slot: Slot, window: Window, slopes: Tensor) -> None:
        """Gradients of the matrices, (M · C, P' · P): from them a slot's are made."""
        if self._together:
            self._slopes.setdefault(window, []).append((slot, slopes))
        else:
            slot.put(slopes @ self._taps[window].t())

    def settle(self) -> None:
        """Make the gradients that wait."""
        for window, noted in self._slopes.items():
            gradients = torch.cat([slopes for _, slopes in noted]) @ self._taps[window].t()
            for (slot, _), gradient in zip(
                noted, torch.split(gradients, [slot.rows for slot, _ in noted]), strict=True
            ):
                slot.put(gradient)
        self._slopes.clear()


def _kernels(slot: Slot) -> Tensor:
    """(M · C, taps)."""
    return slot.weight.flatten(0, 2).flatten(1)
