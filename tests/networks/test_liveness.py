"""Liveness: validation lets go of values after their last reader, and how much it holds is known beforehand."""

import math
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zoo.networks import build_network
from zoo.networks.engine import program as engine
from zoo.networks.engine.liveness import last_reads
from zoo.networks.engine.passes import Pass
from zoo.networks.engine.program import Program
from zoo.spaces import CELL_SPACES, Skeleton

IMAGES = 256


class Held(TorchDispatchMode):
    """Counts the bytes of tensors that are made inside and still there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor) and (storage := tensor.untyped_storage())._cdata not in self._seen:
                self._seen.add(storage._cdata)
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
        return found

    def _gone(self, number: int, size: int) -> None:
        self._seen.discard(number)
        self.now -= size


def program(space: str, monkeypatch: pytest.MonkeyPatch, count: int = 2) -> Program:
    """As on a GPU: all work of one shape is one layer."""
    monkeypatch.setattr(engine, "room_on", lambda *_: math.inf)
    skeleton = Skeleton(channels=4, cells=8, resolution=8)
    genotypes = [CELL_SPACES[space].sample(np.random.default_rng(seed)) for seed in range(count)]
    return Program([build_network(one, skeleton, torch.Generator().manual_seed(0)) for one in genotypes])


@pytest.mark.parametrize("space", ["econas-search", "econas-zoo", "darts"])
def test_validation_holds_what_was_said_and_a_fraction_of_all_values(
    space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = program(space, monkeypatch)
    images = torch.randn(2, IMAGES, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with Held() as held:
        run, logits, _ = made.forward(images, training=False)
    assert held.most <= IMAGES * made.bytes_per_image <= 2 * held.most
    assert set(run.values) == set(made._plan.logits)  # and nothing else

    monkeypatch.setattr(Pass, "drop", lambda *_: None)
    with Held() as kept:
        _, same, _ = made.forward(images, training=False)
    assert torch.equal(logits, same)
    assert kept.most > 3 * held.most  # of 8 cells; of 20 it is ten times as much


def test_a_training_pass_keeps_everything_for_the_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    made = program("econas-search", monkeypatch)
    run, _, _ = made.forward(torch.randn(2, 4, 3, 8, 8), training=True)
    written = {number for layer in made._plan.layers for number in layer.targets}
    assert set(run.values) == written | set(made._plan.images)


def test_every_value_but_the_kept_ones_is_dropped_once_and_read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    made = program("econas-zoo", monkeypatch)
    layers, kept = made._plan.layers, made._plan.logits
    gone: set[int] = set()
    for layer, last in zip(layers, last_reads(layers, kept), strict=True):
        assert not gone.intersection(layer.sources)
        assert not gone.intersection(last)
        gone.update(last)
    values = {number for layer in layers for number in (*layer.sources, *layer.targets)}
    assert gone == values - set(kept)
