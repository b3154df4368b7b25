"""thriftnas in Python: a study, a search, a supernet, a front or a training in one call; each returns a Run.

``analyse`` judges a table of your own instead, and returns an Analysis.

Importing it needs neither torch nor pandas nor ray. Genotypes, trials, records and fronts then show themselves in a
notebook.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from thriftnas import notebook
from zoo import __version__

if TYPE_CHECKING:
    from thriftnas.analysis import analyse
    from thriftnas.by_algorithm import front_by, problem
    from thriftnas.jobs import build, study, train
    from thriftnas.reading import load_model, load_run, resume
    from thriftnas.searches import darts, econas, front, supernet
    from zoo.experiments.run import Run

_PLACES = {
    **dict.fromkeys(("build", "study", "train"), "thriftnas.jobs"),
    **dict.fromkeys(("darts", "econas", "front", "supernet"), "thriftnas.searches"),
    **dict.fromkeys(("load_model", "load_run", "resume"), "thriftnas.reading"),
    **dict.fromkeys(("front_by", "problem"), "thriftnas.by_algorithm"),
    "analyse": "thriftnas.analysis",
    "Run": "zoo.experiments.run",
}

__all__ = [
    "Run",
    "__version__",
    "analyse",
    "build",
    "darts",
    "econas",
    "front",
    "front_by",
    "load_model",
    "load_run",
    "problem",
    "resume",
    "study",
    "supernet",
    "train",
]

notebook.attach()


def __getattr__(name: str) -> Any:
    """Names are imported when they are used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'thriftnas' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
