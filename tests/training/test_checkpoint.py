"""Checkpoints: the same state in the same bytes, and nothing but a checkpoint of this network is read."""

import io
import os
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.networks import build_network
from zoo.networks.cell_network import CellNetwork
from zoo.spaces import PUBLISHED, Skeleton
from zoo.training import Recipe
from zoo.training.checkpoint import load_checkpoint, save_checkpoint
from zoo.training.trainer import make_optimizer

SKELETON = Skeleton(channels=2, cells=3, resolution=8, classes=3)
Trained = tuple[CellNetwork, torch.optim.SGD]


def fresh(seed: int = 0, name: str = "PC_DARTS", channels: int = 2, channels_last: bool = True) -> Trained:
    skeleton = Skeleton(channels=channels, cells=3, resolution=8, classes=3)
    network = build_network(PUBLISHED[name], skeleton, torch.Generator().manual_seed(seed))
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    return network, make_optimizer(network, Recipe())


def trained(steps: int = 2, channels_last: bool = True) -> Trained:
    network, optimizer = fresh(channels_last=channels_last)
    step(network, optimizer, steps)
    return network, optimizer


def step(network: CellNetwork, optimizer: torch.optim.SGD, steps: int) -> None:
    images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    for _ in range(steps):
        optimizer.zero_grad()
        network(images).square().mean().backward()
        optimizer.step()


@cache
def two_steps() -> bytes:
    """A checkpoint to damage."""
    return save_checkpoint(*trained(), 2)


def saved(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def state_of(data: bytes) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(io.BytesIO(data), weights_only=True)
    return state


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_state_comes_back_whole(channels_last: bool) -> None:
    data = save_checkpoint(*trained(channels_last=channels_last), 7)
    network, optimizer = fresh(seed=1, channels_last=channels_last)
    assert load_checkpoint(data, network, optimizer) == 7
    assert save_checkpoint(network, optimizer, 7) == data
    straight = trained(4, channels_last)
    step(network, optimizer, 2)
    assert save_checkpoint(network, optimizer, 7) == save_checkpoint(*straight, 7), "the next steps, too"


def test_equal_states_have_equal_bytes_and_others_not() -> None:
    assert save_checkpoint(*trained(), 2) == save_checkpoint(*trained(), 2)
    assert save_checkpoint(*trained(), 2) != save_checkpoint(*trained(), 3)
    assert save_checkpoint(*trained(2), 2) != save_checkpoint(*trained(3), 2)


def test_a_network_without_momentum_yet_can_be_saved() -> None:
    network, optimizer = fresh()
    load_checkpoint(save_checkpoint(*fresh(seed=1), 0), network, optimizer)
    assert all("momentum_buffer" not in optimizer.state[p] for p in network.parameters())


def refused(data: bytes, match: str, target: Trained | None = None) -> None:
    network, optimizer = target or fresh()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=match) as error:
        load_checkpoint(data, network, optimizer)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    assert error.value.__cause__ is None
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    good = state_of(two_steps())
    for data in (
        saved({**good, "extra": Trap(marker)}),
        saved({"schema": 1, "epoch": 2, "network": Trap(marker), "momentum": []}),
        pickle.dumps(Trap(marker)),
    ):
        refused(data, "cannot be read safely")
        assert not marker.exists()


def test_the_trap_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_truncated_or_foreign_bytes_are_refused() -> None:
    data = two_steps()
    for length in (0, 1, 100, len(data) // 2, len(data) - 1):
        refused(data[:length], "cannot be read safely")
    refused(b"not a checkpoint", "cannot be read safely")


def test_flipped_bytes_never_pass_unnoticed_as_an_exception_of_another_kind() -> None:
    """Damage inside the numbers cannot be seen here (the store checks the hash); any other must be a ValueError."""
    data = two_steps()
    for place in range(0, len(data), max(1, len(data) // 12)):
        damaged = bytearray(data)
        damaged[place] ^= 0xFF
        try:
            load_checkpoint(bytes(damaged), *fresh())
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_another_networks_checkpoint_is_refused() -> None:
    data = two_steps()
    refused(data, "another network", fresh(name="DARTS_V1"))
    refused(data, "another network", fresh(channels=3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2 is not known, expected 1"),
        ({"schema": None}, "schema None"),
        ({"network": None}, "must hold a network"),
        ({"network": {}}, "another network"),
        ({"momentum": None}, "must hold a network, its momentum"),
        ({"momentum": []}, "momentum"),
        ({"epoch": "2"}, "epochs done"),
    ],
    ids=str,
)
def test_a_state_that_lacks_something_is_refused(change: dict[str, Any], message: str) -> None:
    refused(saved(state_of(two_steps()) | change), message)


def test_momentum_of_another_shape_or_kind_is_refused() -> None:
    state = state_of(two_steps())
    refused(saved(state | {"momentum": state["momentum"][::-1]}), "momentum")
    refused(saved(state | {"momentum": [1.0] * len(state["momentum"])}), "momentum")


@pytest.mark.parametrize("content", [[1, 2], 3, torch.zeros(2)], ids=["list", "number", "tensor"])
def test_content_that_is_no_state_is_refused(content: Any) -> None:
    refused(saved(content), "expected named tensors")
