"""Trained networks as files others can use.

What this package offers is imported when it is asked for: reading a run's table needs no torch.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazily

if TYPE_CHECKING:
    from zoo.export.model import Model, load_model, save_model

__all__ = ["Model", "load_model", "save_model"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "model"))
