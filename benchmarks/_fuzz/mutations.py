"""Mutations: a valid input with a few things wrong, drawn from a generator."""

import json
from typing import Any

import numpy as np

WORDS = (
    b"", b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"1.5", b"9" * 30, b"9" * 5000, b"[]", b"{}",
    b'"', b"\\ud800", "é".encode(), "٣".encode(), b"\0", b"\xff", b"\r\n", b"\n\n", b"\t", b"[" * 3000,
    b'{"a":' * 3000, b"=", b",", b";", b"@", b"|", b"{", b"}", b"<=", b"..", b"%s", b"PK\x03\x04", b"\x1b[31m",
)  # fmt: skip
"""What is put in between."""
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "0", "max accuracy",
    "\ud800", "x" * 10_000, [], {}, [[]], [None], {"": None}, [0] * 5000, [1, "a", {}],
)  # fmt: skip
"""What stands in the place of a value of JSON."""


def mutated(data: bytes, draw: np.random.Generator) -> bytes:
    """The input with one to about five things wrong."""
    for _ in range(1 + int(draw.geometric(0.6))):
        if data[:1] in (b"{", b"[") and draw.random() < 0.7:
            try:
                data = _other_value(data, draw)
                continue
            except (ValueError, RecursionError):
                pass  # it is no JSON any more
        data = _other_bytes(data, draw)
    return data


def _other_bytes(data: bytes, draw: np.random.Generator) -> bytes:
    place, kind = int(draw.integers(len(data) + 1)), int(draw.integers(6))
    end = min(len(data), place + int(draw.geometric(0.1)))
    if kind == 0 and place < len(data):
        return data[:place] + bytes([data[place] ^ 1 << int(draw.integers(8))]) + data[place + 1 :]
    if kind == 1:
        return data[:place] + data[end:]
    if kind == 2:
        return data[:end] + data[place:end] * int(draw.integers(1, 4)) + data[end:]
    if kind == 3:
        return data[:place]
    if kind == 4:
        return data[:place] + draw.bytes(end - place) + data[end:]
    return data[:place] + WORDS[int(draw.integers(len(WORDS)))] + data[end if draw.random() < 0.5 else place :]


def _other_value(data: bytes, draw: np.random.Generator) -> bytes:
    """JSON with one value another, gone, or twice."""
    whole = json.loads(data)
    places = list(_places(whole))
    if not places:
        raise ValueError("there is no value")
    holder, name = places[int(draw.integers(len(places)))]
    kind = draw.random()
    if kind < 0.15:
        del holder[name]
    elif kind < 0.3:
        other, source = places[int(draw.integers(len(places)))]
        holder[name] = json.loads(json.dumps(other[source])) if source in _names(other) else None
    elif kind < 0.4 and isinstance(holder, list):
        holder[name:name] = [holder[name]] * int(draw.integers(1, 40))
    elif kind < 0.5 and isinstance(holder, dict):
        holder[f"{name}2"] = holder[name]
    else:
        holder[name] = VALUES[int(draw.integers(len(VALUES)))]
    return json.dumps(whole).encode()


def _names(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))


def _places(value: Any) -> Any:
    """Every place that holds a value, as what holds it and its name or number there."""
    if isinstance(value, dict | list):
        for name in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, name
            yield from _places(value[name])
