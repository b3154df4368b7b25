"""A stopwatch: how long calls take on a device, after warming up, as medians of many."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zoo.export.onnx_file import PIXELS, session_of
from zoo.export.program import onnx_bytes
from zoo.training.device import is_here, prepare_process

RUNTIMES = ("torch", "onnxruntime")
Call = Callable[[], object]
"""Computes a batch once and waits until it is done."""
WARM = 3
"""Calls before the clock runs: caches, memory, and what is compiled at first use."""
LEAST = 2e-3
"""Seconds that are timed at a time: shorter calls are repeated, so that the clock's own error is small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopwatch:
    """How a network is timed.

    Attributes:
        device: such as "cpu" or "cuda:0".
        batch: images at a time.
        threads: of the CPU.
        runtime: one of :data:`RUNTIMES`.

    Raises:
        ValueError: for a device that is not here, another runtime, or numbers under 1.
    """

    device: str = "cpu"
    batch: int = 1
    threads: int = 1
    runtime: str = "torch"

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise ValueError(f"unknown runtime {self.runtime!r}, expected one of {', '.join(RUNTIMES)}")
        if min(self.batch, self.threads) < 1:
            raise ValueError(f"batch and threads must be at least 1, got {self.batch} and {self.threads}")
        try:
            here = is_here(self.device)
        except RuntimeError as error:
            raise ValueError(f"unknown device {self.device!r}") from error
        if not here:
            raise ValueError(f"this machine has no device {self.device}")
        if self.runtime == "onnxruntime" and self.device != "cpu":
            raise ValueError(f"onnxruntime is timed on the CPU only, got {self.device}")

    def call(self, module: nn.Module, shape: tuple[int, int, int]) -> Call:
        """What computes a batch of inputs of a ``shape`` (C, H, W).

        Raises:
            ValueError: if the runtime is onnxruntime and the module cannot be written as ONNX.
        """
        inputs = torch.rand((self.batch, *shape), generator=torch.Generator().manual_seed(0))
        if self.runtime == "onnxruntime":
            return self.onnx_call(session_of(onnx_bytes(module.eval(), inputs), self.threads), inputs.numpy())
        prepare_process(self.threads)
        network, given = module.to(self.device).eval(), inputs.to(self.device)
        cuda = self.device.startswith("cuda")

        @torch.inference_mode()
        def compute() -> None:
            network(given)
            if cuda:
                torch.cuda.synchronize(self.device)

        return compute

    @staticmethod
    def onnx_call(session: Any, inputs: NDArray[np.float32]) -> Call:
        """What computes a batch by a session of onnxruntime."""
        return lambda: session.run(None, {PIXELS: inputs})


def milliseconds(calls: Sequence[Call], rounds: int) -> NDArray[np.float64]:
    """Milliseconds a call, (rounds, calls).

    Calls take turns, so that what slows the machine down for a while hits all of them alike.

    Args:
        calls: to be timed.
        rounds: how often each is timed.
    """
    repeats = []
    for call in calls:
        for _ in range(WARM):
            call()
        repeats.append(max(1, int(LEAST / max(_seconds(call, 1), 1e-7))))
    found = [[_seconds(call, count) * 1e3 for call, count in zip(calls, repeats, strict=True)] for _ in range(rounds)]
    return np.array(found).reshape(rounds, len(calls))


def _seconds(call: Call, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count
