"""Graphs: steps on a GPU, launched kernel by kernel at first, captured when they come again, replayed from then on.

A step of small networks is thousands of kernels of a few microseconds: launched one by one they take longer than they
run. A CUDA graph launches them all at once.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from zoo.training.memory import out_of_memory

_log = logging.getLogger("thriftnas")

Work = Callable[[Sequence[Tensor], float | Tensor], Tensor]
"""(inputs, learning rate) to a result. In a capture the rate is a tensor, and nothing may wait for the device."""


class Graphs:
    """The steps of a training, by what they are: what comes a second time is captured, and replayed from then on.

    Args:
        device: where the steps run.
        dtype: of the rate in a graph.
        eager: why steps cannot be captured, whatever the device; empty where they can.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, eager: str = "") -> None:
        self._device, self._dtype = device, dtype
        self._seen: set[Hashable] = set()
        self._recorded: dict[Hashable, Recorded] = {}
        self.eager = unavailable(device) or eager
        """Why steps are not captured; empty where they are."""
        if self.fallback:
            say(self.fallback)

    def __len__(self) -> int:
        return len(self._recorded)

    @property
    def fallback(self) -> str:
        """Why steps are not captured on a device that has graphs; empty where they are, and on other devices."""
        return self.eager if self._device.type == "cuda" else ""

    def __call__(self, key: Hashable, inputs: Sequence[Tensor], rate: float, work: Work) -> Tensor:
        """The result of ``work``, which the next step overwrites where it is replayed.

        Args:
            key: what decides which kernels run, except the shapes of the inputs.
            inputs: the tensors that differ from step to step.
            rate: the learning rate.
            work: reads these, and what is in the same place in every step.

        Raises:
            RuntimeError: for lack of memory, in a capture too. Whatever else stops a capture is in :attr:`eager`.
        """
        key = (key, *(each.shape for each in inputs))
        if not self.eager and key in self._seen and key not in self._recorded:
            try:
                self._recorded[key] = Recorded(inputs, self._dtype, work)
            except RuntimeError as error:
                if out_of_memory(error):
                    raise
                self.eager = f"capture failed: {str(error).splitlines()[0]}"
                say(self.eager)
        self._seen.add(key)
        if key in self._recorded:
            return self._recorded[key].replay(inputs, rate)
        return work(inputs, rate)


def unavailable(device: torch.device) -> str:
    """Why a device has no graphs, or nothing."""
    return "" if device.type == "cuda" else f"a CUDA graph needs a CUDA device, the networks are on {device.type}"


@lru_cache(maxsize=64)
def say(reason: str) -> None:
    """Log why steps are not captured, once a process: there is a step for every batch of trials."""
    _log.warning("training steps are launched kernel by kernel, not as a CUDA graph: %s", reason)


@lru_cache(maxsize=64)
def capture_stream(device: torch.device) -> torch.cuda.Stream:
    """Where graphs of a device are recorded whose work runs on its default stream, which allows no recording.

    torch's own is made once, on whichever device is current then, and the kernels of another one are not recorded.
    """
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class Recorded:
    """One captured step with the tensors it reads and writes."""

    def __init__(self, inputs: Sequence[Tensor], dtype: torch.dtype, work: Work) -> None:
        self._inputs = [each.clone() for each in inputs]
        self._device = inputs[0].device
        self._rate = torch.zeros((), device=self._device, dtype=dtype)
        with torch.cuda.device(self._device):
            self._graph = torch.cuda.CUDAGraph()
            # Recorded on the stream it will run on, where that may be recorded: what kernels keep by stream (cuBLAS's
            # workspace) must not be shared with graphs that run beside it.
            current = torch.cuda.current_stream(self._device)
            alone = current == torch.cuda.default_stream(self._device)
            stream = capture_stream(self._device) if alone else current
            with torch.cuda.graph(self._graph, stream=stream):  # recorded, not executed
                self._result = work(self._inputs, self._rate)

    def replay(self, inputs: Sequence[Tensor], rate: float) -> Tensor:
        """The result of a step on other inputs, overwritten by the next."""
        for held, given in zip(self._inputs, inputs, strict=True):
            held.copy_(given)
        self._rate.fill_(rate)
        with torch.cuda.device(self._device):
            self._graph.replay()
        return self._result
