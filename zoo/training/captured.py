"""The captured step: a program's training step as one CUDA graph, replayed; eager, with a reason, where it cannot."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.networks.engine.program import Program
from zoo.training.graphs import Graphs
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
        self._graphs = Graphs(program.buffer.device, program.buffer.storage, why_eager(recipe))

    @property
    def graphs(self) -> int:
        """Shapes of batches that have been captured."""
        return len(self._graphs)

    @property
    def eager(self) -> str:
        """Why steps are not captured; empty where they are."""
        return self._graphs.eager

    @property
    def fallback(self) -> str:
        """Why steps are not captured on a device that has graphs; empty where they are, and on other devices."""
        return self._graphs.fallback

    def __call__(
        self, images: Tensor, labels: Tensor, rate: float, drop: float = 0.0, paths: Sequence[torch.Generator] = ()
    ) -> Tensor:
        """As :func:`train_step`; the losses (K,) are overwritten by the next step.

        Raises:
            RuntimeError: for lack of memory, in a capture too. Whatever else stops a capture is in :attr:`eager`.
        """

        def work(inputs: Sequence[Tensor], rate: float | Tensor) -> Tensor:
            images, labels = inputs
            return train_step(self._program, images, labels, self._recipe, rate, drop, paths)

        return self._graphs("step", (images, labels), rate, work)


def why_eager(recipe: Recipe) -> str:
    """What of a recipe cannot be captured, or nothing."""
    if recipe.path_dropout:
        return "path dropout draws from a generator of every network, which a graph would repeat"
    if recipe.auxiliary:
        return "the auxiliary head runs under autograd"
    return ""
