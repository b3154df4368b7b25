"""Memory: what says that there is none left, and the largest batch that fits."""

import pytest
import torch

from zoo.training.memory import largest_fitting, out_of_memory


def fits(limit: int, tried: list[int]):  # type: ignore[no-untyped-def]
    def work(size: int) -> int:
        tried.append(size)
        if size > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return size

    return work


def test_the_largest_that_fits_is_found_by_halving() -> None:
    tried: list[int] = []
    assert largest_fitting(fits(300, tried), 1000, 64) == 250
    assert tried == [1000, 500, 250]
    assert largest_fitting(fits(300, []), 100, 128) == 128  # never below the least


def test_what_does_not_fit_at_its_least_is_raised() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        largest_fitting(fits(10, []), 1000, 64)


def test_other_errors_are_not_lack_of_memory() -> None:
    def broken(size: int) -> int:
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape"):
        largest_fitting(broken, 1000, 64)
    assert out_of_memory(MemoryError()) and not out_of_memory(RuntimeError("shape"))  # noqa: PT018


@pytest.mark.parametrize(
    "text", ["HIP out of memory", "DefaultCPUAllocator: can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED"]
)
def test_lack_of_memory_is_known_by_its_words_and_below_another_error(text: str) -> None:
    def covered(explicit: bool) -> Exception:
        try:
            try:
                raise RuntimeError(text)
            except RuntimeError as below:
                if explicit:
                    raise RuntimeError("Invalid capture") from below
                raise RuntimeError("Invalid capture")  # noqa: B904
        except RuntimeError as error:
            return error

    assert out_of_memory(RuntimeError(text))
    assert all(out_of_memory(covered(explicit)) for explicit in (True, False))
