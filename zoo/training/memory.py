"""Memory: knowing that a device has none left, and the largest batch that fits."""

from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that a device had no memory left; torch has several ways to say so."""
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )


def free_memory() -> None:
    """Give back what a GPU's allocator keeps for later, after it has failed."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def largest_fitting(work: Callable[[int], Result], most: int, least: int) -> Result:
    """``work(size)`` at the largest of ``most``, its half, a quarter … that fits in memory, not below ``least``.

    Raises:
        RuntimeError, MemoryError: what ``work`` raises, lack of memory at ``least`` included.
    """
    size = max(most, least)
    while True:
        try:
            return work(size)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or size <= least:
                raise
        free_memory()  # here, where the failed attempt's tensors are gone with its traceback
        size = max(size // 2, least)
