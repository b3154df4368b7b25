"""Images as arrays, by name, and their augmentation in batches on the device.

What this package offers is imported when it is asked for.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazily

if TYPE_CHECKING:
    from zoo.data.held import Arrays
    from zoo.data.image_set import ImageSet
    from zoo.data.sources import SOURCES, load

__all__ = ["SOURCES", "Arrays", "ImageSet", "load"]

__getattr__ = lazily(
    __name__,
    {"SOURCES": "sources", "Arrays": "held", "ImageSet": "image_set", "load": "sources"},
)
