"""The place: the device that checks run on, the sizes they have there, clocks and memory."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Place:
    """Where checks run.

    Attributes:
        device: "cuda", or "cpu" in a dry run.
        dry: whether sizes are tiny.
        data: images of the bundle; None: invented ones.
    """

    device: str
    dry: bool
    data: Path | None = None

    @property
    def cuda(self) -> bool:
        """Whether it is a GPU."""
        return torch.device(self.device).type == "cuda"

    def size(self, real: int, dry: int) -> int:
        """A size here."""
        return dry if self.dry else real

    def wait(self) -> None:
        """Until the device has done everything."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def timed(self, work: Callable[[], Result]) -> tuple[Result, float]:
        """A result and its seconds, the device's own work included."""
        self.wait()
        began = time.perf_counter()
        result = work()
        self.wait()
        return result, time.perf_counter() - began

    def per_call(self, call: Callable[[], object], calls: int, warm: int = 3) -> float:
        """Seconds of a call, after some that do not count."""
        for _ in range(1 if self.dry else warm):
            call()
        count = 1 if self.dry else calls
        return self.timed(lambda: [call() for _ in range(count)])[1] / count

    def peak_gb(self) -> float:
        """The most memory that was held since the check began, GB; 0 on a CPU."""
        return round(torch.cuda.max_memory_allocated(self.device) / 1e9, 3) if self.cuda else 0.0

    def out_of_memory_errors(self) -> int:
        """How often the allocator has had nothing left, caught or not; 0 on a CPU."""
        return int(torch.cuda.memory_stats(self.device).get("num_ooms", 0)) if self.cuda else 0


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether float32 products and convolutions may round to TF32 inside."""
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions
