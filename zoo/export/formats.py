"""What is known of delivered files without torch: what formats need, their tolerance, the name of a run's model."""

import importlib.util

TOLERANCE = 1e-4
"""Largest deviation from the network's logits, as a share of the largest logit, or absolute where that is below 1."""
NAME = "model.pt"
"""Of the file in the folder of a run that ends with a model."""
EXTRA = "pip install 'thriftnas[export]'"


def require(format: str, modules: tuple[str, ...]) -> None:
    """Find out early whether what a format needs is installed.

    Raises:
        ValueError: naming what is missing and how to get it.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"the format {format} needs {', '.join(missing)}, which is not installed: {EXTRA}")
