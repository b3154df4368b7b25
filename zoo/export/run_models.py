"""The models of a run: trained again elsewhere, kept by the run itself, or taken out of what its search trained."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.export.delivery import Weights
from zoo.export.formats import NAME
from zoo.plugins import plugin
from zoo.population.run_front import RunFront
from zoo.population.trial import Record, Trial
from zoo.spaces.blueprint import Blueprint

if TYPE_CHECKING:
    from zoo.export.model import Model

EXTRACTIONS = "thriftnas.models"
"""Entry-point group: by the name of a run's strategy an :data:`Extraction`."""

Extraction = Callable[[Path, Trial, Record], "Model"]
"""From a run folder the network of one of its trials, with weights it inherits; ValueError where that cannot be."""


def kept_model(folder: Path) -> "Model | None":
    """The model a run ends with, None where it ends with none.

    Raises:
        ValueError: if it is damaged.
    """
    path = folder / NAME
    return _read(path) if path.exists() else None


def _read(path: Path) -> "Model":
    from zoo.export.model import load_model  # here: a front of a table is delivered without torch

    return load_model(path)


def extraction(kind: str) -> Extraction | None:
    """What takes networks out of a run of a search that is no experiment; None where its search offers nothing.

    Raises:
        ValueError: if it cannot be loaded.
    """
    found = plugin(EXTRACTIONS, kind, "source of models")
    return None if found is None else found.held


def weights_of(
    folder: Path, found: RunFront, planned: Callable[[int], Blueprint], inherited: "Callable[[Trial, Record], Model]"
) -> Weights:
    """By row of a front its model: the run's own where that is this network, or inherited.

    Args:
        folder: the run's.
        found: its front.
        planned: what the network of a row must be.
        inherited: gives the network of a trial; ValueError where it has no weights.

    Raises:
        ValueError: at once for a model that cannot be read; later for a row without weights.
    """
    own = kept_model(folder)

    def weights(row: int) -> "Model":
        if own is not None and not planned(row).differences(own.blueprint):
            return own
        return inherited(found.trials[row], found.records[row])

    return weights


def retrained_models(
    paths: Iterable[Path], chosen: Iterable[int], planned: Callable[[int], Blueprint]
) -> "dict[int, Model]":
    """By row of a front the network that was trained again for it; of several of one network the first.

    Args:
        paths: folders of `zoo train`, or model files.
        chosen: rows of the models that are delivered.
        planned: what the network of a row must be.

    Raises:
        ValueError: for a model that cannot be read, or that is none of those chosen: another genotype, shape, classes.
    """
    paths = list(paths)
    plans = {row: planned(row) for row in chosen} if paths else {}
    models: dict[int, Model] = {}
    for path in paths:
        model = _read(path / NAME if path.is_dir() else path)
        apart = {row: plan.differences(model.blueprint) for row, plan in plans.items()}
        row = next((row for row, found in apart.items() if not found), None)
        if row is None:
            near = next((found for row, found in apart.items() if plans[row].genotype.key == model.genotype.key), [])
            why = "; ".join(near) or f"its genotype is none of the {len(plans)} models that are exported"
            raise ValueError(f"{path} is another network: {why}")
        models.setdefault(row, model)
    return models
