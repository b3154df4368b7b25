"""The setup of a training: everything that decides what it gives, except the images; no torch."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.spaces.skeleton import Skeleton
from zoo.training.recipe import ADDED, Precision, Recipe

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

ENGINES = ("auto", "plain")
"""auto: as one program with the rest of its batch where maps are small, else plain; plain: the modules themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetup:
    """Everything that decides what training a trial gives, except the images; part of a run's identity.

    Attributes:
        skeleton: of the original setting; proxy settings reduce it.
        recipe: batch, schedule, regularisation.
        precision: device, dtype, memory format.
        seed: of weights, order, augmentation and sample subsets.
        threads: CPU threads of a worker; another number gives other last bits.
        engine: how networks are executed, one of :data:`ENGINES`; another gives other last bits.
        every: steps of a trial, where it is a part of an epoch; None: trials are whole epochs.
        streams: programs that the networks of a batch are shared out to, side by side on a GPU; more give other
            last bits.

    Raises:
        ValueError: for an engine that does not exist, or less than one stream or step.
    """

    skeleton: Skeleton = field(default_factory=Skeleton)
    recipe: Recipe = field(default_factory=Recipe)
    precision: Precision = field(default_factory=Precision)
    seed: int = 0
    threads: int = 1
    engine: str = "plain"
    streams: int = 1
    every: int | None = None

    def __post_init__(self) -> None:
        if self.streams < 1:
            raise ValueError(f"streams must be at least 1, got {self.streams}")
        if self.every is not None and self.every < 1:
            raise ValueError(f"--every must be at least 1 step, got {self.every}")
        if self.engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {self.engine!r}")

    def parts(self, steps: int) -> int:
        """Of an epoch of so many steps: how many trials it is."""
        return 1 if self.every is None else -(-steps // self.every)

    def identity(self) -> dict[str, Any]:
        """The setup as JSON-ready data; the device counts by its type only, and see :data:`ADDED`."""
        data = dataclasses.asdict(self)
        for field_ in dataclasses.fields(Recipe):
            if field_.name in ADDED and data["recipe"][field_.name] == field_.default:
                del data["recipe"][field_.name]
        if self.streams == 1:  # as in runs from before there were any
            del data["streams"]
        if self.every is None:
            del data["every"]
        data["precision"]["device"] = self.precision.device_type
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TrainingSetup":
        """The setup that :meth:`identity` wrote; what was left out has its default, the device no number.

        Raises:
            ValueError: for fields that a setup does not have, or values out of range.
        """
        parts = {"skeleton": Skeleton, "recipe": Recipe, "precision": Precision}
        return read_fields(cls, data, parts)


def read_fields(kind: type[T], data: Mapping[str, Any], parts: Mapping[str, type[Any]] | None = None) -> T:
    """A dataclass from its fields as JSON gives them, lists being tuples; fields left out have their defaults.

    Args:
        kind: the dataclass.
        data: its fields by name.
        parts: which fields are dataclasses themselves, and of which kind.

    Raises:
        ValueError: for fields that the dataclass does not have, or values that it refuses.
    """
    known = [field_.name for field_ in dataclasses.fields(kind) if field_.init]
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise ValueError(f"{kind.__name__} has no {', '.join(unknown)}, expected some of {', '.join(known)}")
    values: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in data.items()}
    for name, part in (parts or {}).items():
        if name in values:
            values[name] = read_fields(part, values[name])
    return kind(**values)
