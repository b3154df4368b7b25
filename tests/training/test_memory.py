"""Memory: what says that there is none left, a process's share of a GPU's, and the largest batch that fits."""

import platform
import resource
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from zoo.training.cotraining import evaluation_batch
from zoo.training.memory import CONTEXT, available, claim, fitting, keep_freed_memory, out_of_memory

GB = 1 << 30


def test_the_largest_batch_that_fits_is_a_half_or_a_quarter_and_takes_half_of_the_room() -> None:
    assert [fitting(10_000, 512, 10, room) for room in (200_000, 199_999, 10_000, 0)] == [10_000, 5000, 512, 512]
    assert fitting(100, 512, 10, 1e9) == 512  # never below the least


class FakeGPU:
    """Stands for a GPU of 80 GB of which others and this process have taken some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, others: int, taken: int = 0, kept: int = 0) -> None:
        self.share = 1.0
        stands = {
            "mem_get_info": lambda *_: ((80 * GB - others - taken - kept), 80 * GB),
            "memory_allocated": lambda _: taken,
            "memory_reserved": lambda _: taken + kept,
            "get_per_process_memory_fraction": lambda _: self.share,
            "set_per_process_memory_fraction": lambda share: setattr(self, "share", share),
        }
        for name, stand in stands.items():
            monkeypatch.setattr(torch.cuda, name, stand, raising=False)


def test_room_is_what_is_free_within_the_share_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, device = FakeGPU(monkeypatch, others=20 * GB, taken=6 * GB, kept=4 * GB), torch.device("cuda")
    assert available(device) == 54 * GB  # 50 free, and 4 that its own allocator keeps for later
    claim(0.25)
    assert gpu.share == pytest.approx(0.25 - 1 / 80)  # a process takes memory beside its tensors, too
    assert available(device) == pytest.approx(20 * GB - CONTEXT - 6 * GB)  # the others may take theirs at any time
    claim(0.01)
    assert gpu.share == pytest.approx(0.005)


def test_validation_on_a_gpu_is_sized_beforehand_and_on_a_cpu_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    program: Any = SimpleNamespace(bytes_per_image=GB // 1000)
    FakeGPU(monkeypatch, others=0)
    assert evaluation_batch(program, 50_000, torch.device("cuda")) == 25_000
    assert evaluation_batch(program, 50_000, torch.device("cpu")) == 512
    claim(0.25)
    assert evaluation_batch(program, 50_000, torch.device("cuda")) == 6250


def test_other_errors_are_not_lack_of_memory() -> None:
    assert out_of_memory(MemoryError())
    assert not out_of_memory(RuntimeError("shape mismatch"))


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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what glibc does")
def test_a_large_tensor_takes_the_memory_of_the_one_before_it() -> None:
    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(4):
            torch.empty(2**24).fill_(1.0)  # 64 MB, 16384 pages
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    keep_freed_memory()
    try:
        kept = min(faults() for _ in range(4))  # the heap has grown by then
    finally:
        keep_freed_memory(False)
    assert kept < 1000 < faults()
