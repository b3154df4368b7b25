"""Images as arrays, by name, and their augmentation in batches on the device.

What this package offers is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.data.held import Arrays
    from zoo.data.image_set import ImageSet
    from zoo.data.sources import SOURCES, load

__all__ = ["SOURCES", "Arrays", "ImageSet", "load"]

_PLACES = {"SOURCES": "sources", "Arrays": "held", "ImageSet": "image_set", "load": "sources"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
