"""Liveness: which layer reads a value last, and how much a forward pass holds that lets go of values then."""

from collections.abc import Callable, Iterable, Sequence

from zoo.networks.engine.layers import Layer, Node, Stack


def last_reads(layers: Sequence[Layer], kept: Iterable[int]) -> list[list[int]]:
    """Layer by layer the values that nobody reads after it; the ``kept`` ones are nowhere among them."""
    later, found = set(kept), list[list[int]]()
    for layer in reversed(layers):
        last = [number for number in dict.fromkeys((*layer.sources, *layer.targets)) if number not in later]
        later.update(last)
        found.append(last)
    return found[::-1]


def peak(
    layers: Sequence[Layer], dropped: Sequence[Sequence[int]], images: Sequence[int], size: Callable[[int], int]
) -> int:
    """The most numbers an image that a forward pass holds at a time, about, if it drops values after their last reader.

    Values that a layer writes together are one tensor, which stays until the last of them is dropped.

    Args:
        layers: in order.
        dropped: of every layer, what is dropped after it.
        images: the values that are there before the first layer.
        size: of a value, numbers an image.
    """
    held, most = _Held(size), 0
    held.add(images)
    for layer, last in zip(layers, dropped, strict=True):
        before = held.total
        if isinstance(layer, Node | Stack) and layer.passes_on:
            held.alias(layer.targets, layer.sources)
        else:
            held.add(layer.targets)
        # beside what it writes: its sources side by side, and turned; what it writes, in parts and before turning
        through = sum(map(size, layer.sources)) + sum(map(size, layer.targets))
        most = max(most, max(before, held.total) + 2 * through)
        held.drop(last)
    return most


class _Held:
    """Tensors that are held, and the numbers an image in all of them."""

    def __init__(self, size: Callable[[int], int]) -> None:
        self.total = 0
        self._size = size
        self._tensors: dict[int, set[int]] = {}  # by value: the values of its tensor that are still held
        self._lengths: dict[int, int] = {}  # by id of such a set

    def add(self, numbers: Sequence[int]) -> None:
        """A tensor with these values."""
        tensor = set(numbers)
        self._lengths[id(tensor)] = sum(map(self._size, numbers))
        self._tensors |= dict.fromkeys(numbers, tensor)
        self.total += self._lengths[id(tensor)]

    def alias(self, numbers: Sequence[int], sources: Sequence[int]) -> None:
        """Values that are parts of the tensors of others."""
        for number, source in zip(numbers, sources, strict=True):
            self._tensors[number] = self._tensors[source]
            self._tensors[number].add(number)

    def drop(self, numbers: Sequence[int]) -> None:
        """Values, and the tensors that hold no others."""
        for number in numbers:
            tensor = self._tensors.pop(number)
            tensor.discard(number)
            if not tensor:
                self.total -= self._lengths[id(tensor)]
