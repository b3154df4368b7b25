"""A GPU that computes nothing: tensors that know their device, dtype and shape only, and notice who waits for them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.networks.cell_network import CellNetwork


class LaunchesOnly(TorchDispatchMode):
    """Fails at an operator that would wait for the device without saying so: fake tensors stop all others."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.segment_reduce.default:
            assert kwargs["unsafe"], "segment_reduce checks its lengths on the host"
        return func(*args, **(kwargs or {}))


def moved(networks: Sequence[CellNetwork]) -> Sequence[CellNetwork]:
    """The networks with their tensors on the GPU; to be called where ``FakeTensorMode`` is on."""
    for network in networks:
        for module in network.modules():
            for name, value in module._parameters.items():
                if value is not None:
                    module._parameters[name] = nn.Parameter(torch.empty(value.shape, device="cuda"))
            for name, buffer in module._buffers.items():
                assert buffer is not None
                module._buffers[name] = torch.empty(buffer.shape, device="cuda", dtype=buffer.dtype)
    return networks


def on_gpu(networks: Sequence[CellNetwork], use: Callable[[Sequence[CellNetwork]], Any]) -> Any:
    """What ``use`` gives with the networks on the GPU that computes nothing.

    Raises:
        torch._subclasses.fake_tensor.DataDependentOutputException: where the host asks for a number of the device.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        held = moved(networks)
        with LaunchesOnly():
            return use(held)
