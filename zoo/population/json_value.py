"""JSON values: what tags of trials and notes of records hold."""

import math
from collections.abc import Mapping
from typing import TypeAlias

JSON: TypeAlias = str | int | float | bool | list["JSON"] | dict[str, "JSON"] | None
"""Text, finite numbers, truth values, None, and lists and dictionaries of these."""


def check_json(values: Mapping[str, JSON], what: str) -> None:
    """Find out whether JSON holds ``values`` and gives the same back.

    Args:
        values: by name.
        what: they are called in the message.

    Raises:
        ValueError: for anything else, such as a tuple, nan, or a key that is no text.
    """
    for name, value in values.items():
        _check(name, value, what)


def _check(name: object, value: object, what: str) -> None:
    if not isinstance(name, str):
        raise ValueError(f"names of {what} must be text, got {name!r}")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"numbers of {what} must be finite, got {value!r} as {name!r}")
    elif isinstance(value, list):
        for one in value:
            _check(name, one, what)
    elif isinstance(value, dict):
        for key, one in value.items():
            _check(key, one, what)
    elif value is not None and not isinstance(value, str | int):  # a bool is an int
        raise ValueError(f"{what} must be JSON, got {type(value).__name__} {value!r} as {name!r}")
