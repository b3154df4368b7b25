"""What a search measures networks with: a published table, or the weights they inherit from a supernet."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scarlet.evaluation.subnets import Inheritance, make_subnet_evaluator, require_enough
from scarlet.supernet.file import NAME, load_supernet, require_fitting
from zoo.data.image_set import ImageSet
from zoo.population.costs import ClosedFormCosts, CostedEvaluator, Costs, JointCosts, read_latency
from zoo.population.table import Table, read_table
from zoo.population.trial import Evaluator
from zoo.spaces.chain_cost import ChainCosts, scaled_chain
from zoo.spaces.chain_space import CHAIN_SPACES, ChainSpace
from zoo.spaces.skeleton import Skeleton


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A way to measure the networks of a space.

    Attributes:
        space: of the networks.
        costs: what is known before an evaluation.
        measured: what an evaluation measures.
        identity: what makes the same search on the same source the same run.
        make: makes a worker's evaluator from the payload; can be sent to a worker.
        payload: what goes to every node once.
        threads: CPU threads of a worker.
    """

    space: ChainSpace
    costs: Costs
    measured: tuple[str, ...]
    identity: dict[str, Any]
    make: Callable[[Any], Evaluator]
    payload: Any
    threads: int = 1


def table_source(path: Path, latency: Path | None) -> Source:
    """A published table as a source.

    Args:
        path: of the table.
        latency: of a table of latencies, if there is one.

    Raises:
        ValueError: as :func:`read_table` and :func:`read_latency`.
    """
    table = read_table(path)
    costs = with_latency(table.costs, latency, table.space)
    return Source(
        space=table.space,
        costs=costs,
        measured=("accuracy",),
        identity={"table": _hash(path), **latency_identity(latency)},
        make=_table_evaluator,
        payload=(table, costs),
    )


MEASURED = ("accuracy", "balanced_accuracy", "loss")
"""What an evaluation on inherited weights measures, costs apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What a supernet says of itself.

    Attributes:
        path: of its file.
        hash: SHA-256 of its content.
        skeleton: of its networks.
        space: of its paths.
        classes: names, in the order of its logits.
        data: fingerprint of the images it was trained on, None where it does not say.
        seed: which chose these images out of their data set.
    """

    path: Path
    hash: str
    skeleton: Skeleton
    space: str
    classes: tuple[str, ...]
    data: str | None
    seed: int


def know_supernet(path: Path) -> Knowledge:
    """Read a supernet's file, or the one in its run folder.

    Raises:
        ValueError: if it is no supernet, or damaged.
        OSError: if there is none.
    """
    file = path / NAME if path.is_dir() else path
    held, digest = load_supernet(file)
    return Knowledge(
        path=file.resolve(),
        hash=digest,
        skeleton=held.network.skeleton,
        space=held.network.form.space,
        classes=held.classes,
        data=held.notes.get("data"),
        seed=int(held.notes.get("seed", 0)),
    )


def supernet_source(
    known: Knowledge,
    images: ImageSet,
    latency: Path | None,
    *,
    device: str,
    dtype: str,
    threads: int,
    recalibration: int,
) -> Source:
    """A trained supernet as a source: networks inherit its weights and are measured on the validation images.

    Args:
        known: the supernet.
        images: those it was trained on, so that none of the validation images is among its training images.
        latency: of a table of latencies, if there is one.
        device: where to measure.
        dtype: of weights and maps.
        threads: CPU threads of a worker.
        recalibration: images for every network's own batch-norm statistics; 0: inherited.

    Raises:
        ValueError: for other images or too few of them, or as :class:`Inheritance` and :func:`read_latency`.
    """
    if known.data is not None and known.data != images.fingerprint:
        raise ValueError(
            f"the supernet was trained on other images (fingerprint {known.data[:12]}) than these "
            f"({images.fingerprint[:12]}): expected the same --data, --train and --val"
        )
    require_fitting(images, known.classes, known.skeleton)
    require_enough(images, recalibration)
    inheritance = Inheritance(
        weights=known.path.read_bytes(), device=device, dtype=dtype, threads=threads, recalibration=recalibration,
        seed=known.seed,
    )  # fmt: skip
    space, skeleton = CHAIN_SPACES[known.space], known.skeleton
    chain = scaled_chain(known.space, skeleton)
    counted = ClosedFormCosts(ChainCosts(chain, skeleton.resolution, skeleton.classes, skeleton.in_channels))
    costs = with_latency(counted, latency, space)
    return Source(
        space=space,
        costs=costs,
        measured=MEASURED,
        identity={**inheritance.identity(), "data": images.fingerprint, **latency_identity(latency)},
        make=_subnet_evaluator,
        payload=(inheritance, images, costs),
        threads=threads,
    )


def with_latency(costs: Costs, path: Path | None, space: ChainSpace) -> Costs:
    """The costs with a measured latency, where there is a table of it.

    Raises:
        ValueError: as :func:`read_latency`.
    """
    return costs if path is None else JointCosts((costs, read_latency(path, space.options)))


def latency_identity(path: Path | None) -> dict[str, str]:
    """A run's latencies by what they are, not by where they lie."""
    return {} if path is None else {"latency": _hash(path)}


def _table_evaluator(payload: tuple[Table, Costs]) -> Evaluator:
    table, costs = payload
    return CostedEvaluator(table, costs)


def _subnet_evaluator(payload: tuple[Inheritance, ImageSet, Costs]) -> Evaluator:
    inheritance, images, costs = payload
    return CostedEvaluator(make_subnet_evaluator(inheritance, images), costs)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
