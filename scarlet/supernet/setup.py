"""The setup of a supernet's training: everything that decides what it gives, except form and images; no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scarlet.supernet.form import STARTS, Start
from scarlet.supernet.recipe import RECIPE
from scarlet.supernet.rules import sampling_rule
from zoo.spaces.chain import chain_of
from zoo.spaces.skeleton import Skeleton
from zoo.training.recipe import Precision, Recipe
from zoo.training.setup import TrainingSetup

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SupernetSetup:
    """Everything that decides what training a supernet gives, except its form and the images.

    Attributes:
        training: skeleton, recipe, precision, seed, threads.
        sampling: name of the rule by which a step takes paths.
        start: what stabilizers begin as.
        every: steps between checkpoints; None: an epoch.

    Raises:
        ValueError: for a sampling or a start that does not exist, or checkpoints without a step.
    """

    training: TrainingSetup
    sampling: str
    start: Start = "identity"
    every: int | None = None

    def __post_init__(self) -> None:
        sampling_rule(self.sampling)
        if self.start not in STARTS:
            raise ValueError(f"unknown start {self.start!r} of stabilizers, expected {' or '.join(STARTS)}")

        if self.every is not None and self.every < 1:
            raise ValueError(f"--every must be at least 1 step, got {self.every}")

    def parts(self, steps: int) -> int:
        """How many trials an epoch of so many steps is journaled in."""
        return 1 if self.every is None else -(-steps // self.every)

    def identity(self) -> dict[str, Any]:
        """The setup as JSON-ready data, part of a run's identity; trainings of before there were parts are the same."""
        parts = {} if self.every is None else {"every": self.every}
        return self.training.identity() | {"sampling": self.sampling, "stabilizer_start": self.start} | parts

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "SupernetSetup":
        """The setup that :meth:`identity` wrote; what was left out of the training has its default.

        Raises:
            ValueError: for fields that a setup does not have, or values out of range.
        """
        own = ("sampling", "stabilizer_start", "every")
        training = TrainingSetup.from_dict({name: value for name, value in data.items() if name not in own})
        start = data.get("stabilizer_start", "identity")
        every = data.get("every")
        return cls(training=training, sampling=data.get("sampling"), start=start, every=every)  # type: ignore[arg-type]


def paper_training(
    space: str,
    recipe: Recipe = RECIPE,
    *,
    channels: int | None = None,
    resolution: int | None = None,
    precision: Precision | None = None,
    seed: int = 0,
    threads: int = 1,
) -> TrainingSetup:
    """How a supernet of a space is trained, with what is given in other numbers.

    Args:
        space: name of the space.
        recipe: without path dropout, which would drop what a path has drawn.
        channels: of the stem, the others in proportion; None: the space's.
        resolution: pixels a side; None: 32, until it is known from images.
        precision: device, dtype, memory format.
        seed: of everything random.
        threads: CPU threads.

    Raises:
        ValueError: for a space that does not exist, or a value out of range.
    """
    if recipe.path_dropout:
        raise ValueError(f"a supernet is trained without path dropout, expected 0, got {recipe.path_dropout:g}")
    chain = chain_of(space)
    skeleton = Skeleton(
        channels=chain.stem if channels is None else channels, cells=chain.starts[-1], resolution=resolution or 32
    )
    return TrainingSetup(
        skeleton=skeleton, recipe=recipe, precision=precision or Precision(), seed=seed, threads=threads, engine="auto"
    )
