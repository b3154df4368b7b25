"""The models of a run: trained again elsewhere, kept by the run itself, or taken out of what its search trained."""

from collections.abc import Callable, Iterable
from pathlib import Path

from zoo.export.delivery import Weights
from zoo.export.model import NAME, Model, load_model
from zoo.plugins import plugin
from zoo.population.run_front import RunFront
from zoo.population.trial import Record, Trial

EXTRACTIONS = "thriftnas.models"
"""Entry-point group: by the name of a run's strategy an :data:`Extraction`."""

Extraction = Callable[[Path, Trial, Record], Model]
"""From a run folder the network of one of its trials, with weights it inherits; ValueError where that cannot be."""


def kept_model(folder: Path) -> Model | None:
    """The model a run ends with, None where it ends with none.

    Raises:
        ValueError: if it is damaged.
    """
    path = folder / NAME
    return load_model(path) if path.exists() else None


def extraction(kind: str) -> Extraction | None:
    """What takes networks out of a run of a search that is no experiment; None where its search offers nothing.

    Raises:
        ValueError: if it cannot be loaded.
    """
    found = plugin(EXTRACTIONS, kind, "source of models")
    return None if found is None else found.held


def weights_of(
    folder: Path, found: RunFront, retrained: Iterable[Path], inherited: Callable[[Trial, Record], Model]
) -> Weights:
    """By row of a front its model: the first of ``retrained`` runs with that genotype, the run's own, or inherited.

    Args:
        folder: the run's.
        found: its front.
        retrained: folders of `zoo train`, or model files.
        inherited: gives the network of a trial; ValueError where it has no weights.

    Raises:
        ValueError: at once for a model that cannot be read; later for a row without weights.
    """
    paths = [path / NAME if path.is_dir() else path for path in retrained]
    trained = {model.genotype.key: model for model in reversed([load_model(path) for path in paths])}
    own = kept_model(folder)

    def weights(row: int) -> Model:
        trial, record = found.trials[row], found.records[row]
        if trial.genotype.key in trained:
            return trained[trial.genotype.key]
        if own is not None and own.genotype.key == trial.genotype.key:
            return own
        return inherited(trial, record)

    return weights
