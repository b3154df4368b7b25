"""thriftnas in Python: a study, a search, a supernet, a front or a training in one call; each returns a Run.

Nothing here imports torch by itself.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo import __version__

if TYPE_CHECKING:
    from thriftnas.jobs import build, darts, econas, front, study, supernet, train
    from thriftnas.reading import load_model, load_run, resume
    from zoo.experiments.run import Run

_PLACES = {
    **dict.fromkeys(("build", "darts", "econas", "front", "study", "supernet", "train"), "thriftnas.jobs"),
    **dict.fromkeys(("load_model", "load_run", "resume"), "thriftnas.reading"),
    "Run": "zoo.experiments.run",
}

__all__ = [
    "Run",
    "__version__",
    "build",
    "darts",
    "econas",
    "front",
    "load_model",
    "load_run",
    "resume",
    "study",
    "supernet",
    "train",
]


def __getattr__(name: str) -> Any:
    """Names are imported when they are used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'thriftnas' has no attribute {name!r}")
    import_module("thriftnas.notebook")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
