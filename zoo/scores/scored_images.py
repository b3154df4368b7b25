"""The images by which a network is scored: a few mini-batches of training images, drawn by chance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.data.augmentation import prepare
from zoo.purposes import SCORED_IMAGES
from zoo.scores.score import Batch

BATCH = 64
"""Images of a mini-batch, as in Abdelfattah et al. 2021."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredImages:
    """Training images on the device, of which every network sees some of its own.

    Attributes:
        images: uint8 (N, C, H, W).
        labels: (N,).
        resolution: pixels a side that the network sees.
        mean: per channel, of pixels in [0, 1].
        std: per channel.
        seed: of the run.
        root: index of the network's trial.
        place: gives float images the dtype and the memory format of the network.
    """

    images: Tensor
    labels: Tensor
    resolution: int
    mean: Sequence[float]
    std: Sequence[float]
    seed: int
    root: int
    place: Callable[[Tensor], Tensor]

    def batches(self, count: int) -> list[Batch]:
        """Mini-batches of different images, resized and normalised, not augmented; smaller where there are too few.

        Raises:
            ValueError: for fewer than two images a mini-batch, which batch normalisation cannot use.
        """
        held = len(self.labels)
        size = min(BATCH, held // count) if count else 0
        if count and size < 2:
            raise ValueError(f"{count} mini-batches need at least {2 * count} training images, got {held}")
        order = np.random.default_rng((self.seed, self.root, SCORED_IMAGES)).permutation(held)
        chosen = torch.from_numpy(order[: count * size]).to(self.labels.device)
        pixels = self.place(prepare(self.images[chosen], self.resolution, self.mean, self.std))
        parts = [slice(first, first + size) for first in range(0, count * size, size or 1)]
        return [(pixels[part], self.labels[chosen[part]]) for part in parts]
