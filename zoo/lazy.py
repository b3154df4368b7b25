"""Lazy names: what a package offers is imported when it is asked for, so that reading does not wait for torch."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """A package with a module that is called as something it offers: its attribute is what it offers."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and name in self.__dict__.get("__all__", ()):
            return  # the import of the module, which stays in sys.modules
        super().__setattr__(name, value)


def lazily(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package.

    Args:
        package: its name.
        places: by name of what it offers the module of the package that has it.
    """

    if any(name == place for name, place in places.items()):
        sys.modules[package].__class__ = _Package

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{places[name]}"), name)

    return get
