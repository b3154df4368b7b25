"""Memory: knowing that a device has none left, keeping what is freed, a share of a GPU, the largest batch that fits."""

import ctypes

import torch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Of glibc's malloc.h."""
CONTEXT = 1 << 30
"""Bytes of a GPU that a process takes beside its tensors, about: the driver's, and kernels."""


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


def keep_freed_memory(keep: bool = True) -> None:
    """Let this process keep what it frees for its next large tensors, or give it back at once as is usual.

    The C library maps every tensor above 32 MB anew, and the system then fills it with zeros page by page: a training
    that frees and allocates the same sizes at every step pays for that at every step. Elsewhere than with glibc nothing
    changes. A process that keeps memory may take a little more of it, for gaps between tensors.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt") and hasattr(library, "malloc_trim"):
        library.mallopt(_MMAP_MAX, 0 if keep else 65536)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1 if keep else 128 * 1024)
        if not keep:
            library.malloc_trim(0)


def available(device: torch.device) -> float:
    """Bytes that this process may still take of a GPU: what is free or kept unused by its allocator, in its share."""
    free, total = torch.cuda.mem_get_info(device)
    taken, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
    # of torch 2.6 a process cannot ask for its share
    share = getattr(torch.cuda, "get_per_process_memory_fraction", lambda _: 1.0)(device)
    return float(max(0.0, min(free + reserved - taken, share * total - taken)))


def claim(share: float) -> None:
    """Keep this process to its share of the GPU: others that do the same never find that it has taken theirs."""
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(max(share / 2, share - CONTEXT / total))


def fitting(most: int, least: int, each: int, room: float) -> int:
    """The largest of ``most``, its half, a quarter … that takes at most half of the room, not below ``least``.

    Args:
        most: how many there are.
        least: how many are tried in any case.
        each: bytes that one takes, about.
        room: bytes; half of it is left for what the estimate does not know, such as gaps between tensors.
    """
    size = max(most, least)
    while size > least and size * each > room / 2:
        size = max(size // 2, least)
    return size
