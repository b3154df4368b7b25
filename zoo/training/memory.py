"""Memory: knowing that a device has none left, and the largest batch that fits."""

from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


WORDS = ("out of memory", "can't allocate memory", "status_alloc_failed")
"""How torch says it where it has no error of its own for that: of the driver, of the CPU, of cuBLAS and cuDNN."""


def out_of_memory(error: Exception) -> bool:
    """Whether an error, or one that it covers, says that a device had no memory left.

    A capture that runs out of memory ends with another error: that the graph is invalid.
    """
    covered: BaseException | None = error
    while covered is not None:
        text = str(covered).lower()
        if isinstance(covered, torch.OutOfMemoryError | MemoryError) or any(words in text for words in WORDS):
            return True
        covered = covered.__cause__ or covered.__context__
    return False


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
