"""A study, a zoo, a training: each runs in a folder and returns its Run.

Data are a name (digits, cifar10, ...), a folder of classes, or (images, labels) as arrays or tensors.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from thriftnas.job_options import BuildOptions, StudyOptions, TrainOptions
from thriftnas.options import Given
from zoo.experiments import Run
from zoo.population.metric import AUTO
from zoo.population.proxy import ProxySetting, parse_grid
from zoo.training import small
from zoo.training.recipe import Recipe

if TYPE_CHECKING:
    from zoo.spaces.blueprint import Blueprint
    from zoo.spaces.genotype import CellGenotype, ChainGenotype

SMALL_RECIPE = Recipe(batch=small.BATCH)


def study(data: Any, folder: "Path | str" = "runs/study", **options: Unpack[StudyOptions]) -> Run:
    """Train a zoo of random networks at a reference and at reduced settings; its report says which one to trust.

    Args:
        data: images.
        folder: of the run; calling it again continues.
        options: as of ``thriftnas zoo study``: models, until ("models", "decided"), setting (a grid), reference,
            repeats, target, signals (names), scores (names, or "none"), ...

    Raises:
        ValueError: for anything that does not go together.
    """
    from zoo.experiments.kinds.study import FIXED, MODELS, OWN_SIGNALS, SCORES, StudyExperiment, parse_names

    given = Given("study", options, StudyOptions)
    until = given.take("until", FIXED)
    signals, scores = given.take("signals", OWN_SIGNALS), given.take("scores", SCORES)
    experiment = StudyExperiment(
        signals=parse_names(signals) if isinstance(signals, str) else tuple(signals),
        scores=parse_names(scores) if isinstance(scores, str) else tuple(scores),
        until=until,
        metric=given.take("metric", AUTO),
        models=given.take("models", MODELS.get(until, 1)),
        settings=tuple(parse_grid(given.take("setting", small.GRID))),
        reference=ProxySetting.parse(given.take("reference", small.REFERENCE)),
        setup=given.setup(SMALL_RECIPE, channels=small.CHANNELS, cells=small.CELLS),
        **given.named(dict.fromkeys(("space", "repeats", "target", "at_least", "cost"))),
        **given.grouping(),
    )
    return given.run(experiment, given.source(data), folder)


def build(data: Any, folder: "Path | str" = "runs/zoo", **options: Unpack[BuildOptions]) -> Run:
    """Train random networks at one setting; the best of them is kept as a model.

    Args:
        data: images.
        folder: of the run; calling it again continues.
        options: as of ``thriftnas zoo build``: models, setting, ...

    Raises:
        ValueError: for anything that does not go together.
    """
    from zoo.experiments.kinds.zoo import ZooExperiment

    given = Given("build", options, BuildOptions)
    experiment = ZooExperiment(
        setting=ProxySetting.parse(given.take("setting", small.REFERENCE)),
        setup=given.setup(SMALL_RECIPE, channels=small.CHANNELS, cells=small.CELLS),
        metric=given.take("metric", AUTO),
        **given.named(dict.fromkeys(("space", "models"))),
        **given.grouping(),
    )
    return given.run(experiment, given.source(data), folder)


def train(
    genotype: "CellGenotype | ChainGenotype | Blueprint | Path | str",
    data: Any,
    folder: "Path | str" = "runs/train",
    **options: Unpack[TrainOptions],
) -> Run:
    """Train a genotype at an original setting, as long as papers do; the network is kept as a model.

    Args:
        genotype: cells or a chain, a JSON file, or a public name such as DARTS_V2; an exported model-NN.json says its
            own channels, cells and resolution.
        data: images.
        folder: of the run; calling it again continues.
        options: as of ``thriftnas zoo train``: epochs, channels, cells, recipe ("cifar" or "imagenet"), ...

    Raises:
        ValueError: for anything that does not go together.
    """
    from zoo.experiments.kinds.training import paper_training, training_side
    from zoo.spaces.named import read_blueprint
    from zoo.training.distributed import process_place
    from zoo.training.originals import AUXILIARY, original_of

    given = Given("train", options, TrainOptions)
    original = original_of(given.take("recipe", "cifar"))
    weight = given.take("auxiliary_weight", AUXILIARY)
    what = read_blueprint(str(genotype)) if isinstance(genotype, str | Path) else genotype
    experiment = paper_training(
        what,
        original,
        epochs=given.take("epochs"),
        recipe=given.changed(original.recipe, auxiliary=weight if given.take("auxiliary", False) else 0.0),
        sizes=given.named(dict.fromkeys(("channels", "cells"))),
        precision=given.precision(distributed=True),
        **given.numbers(alone=folder),
    )
    usual = {"sync_bn": False, "loaders": experiment.loaders}
    together = usual | given.named(dict.fromkeys(("sync_bn", "loaders", "compare")))
    experiment = experiment.in_parts(given.take("every"), process_place()[1], **together)
    streamed = given.take("stream", False) or original.streamed
    return given.run(
        experiment, given.source(data, resolution=training_side(what, original), streamed=streamed), folder
    )
