"""Trained networks as files others can use."""

from zoo.export.model import Model, load_model, save_model

__all__ = ["Model", "load_model", "save_model"]
