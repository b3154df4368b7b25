"""pymoo's algorithms on our searches: a run by one of them, and a search as a problem to run one on by hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from thriftnas.material import listener
from thriftnas.options import Given
from thriftnas.search_options import AlgorithmOptions, ProblemOptions
from thriftnas.searches import measured_with
from zoo.experiments import Run
from zoo.population.metric import AUTO

if TYPE_CHECKING:
    from scarlet.experiments.by_algorithm import AlgorithmExperiment
    from zoo.experiments import Source


def front_by(
    algorithm: str,
    supernet: "Run | Path | str | None" = None,
    folder: "Path | str" = "runs/front",
    *,
    images: Any = None,
    table: "Path | str | None" = None,
    **options: Unpack[AlgorithmOptions],
) -> Run:
    """Search for networks that no other beats by an algorithm of pymoo instead of the weighted search.

    The run is journaled like any other: it can be killed and continued, by any number of workers, and is reported and
    exported.

    Args:
        algorithm: NSGA2, NSGA3, UNSGA3, SMSEMOA, SPEA2, CTAEA, RVEA, MOEAD (which takes no limits), or the name of one
            that an installed package adds.
        supernet: run or file of a supernet, whose weights networks inherit.
        folder: of the run; calling it again continues.
        images: those the supernet was trained on; None: those of its run.
        table: a published table instead of a supernet, as of :func:`thriftnas.front`.
        options: as of :func:`thriftnas.front`; ``population`` and ``budget``, the networks measured at most, are the
            algorithm's.

    Raises:
        ValueError: for anything that does not go together.
    """
    given = Given("front_by", options, AlgorithmOptions)
    numbers = given.named({"population": None, "budget": "evaluations"})
    experiment, source = _search(given, supernet, images, table, algorithm=algorithm, **numbers)
    return given.run(experiment, source, folder)


def problem(
    supernet: "Run | Path | str | None" = None,
    *,
    images: Any = None,
    table: "Path | str | None" = None,
    **options: Unpack[ProblemOptions],
) -> Any:
    """The search as a ``pymoo.core.problem.Problem``: a whole number per choice, losses, and limits as constraints.

    Networks are measured in this process when pymoo asks for them, no network twice, and none that misses a limit on
    MACs, parameters or a latency. Nothing is journaled.

    Args:
        supernet: run or file of a supernet, whose weights networks inherit.
        images: those the supernet was trained on; None: those of its run.
        table: a published table instead of a supernet, as of :func:`thriftnas.front`.
        options: as of :func:`thriftnas.front`: maximize, minimize, limit, ...

    Returns:
        The problem; an objective to be made large counts with its sign changed, and a limit by how far it is missed,
        as a share of its bound. ``terms.genotypes(X)`` are the genotypes of solutions, ``known`` is what was measured.

    Raises:
        ValueError: for anything that does not go together, or limits that no network is found to keep.
    """
    given = Given("problem", options, ProblemOptions)
    experiment, source = _search(given, supernet, images, table)
    progress = given.take("progress", True)
    given.done()
    with listener(progress) as listen:
        material = source.load(experiment, listen.loading)
        return experiment.fitted(material, listen.said).problem(material)


def _search(
    given: Given, supernet: Any, images: Any, table: "Path | str | None", **own: Any
) -> "tuple[AlgorithmExperiment, Source]":
    from scarlet.experiments.by_algorithm import AlgorithmExperiment
    from scarlet.strategy.goal import read_goal

    setup, source = measured_with(given, supernet, images, table)
    experiment = AlgorithmExperiment(
        goal=read_goal(given.texts("maximize"), given.texts("minimize"), None, given.texts("limit")),
        setup=setup,
        metric=given.take("metric", AUTO),
        signal=given.take("signal", AUTO),
        **given.named({"seed": None, "group": None}),
        **own,
    )
    return experiment, source
