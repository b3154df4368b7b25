"""What a search measures networks with: a published table, or the weights they inherit from a supernet."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scarlet.evaluation.setup import SubnetSetup
from zoo.experiments.kinds.on_images import describe_images
from zoo.population.costs import ClosedFormCosts, CostedEvaluator, Costs, JointCosts, read_latency
from zoo.population.table import Table, read_table
from zoo.population.trial import Evaluator
from zoo.spaces.chain_cost import ChainCosts, scaled_chain
from zoo.spaces.chain_space import CHAIN_SPACES, ChainSpace, choice_names
from zoo.spaces.skeleton import Skeleton

if TYPE_CHECKING:
    from scarlet.evaluation.subnets import Inheritance
    from zoo.data.image_set import ImageSet

MEASURED = ("accuracy", "balanced_accuracy", "loss")
"""What an evaluation on inherited weights measures, costs apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A way to measure the networks of a space.

    Attributes:
        space: of the networks.
        costs: what is known before an evaluation.
        measured: what an evaluation measures.
        identity: what makes the same search with the same measurement the same run.
        make: makes a worker's evaluator from the payload; can be sent to a worker.
        payload: what goes to every node once.
        about: facts of the images; empty for a table.
        images: what networks could be trained on alone; None: a table has none, and of a stream only a part is held.
        skeleton: of the networks; None for a table.
        epochs: of the supernet's training; 0 where they are not known.
    """

    space: ChainSpace
    costs: Costs
    measured: tuple[str, ...]
    identity: dict[str, Any]
    make: Callable[[Any], Evaluator]
    payload: Any
    about: Mapping[str, Any] = field(default_factory=dict)
    images: "ImageSet | None" = None
    skeleton: Skeleton | None = None
    epochs: int = 0


def table_measurement(path: Path, latency: Path | None) -> Measurement:
    """Networks are looked up in a published table.

    Args:
        path: of the table.
        latency: of a table of latencies, if there is one.

    Raises:
        ValueError: as :func:`read_table` and :func:`read_latency`.
    """
    table = read_table(path)
    costs = with_latency(table.costs, latency, table.space)
    return Measurement(
        space=table.space,
        costs=costs,
        measured=("accuracy",),
        identity={"table": _hash(path), **latency_identity(latency)},
        make=_table_evaluator,
        payload=(table, costs),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What a supernet says of itself.

    Attributes:
        path: of its file.
        skeleton: of its networks.
        space: of its paths.
        classes: names, in the order of its logits.
        data: fingerprint of the images it was trained on, None where it does not say.
        seed: which chose these images out of their data set.
        epochs: of its training; 0 where it does not say.
    """

    path: Path
    skeleton: Skeleton
    space: str
    classes: tuple[str, ...]
    data: str | None
    seed: int
    epochs: int = 0


def know_supernet(path: Path) -> Knowledge:
    """Read a supernet's file, or the one in its run folder.

    Raises:
        ValueError: if it is no supernet, or damaged.
        OSError: if there is none.
    """
    from scarlet.supernet.file import NAME, load_supernet

    file = path / NAME if path.is_dir() else path
    held, _ = load_supernet(file)
    return Knowledge(
        path=file.resolve(),
        skeleton=held.network.skeleton,
        space=held.network.form.space,
        classes=held.classes,
        data=held.notes.get("data"),
        seed=int(held.notes.get("seed", 0)),
        epochs=int(held.notes.get("epochs", 0)),
    )


def supernet_measurement(known: Knowledge, images: "ImageSet", latency: Path | None, setup: SubnetSetup) -> Measurement:
    """Networks inherit the weights of a trained supernet and are measured on the validation images.

    Args:
        known: the supernet.
        images: those it was trained on, so that none of the validation images is among its training images.
        latency: of a table of latencies, if there is one.
        setup: how they are measured.

    Raises:
        ValueError: for other images or too few of them, or as :func:`read_latency`.
    """
    from scarlet.evaluation.subnets import Inheritance, require_enough
    from scarlet.supernet.file import require_fitting

    if known.data is not None and known.data != images.fingerprint:
        raise ValueError(
            f"the supernet was trained on other images (fingerprint {known.data[:12]}) than these "
            f"({images.fingerprint[:12]}): expected the same --data, --train and --val"
        )
    require_fitting(images, known.classes, known.skeleton)
    recalibration = setup.recalibrating(len(images.train))
    require_enough(images, recalibration)
    measured_so = dataclasses.asdict(setup) | {"recalibration": recalibration}
    inheritance = Inheritance(weights=known.path.read_bytes(), seed=known.seed, **measured_so)
    space, skeleton = CHAIN_SPACES[known.space], known.skeleton
    chain = scaled_chain(known.space, skeleton)
    counted = ClosedFormCosts(ChainCosts(chain, skeleton.resolution, skeleton.classes, skeleton.in_channels))
    costs = with_latency(counted, latency, space)
    return Measurement(
        space=space,
        costs=costs,
        measured=MEASURED,
        identity={**inheritance.identity(), "data": images.fingerprint, **latency_identity(latency)},
        make=_subnet_evaluator,
        payload=(inheritance, images, costs),
        about=describe_images(images, {}),
        images=None if images.part_of else images,
        skeleton=skeleton,
        epochs=known.epochs,
    )


def with_latency(costs: Costs, path: Path | None, space: ChainSpace) -> Costs:
    """The costs with a measured latency, where there is a table of it.

    Raises:
        ValueError: as :func:`read_latency`.
    """
    return costs if path is None else JointCosts((costs, read_latency(path, space.options, choice_names(space))))


def latency_identity(path: Path | None) -> dict[str, str]:
    """A run's latencies by what they are, not by where they lie."""
    return {} if path is None else {"latency": _hash(path)}


def _table_evaluator(payload: tuple[Table, Costs]) -> Evaluator:
    table, costs = payload
    return CostedEvaluator(table, costs)


def _subnet_evaluator(payload: "tuple[Inheritance, ImageSet, Costs]") -> Evaluator:
    from scarlet.evaluation.subnets import make_subnet_evaluator

    inheritance, images, costs = payload
    return CostedEvaluator(make_subnet_evaluator(inheritance, images), costs)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
