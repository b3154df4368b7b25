"""Typed data as JSON and back: frozen dataclasses, tuples, settings, genotypes, read by their annotations."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from zoo.population.front import Limit, Objective
from zoo.population.proxy import ProxySetting
from zoo.spaces.genotype import CellGenotype, ChainGenotype, Genotype, SpaceGenotype, genotype_from_json

TEXTS: Mapping[Any, Any] = {ProxySetting: ProxySetting.parse, Objective: Objective.parse, Limit: Limit.parse}
"""Types that are written as text, and what reads them."""
GENOTYPES = (CellGenotype, ChainGenotype, SpaceGenotype)


def encode(value: Any) -> Any:
    """A value as JSON-ready data; a class may say how by ``identity()`` or ``to_dict()``.

    Raises:
        ValueError: for a value that has no such form.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, GENOTYPES):
        return value.to_json()
    if isinstance(value, tuple(TEXTS)):
        return str(value)
    for name in ("identity", "to_dict"):
        if hasattr(value, name):
            return getattr(value, name)()
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): encode(item) for name, item in value.items()}
    if dataclasses.is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise ValueError(f"expected data that JSON can hold, got {type(value).__name__}")


def decode(hint: Any, data: Any) -> Any:
    """Read what :func:`encode` wrote of a value annotated with ``hint``.

    Raises:
        ValueError: for data of another form; says what was expected.
    """
    if hint is Any or hint is dataclasses.MISSING:
        return data
    origin, parts = get_origin(hint), get_args(hint)
    if hint in (Genotype, *GENOTYPES) or (origin in (Union, types.UnionType) and set(parts) <= set(GENOTYPES)):
        return genotype_from_json(data)
    if origin in (Union, types.UnionType):
        return _decode_union(parts, data)
    if origin is Literal:
        if data not in parts:
            raise ValueError(f"expected one of {', '.join(map(repr, parts))}, got {data!r}")
        return data
    if origin is tuple:
        items = parts[:1] * len(data) if parts[1:] == (...,) else parts
        return tuple(decode(part, item) for part, item in zip(items, data, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {name: decode(parts[1], item) for name, item in data.items()}
    if hint in TEXTS:
        return TEXTS[hint](data)
    if hasattr(hint, "from_dict"):
        return hint.from_dict(data)
    if dataclasses.is_dataclass(hint):
        return read_fields(hint, data)
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return data  # JSON writes 1.0 and 1 alike where a user gave a whole number
    if isinstance(hint, type) and not isinstance(data, hint):
        raise ValueError(f"expected {hint.__name__}, got {data!r}")
    return data


def read_fields(kind: Any, data: Any) -> Any:
    """A dataclass from its fields by name; fields that are missing have their defaults.

    Raises:
        ValueError: for data of another form.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"expected the fields of a {kind.__name__}, got {data!r}")
    hints = get_type_hints(kind)
    unknown = set(data) - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise ValueError(f"a {kind.__name__} has no field {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: decode(hints[name], item) for name, item in data.items()})
    except TypeError as error:
        raise ValueError(f"these are no fields of a {kind.__name__}: {error}") from None


def _decode_union(parts: tuple[Any, ...], data: Any) -> Any:
    if data is None and type(None) in parts:
        return None
    rest = [part for part in parts if part is not type(None)]
    if len(rest) == 1:
        return decode(rest[0], data)
    return data
