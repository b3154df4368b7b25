"""How alike parallel choices compute: cosine similarities of their feature maps (Fig. 2, supplement of Chu 2019)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scarlet.supernet.supernet import Supernet


@dataclass(frozen=True, slots=True)
class LayerSimilarity:
    """Mean cosine similarities in one layer: between two blocks, and between the skip and a block."""

    blocks: float
    skip: float


@torch.no_grad()
def feature_similarity(supernet: Supernet, images: Tensor, path: Sequence[int]) -> tuple[LayerSimilarity, ...]:
    """Similarities of every layer's choices, all of them fed with the maps of ``path``; means over images and pairs.

    Args:
        supernet: put into evaluation mode.
        images: prepared, (N, C, H, W).
        path: one choice per layer, whose maps go on to the next layer.
    """
    supernet.eval()
    skip, count = supernet.chain.skip, len(supernet.chain.choices)
    x, found = supernet.stem(images.to(supernet.classifier.weight)), []
    for layer, chosen in enumerate(path):
        maps = [supernet.choice(layer, choice)(x) for choice in range(count)]
        directions = [torch.nn.functional.normalize(each.flatten(1).double(), dim=1) for each in maps]
        blocks = [direction for choice, direction in enumerate(directions) if choice != skip]
        among = [(a * b).sum(dim=1).mean() for i, a in enumerate(blocks) for b in blocks[i + 1 :]]
        apart = [] if skip is None else [(directions[skip] * b).sum(dim=1).mean() for b in blocks]
        found.append(LayerSimilarity(*(torch.stack(v).mean().item() if v else float("nan") for v in (among, apart))))
        x = maps[chosen]
    return tuple(found)


def mean_similarity(layers: Sequence[LayerSimilarity]) -> LayerSimilarity:
    """The mean over layers."""
    return LayerSimilarity(
        sum(layer.blocks for layer in layers) / len(layers), sum(layer.skip for layer in layers) / len(layers)
    )
