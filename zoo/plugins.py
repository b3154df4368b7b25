"""Plug-ins: what installed packages add through entry points, by group and name."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plugin:
    """What an installed package adds.

    Attributes:
        title: what it is, its name and where it comes from, for messages.
        held: the object that its entry point names.
    """

    title: str
    held: Any

    def call(self, *arguments: Any) -> Any:
        """The answer of the object, which is a function.

        Raises:
            ValueError: if it fails; the message is one line and says why.
        """
        try:
            return self.held(*arguments)
        except Exception as error:  # somebody else's function: whatever it raises
            raise ValueError(f"{self.title} failed: {reason_of(error)}") from error


def names(group: str) -> list[str]:
    """The names of a group's plug-ins, sorted."""
    return sorted({point.name for point in entry_points(group=group)})


def plugin(group: str, name: str, what: str) -> Plugin | None:
    """The plug-in of a group with this name, loaded; None if no installed package adds it.

    Args:
        group: of entry points.
        name: of the plug-in.
        what: a plug-in of the group is, for messages, such as "operation".

    Raises:
        ValueError: if two packages add the name, or it cannot be loaded.
    """
    points = {point.value: point for point in entry_points(group=group) if point.name == name}
    if not points:
        return None
    if len(points) > 1:
        raise ValueError(f"the {what} {name!r} comes from several packages, expected one: {', '.join(sorted(points))}")
    (place, point) = next(iter(points.items()))
    title = f"the {what} {name!r} of {place}"
    try:
        return Plugin(title, point.load())
    except Exception as error:  # somebody else's package: whatever is wrong with it
        raise ValueError(f"{title} cannot be loaded: {reason_of(error)}") from error


def named(group: str, name: str, what: str, own: Mapping[str, T]) -> T:
    """Ours of this name, or an installed package's, which is an object of the same kind with that name.

    Args:
        group: of entry points.
        name: of the object.
        what: an object of the group is, for messages, such as "signal".
        own: ours, by name; at least one.

    Raises:
        ValueError: if there is none, or the package's is of another kind or name.
    """
    if name in own:
        return own[name]
    found = plugin(group, name, what)
    if found is None:
        known = [*own, *names(group)]
        raise ValueError(f"{what}: expected {', '.join(known[:-1])} or {known[-1]}, got {name!r}")
    kind, held = type(next(iter(own.values()))), found.held
    if not isinstance(held, kind) or getattr(held, "name", None) != name:
        raise ValueError(f"{found.title} must be a {kind.__name__} of that name, got {held!r}")
    return held


def reason_of(error: Exception) -> str:
    """Why something failed, in one line: the kind of error and its message."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
