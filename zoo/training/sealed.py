"""Files of tensors that say by themselves whether they are whole: models and supernets, which carry a checksum."""

import hashlib
import io
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from zoo.training.checkpoint import read_tensors

SEAL = "sha256"
"""Name of the checksum in the file."""

_log = logging.getLogger("thriftnas")


def sealed_bytes(state: Mapping[str, Any]) -> bytes:
    """A file's content: named tensors, texts and numbers, with a SHA-256 of them all; equal states, equal bytes."""
    buffer = io.BytesIO()
    torch.save({**state, SEAL: _digest(state)}, buffer)
    return buffer.getvalue()


def read_sealed(source: Any, what: str) -> dict[str, Any]:
    """Read what :func:`sealed_bytes` wrote; of a file of before there were checksums the archive's own must do.

    Args:
        source: path or file.
        what: it is, for errors, with its name.

    Raises:
        ValueError: naming ``what`` if a checksum differs, or as :func:`read_tensors`.
    """
    state = read_tensors(source, what)
    seal = state.pop(SEAL, None)
    if seal is None:
        _log.warning("the %s has no checksum of its own: it is from before there were any", what)
    elif seal != _digest(state):
        raise ValueError(f"the {what} is damaged: its checksum is not that of what is in it")
    return state


def _digest(value: Any) -> str:
    hasher = hashlib.sha256()
    for part in _parts(value):
        hasher.update(part)
    return hasher.hexdigest()


def _parts(value: Any) -> Iterable[bytes]:
    """Everything that a value holds, in an order of its own, so that no two values have the same parts."""
    if isinstance(value, Mapping):
        yield f"{len(value)} names;".encode()
        for name in sorted(value):
            yield f"{name!r}:".encode()
            yield from _parts(value[name])
    elif isinstance(value, torch.Tensor):
        yield f"{value.dtype} {tuple(value.shape)};".encode()
        yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    else:
        yield f"{value!r};".encode()
