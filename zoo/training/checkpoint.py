"""Checkpoints: a training state as bytes that a stranger's copy of may be read without running code."""

import errno
import io
import pickle
import warnings
import zipfile
from typing import Any

import torch
from torch import nn

SCHEMA = 1


def save_checkpoint(network: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> bytes:
    """Weights, buffers, momentum and the epochs done, as bytes; equal states give equal bytes."""
    state = {
        "schema": SCHEMA,
        "epoch": epoch,
        "network": {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()},
        "momentum": [_momentum(optimizer, p) for group in optimizer.param_groups for p in group["params"]],
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def load_checkpoint(data: bytes, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Put a saved state back; returns the epochs done.

    Raises:
        ValueError: if the bytes are no checkpoint, hold anything but tensors and numbers, or fit another network.
    """
    state = read_tensors(io.BytesIO(data), "checkpoint")
    if state.get("schema") != SCHEMA:
        raise ValueError(f"checkpoint schema {state.get('schema')!r} is not known, expected {SCHEMA}")
    weights, buffers, epoch = (state.get(name) for name in ("network", "momentum", "epoch"))
    if not isinstance(weights, dict) or not isinstance(buffers, list) or not isinstance(epoch, int):
        raise ValueError("the checkpoint must hold a network, its momentum and the epochs done")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    fits = len(buffers) == len(parameters) and all(
        buffer is None or (isinstance(buffer, torch.Tensor) and buffer.shape == parameter.shape)
        for buffer, parameter in zip(buffers, parameters, strict=True)
    )
    if not fits:  # before anything is loaded: half a state must not stay behind
        raise ValueError("the checkpoint is of another network: its momentum has other shapes")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        detail = " ".join(line.strip() for line in str(error).splitlines()[1:2])
        raise ValueError(f"the checkpoint is of another network: {detail[:200]}") from None
    for parameter, momentum in zip(parameters, buffers, strict=True):
        if momentum is not None:
            # Laid out as its weight: torch's fused SGD goes through memory, whatever the strides say.
            optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(momentum)
    return epoch


def read_tensors(source: Any, what: str) -> dict[str, Any]:
    """``torch.load`` of a path or file with weights only, once every part has the checksum it was written with.

    torch writes an archive with a CRC-32 of each of its parts and does not look at them when it reads: a weight with a
    flipped bit would be a weight like any other. Every file that torch has ever written so has them.

    Raises:
        ValueError: naming ``what`` if the content is damaged or holds anything that could run code.
    """
    _check_sums(source, what)
    try:
        with warnings.catch_warnings():  # torch's advice on such files is for those who trust them
            warnings.simplefilter("ignore")
            state = torch.load(source, map_location="cpu", weights_only=True)
    except OSError as error:
        raise _of_content(error, what) from None
    except pickle.UnpicklingError:  # torch's own text advises to run the code
        raise ValueError(f"the {what} cannot be read safely: it holds other things than tensors and numbers") from None
    except Exception as error:  # torch raises a different one for every kind of damage
        detail = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"the {what} cannot be read safely: {detail[:200]}") from None
    if not isinstance(state, dict):
        raise ValueError(f"the {what} holds {type(state).__name__}, expected named tensors")
    return state


def _of_content(error: OSError, what: str) -> Exception:
    """The error itself; where a damaged file sends its reader to a place before its beginning, what that means."""
    return ValueError(f"the {what} cannot be read safely: {error}") if error.errno == errno.EINVAL else error


def _check_sums(source: Any, what: str) -> None:
    """Read every part of an archive and compare its checksum.

    Raises:
        ValueError: naming ``what`` and the part that differs.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            broken = archive.testzip()
            strange = [part.filename for part in archive.infolist() if part.compress_type != zipfile.ZIP_STORED]
    except OSError as error:
        raise _of_content(error, what) from None
    except Exception:  # zipfile, too, raises a different one for every kind of damage
        raise ValueError(f"the {what} cannot be read safely: it is no such file, or not the whole of one") from None
    if broken is None and strange:  # torch stores; a compressed part is what a damaged header says
        broken = strange[0]
    if broken is not None:
        part = broken.rpartition("/")[2]
        raise ValueError(f"the {what} is damaged: the checksum of its part {part!r} is not that of what is there")
    if hasattr(source, "seek"):
        source.seek(0)


def _momentum(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> torch.Tensor | None:
    buffer = optimizer.state.get(parameter, {}).get("momentum_buffer")
    # a copy in torch's usual order, strides of sides of length 1 included, which contiguous() would leave alone
    return None if buffer is None else buffer.detach().cpu().clone(memory_format=torch.contiguous_format)
