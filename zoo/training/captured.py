"""The captured step: a program's training step as one CUDA graph, replayed; eager, with a reason, where it cannot be.

A step of small networks is thousands of kernels of a few microseconds: launched one by one they take longer than they
run. A graph launches them all at once.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from zoo.networks.engine.program import Program
from zoo.training.memory import out_of_memory
from zoo.training.recipe import Recipe
from zoo.training.step import train_step

_log = logging.getLogger("thriftnas")


class CapturedStep:
    """Trains a program step by step. On CUDA, a shape of batch that comes a second time is captured and replayed.

    Args:
        program: what is trained.
        recipe: what a step does.
    """

    def __init__(self, program: Program, recipe: Recipe) -> None:
        self._program, self._recipe = program, recipe
        self._seen: set[torch.Size] = set()
        self._graphs: dict[torch.Size, _Graph] = {}
        self.eager = why_eager(program, recipe)
        """Why steps are not captured; empty where they are."""
        if self.fallback:
            _say(self.fallback)

    @property
    def graphs(self) -> int:
        """Shapes of batches that have been captured."""
        return len(self._graphs)

    @property
    def fallback(self) -> str:
        """Why steps are not captured on a device that has graphs; empty where they are, and on other devices."""
        return self.eager if self._program.buffer.device.type == "cuda" else ""

    def __call__(
        self, images: Tensor, labels: Tensor, rate: float, drop: float = 0.0, paths: Sequence[torch.Generator] = ()
    ) -> Tensor:
        """As :func:`train_step`; the losses (K,) are overwritten by the next step.

        Raises:
            RuntimeError: for lack of memory, in a capture too. Whatever else stops a capture is in :attr:`eager`.
        """
        shape = images.shape
        if not self.eager and shape in self._seen and shape not in self._graphs:
            try:
                self._graphs[shape] = _Graph(self._program, self._recipe, images, labels)
            except RuntimeError as error:
                if out_of_memory(error):
                    raise
                self.eager = f"capture failed: {str(error).splitlines()[0]}"
                _say(self.eager)
        self._seen.add(shape)
        if shape in self._graphs:
            return self._graphs[shape].replay(images, labels, rate)
        return train_step(self._program, images, labels, self._recipe, rate, drop, paths)


def why_eager(program: Program, recipe: Recipe) -> str:
    """Why a program's step cannot be captured, or nothing."""
    if program.buffer.device.type != "cuda":
        return f"a CUDA graph needs a CUDA device, the networks are on {program.buffer.device.type}"
    if recipe.path_dropout:
        return "path dropout draws from a generator of every network, which a graph would repeat"
    if recipe.auxiliary:
        return "the auxiliary head runs under autograd"
    return ""


@lru_cache(maxsize=64)
def _say(reason: str) -> None:
    """Log why steps are not captured, once a process: there is a step for every batch of trials."""
    _log.warning("training steps are launched kernel by kernel, not as a CUDA graph: %s", reason)


@lru_cache(maxsize=64)
def _capture_stream(device: torch.device) -> torch.cuda.Stream:
    """Where graphs of a device are recorded whose programs run on its default stream, which allows no recording.

    torch's own is made once, on whichever device is current then, and the kernels of another one are not recorded.
    """
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class _Graph:
    """One captured step with the tensors it reads and writes."""

    def __init__(self, program: Program, recipe: Recipe, images: Tensor, labels: Tensor) -> None:
        self._images, self._labels = images.clone(), labels.clone()
        self._rate = torch.zeros((), device=images.device, dtype=program.buffer.storage)
        self._device = images.device
        with torch.cuda.device(self._device):
            self._graph = torch.cuda.CUDAGraph()
            # Recorded on the stream it will run on, where that may be recorded: what kernels keep by stream (cuBLAS's
            # workspace) must not be shared with graphs that run beside it.
            current = torch.cuda.current_stream(self._device)
            alone = current == torch.cuda.default_stream(self._device)
            stream = _capture_stream(self._device) if alone else current
            with torch.cuda.graph(self._graph, stream=stream):  # recorded, not executed
                self._losses = train_step(program, self._images, self._labels, recipe, self._rate)

    def replay(self, images: Tensor, labels: Tensor, rate: float) -> Tensor:
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._rate.fill_(rate)
        with torch.cuda.device(self._device):
            self._graph.replay()
        return self._losses
