"""The captured step: a program's training step as one CUDA graph, replayed; eager, with a reason, where it cannot be.

A step of small networks is thousands of kernels of a few microseconds: launched one by one they take longer than they
run. A graph launches them all at once.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.networks.engine.program import Program
from zoo.training.recipe import Recipe
from zoo.training.step import train_step


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

    def __call__(
        self, images: Tensor, labels: Tensor, rate: float, drop: float = 0.0, paths: Sequence[torch.Generator] = ()
    ) -> Tensor:
        """As :func:`train_step`; the losses (K,) are overwritten by the next step."""
        shape = images.shape
        if not self.eager and shape in self._seen and shape not in self._graphs:
            try:
                self._graphs[shape] = _Graph(self._program, self._recipe, images, labels)
            except RuntimeError as error:
                self.eager = f"capture failed: {str(error).splitlines()[0]}"
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


class _Graph:
    """One captured step with the tensors it reads and writes."""

    def __init__(self, program: Program, recipe: Recipe, images: Tensor, labels: Tensor) -> None:
        self._images, self._labels = images.clone(), labels.clone()
        self._rate = torch.zeros((), device=images.device, dtype=program.buffer.storage)
        self._graph = torch.cuda.CUDAGraph()
        # Recorded on the stream it will run on, where that may be recorded: what kernels keep by stream (cuBLAS's
        # workspace) must not be shared with graphs that run beside it.
        current = torch.cuda.current_stream(images.device)
        own = None if current == torch.cuda.default_stream(images.device) else current
        with torch.cuda.graph(self._graph, stream=own):  # recorded, not executed
            self._losses = train_step(program, self._images, self._labels, recipe, self._rate)

    def replay(self, images: Tensor, labels: Tensor, rate: float) -> Tensor:
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._rate.fill_(rate)
        self._graph.replay()
        return self._losses
