"""Checkpoints of a search: w, α, β, statistics and both optimizers as bytes that are read without running code."""

import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from milenas.training.training import Learners, Progress
from zoo.training.checkpoint import read_tensors

SCHEMA = 1
ADAM = ("step", "exp_avg", "exp_avg_sq")


def save_search(learners: Learners, part: int, progress: Progress) -> bytes:
    """The state after ``part`` parts of the search, as bytes; equal states give equal bytes."""
    momentum = [_held(learners.weights, p, "momentum_buffer") for p in _stepped(learners.weights)]
    adam = {name: [_held(learners.architecture, p, name) for p in _stepped(learners.architecture)] for name in ADAM}
    state = {
        "schema": SCHEMA,
        "part": part,
        "loss": progress.loss,
        "images": progress.images,
        "supernet": {name: _plain(tensor) for name, tensor in learners.supernet.state_dict().items()},
        "momentum": momentum,
        "adam": adam,
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def load_search(data: bytes, learners: Learners) -> tuple[int, Progress]:
    """Put a saved state back; returns the parts done and what their epoch has summed up.

    Raises:
        ValueError: if the bytes are no checkpoint of a search, hold anything but tensors and numbers, or fit
            another supernet; the learners are unchanged then.
    """
    state = read_tensors(io.BytesIO(data), "checkpoint")
    if state.get("schema") != SCHEMA or "supernet" not in state:
        raise ValueError(f"the checkpoint must be of a search, schema {SCHEMA}; got {state.get('schema')!r}")
    part, loss, images = state.get("part"), state.get("loss"), state.get("images")
    if not isinstance(part, int) or not isinstance(loss, float) or not isinstance(images, int):
        raise ValueError("the checkpoint must say how far the search was")
    stepped, logits = _stepped(learners.weights), _stepped(learners.architecture)
    _check("momentum", state.get("momentum"), [parameter.shape for parameter in stepped])
    adam = state.get("adam")
    if not isinstance(adam, dict) or set(adam) != set(ADAM):
        raise ValueError("the checkpoint must hold the moments of alpha and beta")
    for name in ADAM:
        _check(name, adam[name], [torch.Size() if name == "step" else parameter.shape for parameter in logits])
    own, held = learners.supernet.state_dict(), state["supernet"]
    if not isinstance(held, dict) or set(held) != set(own) or any(tensor is None for tensor in held.values()):
        # torch finds out too, but only after copying what does fit
        raise ValueError("the checkpoint is of another supernet: its tensors have other names")
    _check("state", list(held.values()), [own[name].shape for name in held])
    learners.supernet.load_state_dict(held)
    for parameter, held in zip(stepped, state["momentum"], strict=True):
        if held is not None:
            # Laid out as the weight: torch's fused SGD goes through memory, whatever the strides say.
            learners.weights.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(held)
    for i, parameter in enumerate(logits):
        if adam["step"][i] is not None:
            moments = {name: adam[name][i].to(parameter) for name in ADAM[1:]}
            fused = learners.architecture.param_groups[0]["fused"]  # then it counts on the device
            step = adam["step"][i].to(parameter.device if fused else "cpu")
            learners.architecture.state[parameter] = {"step": step, **moments}
    return part, Progress(loss, images)


def _stepped(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _held(optimizer: torch.optim.Optimizer, parameter: nn.Parameter, name: str) -> Tensor | None:
    value = optimizer.state.get(parameter, {}).get(name)
    return None if value is None else _plain(value)


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def _check(name: str, held: Any, shapes: Sequence[torch.Size]) -> None:
    fits = isinstance(held, list) and len(held) == len(shapes)
    if not fits or not all(
        value is None or (isinstance(value, Tensor) and value.shape == shape)
        for value, shape in zip(held, shapes, strict=True)
    ):
        raise ValueError(f"the checkpoint is of another supernet: its {name} has other shapes")
