"""The program: several cell networks as one, on channel-major activations, with forward and backward written out.

It is another execution of the same modules: the same parameters, the same statistics, the same state dict, faster
where maps are small. No autograd runs inside; a pass is a plain list of layers walked one way and back.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.networks.cell_network import CellNetwork
from zoo.networks.engine.parameter_buffer import ParameterBuffer
from zoo.networks.engine.passes import Pass
from zoo.networks.engine.planning import Plan, room_on


class Program:
    """K networks that train and answer together, each on images of its own; nothing flows between them.

    Borrows the networks' weights from construction until :meth:`close`: meanwhile the modules' parameters are views
    of the program's, and their running statistics are out of date.

    Args:
        networks: cell networks with one skeleton, on one device and in one dtype.
        compute: dtype of activations; the networks' own by default.
        batch: images of a training step, from which it follows how much work may be one layer; any number may come.
        device: where it computes; where the networks are by default. Networks with auxiliary heads must be there.
    """

    def __init__(
        self,
        networks: Sequence[CellNetwork],
        compute: torch.dtype | None = None,
        batch: int = 96,
        device: torch.device | None = None,
    ) -> None:
        self.networks = networks
        self.buffer = ParameterBuffer(networks, compute or next(networks[0].parameters()).dtype, device)
        self._plan = Plan(networks, self.buffer, room_on(self.buffer.device, self.buffer.compute, batch))
        self.buffer.open()

    @torch.no_grad()
    def forward(
        self, images: Tensor, *, training: bool, drop: float = 0.0, generators: Sequence[torch.Generator] = ()
    ) -> tuple[Pass, Tensor, Tensor | None]:
        """Logits of K batches of images.

        Args:
            images: (K, N, in_channels, H, W).
            training: whether batches are normalised by their own statistics, and noted for `ParameterBuffer.track`.
            drop: probability of path dropout.
            generators: one a network, for path dropout; drawn from as CellNetwork.forward does.

        Returns:
            The run, for :meth:`backward` where it was training; logits (K, N, classes); in training those of auxiliary
            heads, or None.
        """
        masks = self._masks(images, drop, generators) if drop > 0 else None
        run = Pass(training, masks, by_value=training and self._plan.small)
        self._plan.products.begin()
        maps = images.to(self.buffer.compute).permute(0, 2, 3, 4, 1).flatten(2, 3).contiguous()  # (K, C, P, N)
        run.write(self._plan.images, maps)
        del maps
        for layer, last in zip(self._plan.layers, self._plan.last_reads, strict=True):
            layer.forward(run)
            if not training:  # nobody goes back
                run.drop(last)
        self.buffer.written.settle()
        logits = run.read(self._plan.logits).transpose(1, 2)
        if not training or not self._plan.auxiliaries:
            return run, logits, None
        return run, logits, run.read(self._plan.auxiliaries).transpose(1, 2)

    @torch.no_grad()
    def backward(self, run: Pass, logits: Tensor, auxiliary: Tensor | None = None) -> None:
        """Write the gradients of all weights into the parameter buffer, from those of the logits, (K, N, classes)."""
        for numbers, above in ((self._plan.logits, logits), (self._plan.auxiliaries, auxiliary)):
            if above is not None:
                run.send(numbers, above.transpose(1, 2).contiguous())
        for layer in reversed(self._plan.layers):
            layer.backward(run)
        self._plan.products.settle()
        self.buffer.written.settle()

    @property
    def bytes_per_image(self) -> int:
        """What a forward pass that is no training holds of memory at most, about, for an image of every network."""
        return self._plan.held * self.buffer.compute.itemsize

    def close(self) -> None:
        """Give the weights and statistics back to the networks."""
        self.buffer.close()

    def _masks(self, images: Tensor, drop: float, generators: Sequence[torch.Generator]) -> dict[int, Tensor]:
        """What path dropout multiplies every term with, (N,), drawn network by network in the order of the modules."""
        masks: dict[int, Tensor] = {}
        for terms, generator in zip(self._plan.masks, generators, strict=True):
            for term in terms:
                keep = torch.empty(images.shape[1], device=images.device, dtype=self.buffer.compute)
                keep.bernoulli_(1 - drop, generator=generator)
                masks[term] = keep / (1 - drop)
        return masks
