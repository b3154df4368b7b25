"""Images as arrays, by name, and their augmentation in batches on the device."""

from zoo.data.image_set import ImageSet
from zoo.data.sources import SOURCES, load

__all__ = ["SOURCES", "ImageSet", "load"]
