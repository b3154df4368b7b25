"""The searches: EcoNAS, a supernet and the front of its networks, a differentiable search. Each returns its Run."""

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from thriftnas.material import counts_of, source_of
from thriftnas.options import Given
from thriftnas.search_options import DartsOptions, EcoNASOptions, FrontOptions, SupernetOptions
from zoo.experiments import Run
from zoo.population.front import read_limits
from zoo.population.metric import AUTO

if TYPE_CHECKING:
    from scarlet.evaluation.setup import SubnetSetup
    from scarlet.experiments.sources import SupernetSource
    from zoo.experiments import Source

ECONAS_NUMBERS = {
    "generations": "cycles",
    **dict.fromkeys(("start", "ageing", "finalists", "final_share", "budget", "asynchronous", "parents", "promotions")),
    **dict.fromkeys(("signal", "metric", "surrogate")),
}
AUDITS = {
    "audit": "mode", "audits": "count", "audit_networks": "networks", "audit_limit": "limit", "audit_share": "share",
}  # fmt: skip
FRONT_NUMBERS = {
    "budget": "evaluations",
    **dict.fromkeys(("population", "generations", "mutation", "random", "reinforced", "prior", "single", "several")),
    "rounds": None,
    "surrogate": None,
}
METHOD = {
    **dict.fromkeys(("update", "lam", "sampler", "bilevel_until")), "arch_lr": "lr", "arch_decay": "weight_decay",
}  # fmt: skip
SETUP = {**dict.fromkeys(("params", "epochs", "every", "split", "eigenvalue")), "final_epochs": "retrain_epochs"}
"""Options, and what they are called as fields of the experiment; see :meth:`Given.named`."""


def econas(
    data: Any = None,
    folder: "Path | str" = "runs/econas",
    *,
    table: "Path | str | None" = None,
    **options: Unpack[EcoNASOptions],
) -> Run:
    """Search cells with cheap trainings and retrain the best fully; the best network is kept as a model.

    Args:
        data: images.
        folder: of the run; calling it again continues.
        table: a published table instead of images: a CSV of NAS-Bench-201, NAS-Bench-Macro or NATS-Bench's sizes.
        options: as of ``thriftnas econas search``: setting, reference, budget, signal, finalists, metric, ...

    Raises:
        ValueError: for anything that does not go together.
    """
    from econas import recipe as papers
    from econas.audit_request import AuditRequest
    from econas.experiment import EcoNASExperiment
    from econas.strategy.parameters import paper_parameters, usual_signal
    from zoo.population.cell_latency import read_cell_latency
    from zoo.training.originals import AUXILIARY

    given, method = Given("econas", options, EcoNASOptions), options.get("method") or "hierarchical"
    if (data is None) == (table is None):
        raise ValueError("expected what to measure networks with: either images or table=FILE")
    if table is not None:
        return _econas_on_table(given, Path(table).expanduser(), folder, method)
    auxiliary = AUXILIARY if given.take("auxiliary", False) else 0.0
    batch = given.take("final_batch", papers.FINAL_RECIPE.batch)
    setup = given.setup(papers.SEARCH_RECIPE, channels=papers.CHANNELS, cells=papers.CELLS)
    experiment = EcoNASExperiment(
        parameters=paper_parameters(
            given.take("setting"),
            given.take("reference"),
            given.take("stages"),
            **{"signal": usual_signal(), **_econas_numbers(given, method)},
        ),
        setup=setup,
        final=dataclasses.replace(
            setup, recipe=dataclasses.replace(papers.FINAL_RECIPE, batch=batch, auxiliary=auxiliary)
        ),
        audits=AuditRequest(**given.named(AUDITS)),
        compare_where_cheap=(compare := given.take("compare")) is None,
        compare=compare or 0,
        within=read_limits(given.texts("limit")),
        latency=None if (timed := given.take("latency")) is None else read_cell_latency(Path(timed).expanduser()),
        **given.named(dict.fromkeys(("method", "space"))),
        **given.grouping(),
    )
    return given.run(experiment, given.source(data), folder)


def _econas_on_table(given: Given, table: Path, folder: "Path | str", method: str) -> Run:
    from econas.table_experiment import table_search

    columns, setting, reference, stages = map(given.take, ("columns", "setting", "reference", "stages"))
    numbers, own = _econas_numbers(given, method), given.named(dict.fromkeys(("method", "group", "seed")))
    own["within"] = read_limits(given.texts("limit"))
    experiment, source = table_search(table, columns, setting, reference, stages, numbers, **own)
    return given.run(experiment, source, folder)


def _econas_numbers(given: Given, method: str) -> dict[str, Any]:
    from econas.strategy.parameters import usual_surrogate

    numbers: dict[str, Any] = {"surrogate": usual_surrogate(method), "metric": AUTO} | given.named(ECONAS_NUMBERS)
    return numbers | {name: tuple(numbers[name]) for name in ("parents", "promotions") if name in numbers}


def supernet(data: Any, folder: "Path | str" = "runs/supernet", **options: Unpack[SupernetOptions]) -> Run:
    """Train a supernet, in which :func:`front` searches; it is kept as one file in the folder.

    Args:
        data: images.
        folder: of the run; calling it again continues.
        options: as of ``thriftnas scarlet train``: space, sampling, stabilizers, epochs, ...

    Raises:
        ValueError: for anything that does not go together.
    """
    from scarlet.experiments.supernet import SupernetExperiment
    from scarlet.supernet.form import SupernetForm
    from scarlet.supernet.recipe import EPOCHS, RECIPE, SPACE
    from scarlet.supernet.setup import SupernetSetup, paper_training
    from zoo.population.proxy import ProxySetting
    from zoo.training.distributed import process_place

    given = Given("supernet", options, SupernetOptions)
    space = given.take("space", SPACE)
    training = paper_training(
        space,
        given.changed(RECIPE),
        channels=given.take("channels"),
        precision=given.precision(distributed=True),
        **given.numbers(alone=folder),
    )
    experiment = SupernetExperiment(
        form=SupernetForm(space=space, **given.named(dict.fromkeys(("stabilizers", "shared_squeeze")))),
        setting=ProxySetting(0, 0, 0, given.take("epochs", EPOCHS)),
        setup=SupernetSetup(
            training=training,
            sampling=given.take("sampling", "fair"),
            **given.named({"stabilizer_start": "start", "every": None}),
        ),
        processes=process_place()[1],
        **given.named({"loaders": None}),
    )
    return given.run(experiment, given.source(data, streamed=given.take("stream", False)), folder)


def front(
    supernet: "Run | Path | str | None" = None,
    folder: "Path | str" = "runs/front",
    *,
    images: Any = None,
    table: "Path | str | None" = None,
    **options: Unpack[FrontOptions],
) -> Run:
    """Search for networks that no other beats: by default accurate, cheap, and large for what they cost.

    Args:
        supernet: run or file of a supernet, whose weights networks inherit.
        folder: of the run; calling it again continues.
        images: those the supernet was trained on; None: those of its run.
        table: a published table instead of a supernet: a CSV of NAS-Bench-Macro, NAS-Bench-201 or NATS-Bench's sizes.
        options: as of ``thriftnas scarlet search``: maximize, minimize, limit, population, generations, ...

    Raises:
        ValueError: for anything that does not go together.
    """
    from scarlet.experiments.front import FrontExperiment
    from scarlet.strategy.audited import Audit
    from scarlet.strategy.goal import read_goal
    from scarlet.strategy.parameters import SearchParameters

    given = Given("front", options, FrontOptions)
    weights = given.take("weights")
    if isinstance(weights, Mapping):
        weights = ",".join(f"{name}={weight!r}" for name, weight in weights.items())
    goal = read_goal(given.texts("maximize"), given.texts("minimize"), weights, given.texts("limit"))
    setup, source = measured_with(given, supernet, images, table)
    audit, epochs = given.take("audit", 0), given.take("audit_epochs", 0)
    experiment = FrontExperiment(
        audit=Audit(networks=audit, epochs=epochs) if audit else None,
        goal=goal,
        parameters=SearchParameters(**{"surrogate": "auto"} | given.named(FRONT_NUMBERS)),
        seed=given.take("seed", 0),
        setup=setup,
        metric=given.take("metric", AUTO),
        signal=given.take("signal", AUTO),
        compare_where_cheap=(compare := given.take("compare")) is None,
        compare=compare or 0,
        **given.named({"group": None}),
    )
    return given.run(experiment, source, folder)


def measured_with(given: Given, supernet: Any, images: Any, table: "Path | str | None") -> "tuple[SubnetSetup, Source]":
    """How networks are measured on a supernet's weights, and where these lie, or a table.

    Raises:
        ValueError: for both or neither, or as :class:`Given`.
    """
    from scarlet.evaluation.setup import SubnetSetup
    from scarlet.experiments.sources import TableSource

    if (supernet is None) == (table is None):
        raise ValueError("expected what to measure networks with: either a supernet or table=FILE")
    latency = None if (path := given.take("latency")) is None else Path(path).expanduser()
    if table is not None:  # which is only read
        return SubnetSetup(), TableSource(table=Path(table).expanduser(), latency=latency)
    precision, own = given.precision(), given.named({"threads": None, "recalibrate": "recalibration"})
    setup = SubnetSetup(device=precision.device, dtype=precision.dtype, **own)
    return setup, _supernet_source(given, supernet, images, latency)


def _supernet_source(given: Given, supernet: Any, images: Any, latency: Path | None) -> "SupernetSource":
    """The supernet with the images named, or with those of its run; of arrays as many as its run has taken."""
    from scarlet.experiments.sources import SupernetSource, supernet_file, supernet_images

    place = supernet.folder if isinstance(supernet, Run) else Path(supernet).expanduser()
    counts = given.named(dict.fromkeys(("train", "validation")))
    known: dict[str, Any] = {}
    if images is not None and not isinstance(images, str | Path):
        with suppress(ValueError):  # the file may lie in no run
            known = counts_of(Run.open(supernet_file(place).parent))
    return SupernetSource(
        supernet=place,
        images=supernet_images(place, **counts) if images is None else source_of(images, **{**known, **counts}),
        latency=latency,
    )


def darts(data: Any, folder: "Path | str" = "runs/darts", **options: Unpack[DartsOptions]) -> Run:
    """Search cells by gradient descent; with finalists the best retrained network is kept as a model.

    Args:
        data: images.
        folder: of the run; calling it again continues.
        options: as of ``thriftnas darts search``: update, topology, epochs, cells, finalists, final_epochs, ...

    Raises:
        ValueError: for anything that does not go together.
    """
    from milenas.experiment import DifferentiableExperiment
    from milenas.supernet.config import paper_config
    from milenas.training.setup import Method, paper_setup
    from zoo.training.distributed import process_place

    given = Given("darts", options, DartsOptions)
    operations = given.take("operations")
    if isinstance(operations, str):
        operations = [name.strip() for name in operations.split(",")]
    shape = paper_config(
        given.take("topology", "fixed"),
        operations=None if operations is None else tuple(operations),
        **given.named(dict.fromkeys(("nodes", "keep"))),
    )
    setup = paper_setup(
        shape,
        given.named(dict.fromkeys(("channels", "cells", "final_channels", "final_cells"))),
        given.named(dict.fromkeys(("batch", "lr"))),
        method=Method(**given.named(METHOD)),
        precision=given.precision(distributed=True),
        **given.named(SETUP),
        **given.numbers(alone=folder),
    )
    experiment = DifferentiableExperiment(
        setup=setup,
        processes=process_place()[1],
        metric=given.take("metric", AUTO),
        **given.named({"expected_size": None, "finalists": "retrain", "loaders": None, "compare": None}),
    )
    return given.run(experiment, given.source(data, streamed=given.take("stream", False)), folder)
