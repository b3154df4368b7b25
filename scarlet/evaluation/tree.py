"""Accuracy of many sub-networks on inherited weights: paths as a tree, so that a common beginning is computed once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from scarlet.evaluation.folded import FoldedSupernet, Folding, Moments
from scarlet.supernet.supernet import PlainSkip, Supernet
from zoo.networks.inverted import InvertedBottleneck
from zoo.training.memory import available, fitting

CHUNK = 32
"""Images computed at a time: few enough that a layer's maps stay in the cache of a CPU core."""

CHUNK_CUDA = 512
"""On a GPU at least; it takes as many as fit into its memory, so that kernels are few and long."""

BATCH_PIXELS = 2**22
"""Pixels of the images that statistics are taken from at once: 83 images at 224 pixels a side, 4096 at 32."""


@dataclass(frozen=True, slots=True, eq=False)
class PathTree:
    """Distinct paths in the order of their choices, neighbours sharing as long a beginning as any order allows.

    Attributes:
        paths: int64 (Q, layers), without repetition.
        starts: int64 (Q,): the first layer in which a path differs from the one before it; 0 for the first.
        place: int64 (P,): where each of the paths asked for is among ``paths``.
    """

    paths: NDArray[np.int64]
    starts: NDArray[np.int64]
    place: NDArray[np.int64]

    @classmethod
    def of(cls, paths: NDArray[np.integer]) -> "PathTree":
        """The tree of paths (P, layers), P at least 1.

        Raises:
            ValueError: for no paths.
        """
        asked = np.asarray(paths, dtype=np.int64)
        if asked.ndim != 2 or not asked.size:
            raise ValueError(f"expected paths (at least 1, layers), got {asked.shape}")
        distinct, place = np.unique(asked, axis=0, return_inverse=True)
        starts = np.zeros(len(distinct), dtype=np.int64)
        starts[1:] = np.argmax(distinct[1:] != distinct[:-1], axis=1)
        return cls(distinct, starts, place.reshape(-1))

    @property
    def layers(self) -> int:
        """Layers of a path."""
        return int(self.paths.shape[1])

    def nodes(self) -> Iterator[tuple[int, int, int]]:
        """(path, layer, choice) of every layer that is computed, in order."""
        for number, (path, start) in enumerate(zip(self.paths.tolist(), self.starts.tolist(), strict=True)):
            for layer in range(start, self.layers):
                yield number, layer, path[layer]

    def sharing(self, costs: NDArray[np.float64]) -> float:
        """How many times dearer it is to compute each asked path alone, by ``costs`` (layers, choices)."""
        columns = np.arange(self.layers)
        each = costs[columns, self.paths]
        shared = np.where(columns >= self.starts[:, None], each, 0.0).sum()
        return float(each[self.place].sum() / shared)


@dataclass(frozen=True, slots=True, eq=False)
class PathScores:
    """What paths do on images.

    Attributes:
        predictions: int64 (P, N), the likeliest class.
        losses: float64 (P,), mean cross-entropy.
    """

    predictions: NDArray[np.int64]
    losses: NDArray[np.float64]

    def accuracies(self, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of the images (N,) that each path classifies as labelled."""
        shares: NDArray[np.float64] = (self.predictions == labels).mean(axis=1)
        return shares

    def balanced(self, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean recall of the classes present."""
        hits = self.predictions == labels
        recalls: NDArray[np.float64] = np.mean(
            [hits[:, labels == label].mean(axis=1) for label in np.unique(labels)], axis=0
        )
        return recalls


Statistics = Mapping[tuple[int, ...], Sequence[Moments]]
"""Moments of the normalisations by the choices that lead to them, their own layer's included: () is the stem;
the head's follow those of the last layer, under the whole path with -1 appended."""


@torch.no_grad()
def evaluate_paths(
    supernet: Supernet | FoldedSupernet,
    images: Tensor,
    labels: Tensor,
    paths: NDArray[np.integer],
    *,
    folding: Folding | None = None,
    statistics: Statistics | None = None,
    prepared: Callable[[Tensor], Tensor] = lambda images: images,
    chunk: int | None = None,
) -> PathScores:
    """Predictions and losses of sub-networks with the supernet's weights.

    Depth first, so that the maps in memory are one path's, of one chunk of images.

    Args:
        supernet: put into evaluation mode; folded already, it is not folded again.
        images: (N, C, H, W), on the supernet's device; prepared, or what ``prepared`` prepares.
        labels: (N,) on the same device.
        paths: (P, layers).
        folding: dtype and kernels, where it is not folded yet; by default those of the supernet's weights.
        statistics: recalibrated ones, from :func:`recalibrated`; by default the supernet's own.
        prepared: prepares a chunk of images, so that all others stay the bytes they are: a quarter of the memory.
        chunk: images at a time; by default :func:`images_at_once`.

    Raises:
        ValueError: for no paths.
    """
    if isinstance(supernet, FoldedSupernet):
        folded = supernet
    else:
        kind = supernet.classifier.weight
        folded = FoldedSupernet(supernet.eval(), folding or Folding.best(kind.device, kind.dtype))
    weight, tree = folded.supernet.classifier.weight, PathTree.of(paths)
    size = chunk or images_at_once(folded, len(labels))
    predictions = torch.empty(len(tree.paths), len(labels), dtype=torch.long, device=weight.device)
    losses = torch.zeros(len(tree.paths), dtype=torch.float64, device=weight.device)
    for first in range(0, len(labels), size):
        part = slice(first, first + size)
        x = folded.folding.place(prepared(images[part]))
        for number, logits in _walk(folded, tree, x, statistics):
            predictions[number, part] = logits.argmax(dim=1)
            losses[number] += functional.cross_entropy(logits, labels[part], reduction="sum")
    place = torch.from_numpy(tree.place).to(weight.device)
    return PathScores(predictions[place].cpu().numpy(), (losses[place] / len(labels)).cpu().numpy())


def images_at_once(folded: FoldedSupernet, count: int) -> int:
    """How many of ``count`` images are computed at a time: on a GPU as many as fit in its memory.

    On a CPU larger chunks would only leave the cache, and change the last bits.
    """
    device = folded.supernet.classifier.weight.device
    if device.type != "cuda":
        return CHUNK
    return fitting(count, CHUNK_CUDA, folded.bytes_per_image, available(device))


def _walk(
    folded: FoldedSupernet, tree: PathTree, images: Tensor, statistics: Statistics | None
) -> Iterator[tuple[int, Tensor]]:
    """(path, logits) of one chunk; the maps of the current path are the only ones held."""
    maps: list[Tensor] = [folded.stem(images, statistics[()] if statistics else None)] * (tree.layers + 1)
    for number, layer, choice in tree.nodes():
        prefix = tuple(tree.paths[number, : layer + 1].tolist()) if statistics else ()
        maps[layer + 1] = folded.layer(layer, choice, statistics[prefix] if statistics else None)(maps[layer])
        if layer + 1 == tree.layers:
            yield number, folded.head(maps[-1], statistics[(*prefix, -1)] if statistics else None)


@torch.no_grad()
def recalibrated(supernet: Supernet, images: Tensor, paths: NDArray[np.integer]) -> Statistics:
    """Batch-norm statistics of each path on ``images`` (N, C, H, W).

    The same tree: statistics of a layer depend on the choices up to it and on no later one. What this gives is what
    one forward pass in training mode with momentum 1 leaves behind. Where that batch would have more than
    ``BATCH_PIXELS`` pixels, it is the mean over equal parts of it, each normalised by its own statistics, as torch's
    ``update_bn`` gives it. The supernet itself is not changed.

    Raises:
        ValueError: for no paths.
    """
    tree, weight = PathTree.of(paths), supernet.classifier.weight
    parts = images.tensor_split(-(-images[:, 0].numel() // BATCH_PIXELS))
    found: dict[tuple[int, ...], list[Moments]] = {}
    for part in parts:
        moments = _batch_moments(supernet, tree, part.to(weight.dtype, memory_format=torch.channels_last))
        for prefix, pairs in moments.items():
            kept = found.setdefault(prefix, [(torch.zeros_like(mean), torch.zeros_like(mean)) for mean, _ in pairs])
            for sums, pair in zip(kept, pairs, strict=True):
                for total, moment in zip(sums, pair, strict=True):
                    total += moment / len(parts)
    return found


def _batch_moments(supernet: Supernet, tree: PathTree, x: Tensor) -> dict[tuple[int, ...], list[Moments]]:
    """The moments of one batch (N, C, H, W) in every normalisation of a tree's paths."""
    found: dict[tuple[int, ...], list[Moments]] = {(): []}
    maps: list[Tensor] = [_normalised(supernet.stem, x, found[()])] * (tree.layers + 1)
    for number, layer, choice in tree.nodes():
        prefix = tuple(tree.paths[number, : layer + 1].tolist())
        found[prefix] = []
        maps[layer + 1] = _normalised(supernet.choice(layer, choice), maps[layer], found[prefix])
        if layer + 1 == tree.layers:
            found[(*prefix, -1)] = []
            _normalised(supernet.head, maps[-1], found[(*prefix, -1)])
    return found


@torch.no_grad()
def adopt(supernet: Supernet, path: Sequence[int], statistics: Statistics) -> None:
    """Put a path's recalibrated statistics into the supernet's normalisations, in place: for an extraction."""
    prefix: tuple[int, ...] = ()
    modules: list[tuple[nn.Module, tuple[int, ...]]] = [(supernet.stem, ())]
    for layer, choice in enumerate(path):
        prefix = (*prefix, int(choice))
        modules.append((supernet.choice(layer, choice), prefix))
    for module, key in [*modules, (supernet.head, (*prefix, -1))]:
        norms = [norm for norm in module.modules() if isinstance(norm, nn.BatchNorm2d)]
        for norm, (mean, variance) in zip(norms, statistics[key], strict=True):
            assert norm.running_mean is not None  # our normalisations track statistics
            assert norm.running_var is not None
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)


def _normalised(module: nn.Module, x: Tensor, found: list[Moments]) -> Tensor:
    """``module`` of ``x``, every normalisation by the batch; their moments are appended to ``found``."""
    if isinstance(module, nn.BatchNorm2d):
        mean, variance = (torch.zeros_like(module.weight) for _ in range(2))
        out = functional.batch_norm(x, mean, variance, module.weight, module.bias, True, 1.0, module.eps)
        found.append((mean, variance))
        return out
    if isinstance(module, InvertedBottleneck):
        inner = module.activation(_normalised(module.norm_1, module.expand(x), found))
        inner = module.activation(_normalised(module.norm_2, module.depthwise(inner), found))
        if module.squeeze is not None:
            inner = module.squeeze(inner)
        inner = _normalised(module.norm_3, module.project(inner), found)
        return inner + x if module.shortcut else inner
    if isinstance(module, nn.Sequential):
        for part in module:
            x = _normalised(part, x, found)
        return x
    assert isinstance(module, nn.Conv2d | PlainSkip | nn.ReLU | nn.ReLU6 | nn.Hardswish)
    plain: Tensor = module(x)
    return plain
