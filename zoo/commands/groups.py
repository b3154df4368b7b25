"""Groups of commands that are imported when one is asked for: most need torch, which takes a second or more."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperGroup

Loaders = Mapping[str, Callable[[], Any]]
"""By the name of a command: what gives its function, or a typer app that is a group of its own."""


class _Commands(Mapping[str, Any]):
    """Commands by name: those that are loaded when they are asked for, then those that were added to the group."""

    def __init__(self, loaders: Loaders, added: Mapping[str, Any]) -> None:
        self._names = [*loaders, *added]
        self._loaders, self._ready = loaders, dict(added)

    def __getitem__(self, name: str) -> Any:
        if name not in self._ready:
            self._ready[name] = _made(name, self._loaders[name]())
        return self._ready[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def lazy_group(loaders: Loaders) -> type[TyperGroup]:
    """The class of a group whose commands come from ``loaders``."""

    class Group(TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands = _Commands(loaders, self.commands)  # type: ignore[assignment]

    return Group


def _made(name: str, found: Any) -> Any:
    holder = typer.Typer()
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    return typer.main.get_group(holder).commands[name]
