"""Identities of runs: where two of them differ, in words."""

import json
from collections.abc import Mapping
from typing import Any


def difference(name: str, held: Any, wanted: Any) -> str:
    """The first part of two values that is not the same, by its path: "strategy.version is 1 there, got 3"."""
    if isinstance(held, Mapping) and isinstance(wanted, Mapping):
        for key in {**held, **wanted}:
            if held.get(key) != wanted.get(key):
                return difference(f"{name}.{key}", held.get(key), wanted.get(key))
    return f"{name} is {_short(held)} there, got {_short(wanted)}"


def _short(value: Any) -> str:
    """JSON for one line of an error: a grid of settings would fill the screen."""
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
