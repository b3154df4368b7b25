"""Small supernets with weights and statistics that matter everywhere, and a table of made-up accuracies."""

import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scarlet.supernet.form import SupernetForm
from scarlet.supernet.supernet import Supernet, build_supernet
from zoo.data.image_set import ImageSet, Split
from zoo.spaces.skeleton import Skeleton

Make = Callable[..., Supernet]


@cache
def make_supernet(
    space: str = "scarlet-s2-cifar",
    *,
    stabilizers: bool = True,
    shared_squeeze: bool = False,
    channels: int = 4,
    resolution: int = 8,
    classes: int = 4,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Supernet:
    """A supernet whose normalisations have statistics and weights of their own; shared: copy it before changing it."""
    form = SupernetForm(space=space, stabilizers=stabilizers, shared_squeeze=shared_squeeze)
    skeleton = Skeleton(channels=channels, cells=1, resolution=resolution, classes=classes)
    generator = torch.Generator().manual_seed(seed)
    network = build_supernet(form, skeleton, generator, dtype=dtype)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.uniform_(-0.5, 0.5, generator=generator)
            module.running_mean.uniform_(-0.2, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    skips = [network.choice(layer, network.chain.skip) for layer in range(network.chain.starts[-1])]
    for module in skips:
        if isinstance(module, nn.Conv2d):  # as after training
            with torch.no_grad():
                module.weight.add_(torch.empty_like(module.weight).uniform_(-0.5, 0.5, generator=generator))
    return network.eval()


@pytest.fixture(scope="session")
def supernet() -> Make:
    """Makes a supernet, see :func:`make_supernet`."""
    return make_supernet


@pytest.fixture(scope="session")
def random_paths() -> Callable[..., np.ndarray]:
    """Paths of a supernet, some of their layers made skips."""

    def draw(network: Supernet, count: int, seed: int = 0, skips: float = 0.0) -> np.ndarray:
        rng, chain = np.random.default_rng(seed), network.chain
        paths = rng.integers(len(chain.choices), size=(count, chain.starts[-1]))
        return np.where(rng.random(paths.shape) < skips, chain.skip, paths)

    return draw


@pytest.fixture(scope="session")
def images() -> ImageSet:
    """Random images of four classes that differ in brightness: 64 to train on, 40 to validate."""
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        labels = np.arange(count, dtype=np.int64) % 4
        pixels = rng.integers(0, 64, (count, 3, 8, 8)) + labels[:, None, None, None] * 60
        return Split(images=pixels.astype(np.uint8), labels=labels)

    return ImageSet(
        name="brightness",
        classes=("a", "b", "c", "d"),
        train=split(64),
        validation=split(40),
        test=split(8),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        flip=True,
    )


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up table of NAS-Bench-Macro's form."""
    path = tmp_path_factory.mktemp("table") / "macro.csv.gz"
    rows = ["arch,mean_acc,params,flops"]
    for choices in np.ndindex((3,) * 8):
        size = sum(choice * (1 + i % 3) for i, choice in enumerate(choices))
        accuracy = 100 * (1 - np.exp(-size / 9)) - (choices[0] == 1)
        rows.append(f"{''.join(map(str, choices))},{accuracy:.3f},{1000 + 10 * size},{1e6 * (1 + size)}")
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    return path
