"""The jobs: a study, a zoo, a training, the searches. Each runs in a folder and returns its Run.

Data are a name (digits, cifar10, ...), a folder of classes, or (images, labels) as arrays or tensors.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from thriftnas.options import BuildOptions, Given, StudyOptions
from zoo.experiments import Run
from zoo.population.proxy import ProxySetting, parse_grid

if TYPE_CHECKING:
    from thriftnas.search_options import EcoNASOptions, TrainOptions
    from zoo.spaces.genotype import CellGenotype, ChainGenotype


def study(data: Any, folder: "Path | str" = "runs/study", **options: Unpack[StudyOptions]) -> Run:
    """Train a zoo of random networks at a reference and at reduced settings; its report says which one to trust.

    Args:
        data: images.
        folder: of the run; calling it again continues.
        options: as of ``thriftnas zoo study``: models, setting (a grid), reference, repeats, target, ...

    Raises:
        ValueError: for anything that does not go together.
    """
    from zoo.experiments.kinds.study import StudyExperiment

    given = Given("study", options)
    grid = given.take("setting", "c{0,2,4}r{0,2,4}s{0,1}e{3,6}")
    experiment = StudyExperiment(
        settings=tuple(parse_grid(grid)),
        reference=ProxySetting.parse(given.take("reference", "c0r0s0e12")),
        setup=given.setup(channels=8, cells=5, batch=32),
        **given.fields(StudyExperiment),
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

    given = Given("build", options)
    experiment = ZooExperiment(
        setting=ProxySetting.parse(given.take("setting", "c0r0s0e12")),
        setup=given.setup(channels=8, cells=5, batch=32),
        **given.fields(ZooExperiment),
    )
    return given.run(experiment, given.source(data), folder)


def train(
    genotype: "CellGenotype | ChainGenotype | str",
    data: Any,
    folder: "Path | str" = "runs/train",
    **options: "Unpack[TrainOptions]",
) -> Run:
    """Train a genotype at an original setting, as long as papers do; the network is kept as a model.

    Args:
        genotype: cells or a chain, a JSON file, or a public name such as DARTS_V2.
        data: images.
        folder: of the run; calling it again continues.
        options: as of ``thriftnas zoo train``: epochs, channels, cells, recipe ("cifar" or "imagenet"), ...

    Raises:
        ValueError: for anything that does not go together.
    """
    from zoo.experiments.kinds.training import paper_training
    from zoo.spaces.named import read_genotype
    from zoo.training.originals import AUXILIARY, original_of

    given = Given("train", options)
    original = original_of(given.take("recipe", "cifar"))
    what = read_genotype(genotype) if isinstance(genotype, str) else genotype
    epochs, sizes = given.take("epochs", None), {name: given.take(name, None) for name in ("channels", "cells")}
    auxiliary = AUXILIARY if given.take("auxiliary", False) else 0.0
    experiment = paper_training(
        what,
        original,
        epochs=epochs,
        recipe=given.changed(original.recipe, auxiliary=auxiliary),
        sizes=sizes,
        precision=given.precision(),
        seed=given.take("seed", 0),
        threads=given.take("threads", 1),
    )
    return given.run(experiment, given.source(data), folder)


def econas(data: Any, folder: "Path | str" = "runs/econas", **options: "Unpack[EcoNASOptions]") -> Run:
    """Search cells with cheap trainings and retrain the best fully; the best network is kept as a model.

    Args:
        data: images.
        folder: of the run; calling it again continues.
        options: as of ``thriftnas econas search``: setting, reference, budget, generations, finalists, ...

    Raises:
        ValueError: for anything that does not go together.
    """
    from econas.strategy.parameters import Parameters, equal_stages

    given = Given("econas", options)
    cheap = ProxySetting.parse(given.take("setting", "c4r4s0e60"))
    if "generations" in options:
        options["cycles"] = given.take("generations", None)  # type: ignore[typeddict-unknown-key]
    parameters = Parameters(
        setting=cheap,
        stages=equal_stages(given.take("stages", 3), cheap),
        final=ProxySetting.parse(given.take("reference", "c0r0s0e600")),
        final_every=1,
        final_price=1e-9,  # known with the images
        **given.fields(Parameters),
    )
    return given.run(experiment, given.source(data), folder)
