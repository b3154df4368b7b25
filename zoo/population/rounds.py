"""Rounds that a journal may hold the beginning of: what was asked for, completed by what is decided beside it."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")


def completed(begun: Sequence[T], decided: Sequence[T], key: Callable[[T], Hashable]) -> list[T]:
    """What was begun, then what was decided and is not among it; no more in all than was decided, or begun.

    Where nothing else is decided than before, that is the decision.

    Args:
        begun: of a round, in the order it was asked for.
        decided: the whole round, decided again.
        key: by which two are the same.
    """
    taken = {key(one) for one in begun}
    rest = [one for one in decided if key(one) not in taken]
    return [*begun, *rest[: max(0, len(decided) - len(begun))]]
