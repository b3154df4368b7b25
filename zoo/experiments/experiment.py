"""The experiment: what a run is, as frozen typed data whose JSON form is the run's identity."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_type_hints

from zoo.experiments.codec import decode, encode
from zoo.experiments.estimate import Estimate
from zoo.experiments.report import Report
from zoo.experiments.resources import Say
from zoo.experiments.source import Source, image_source
from zoo.plugins import names, plugin
from zoo.population.journal import Journal
from zoo.population.strategy import Strategy
from zoo.population.trial import Evaluator, Record, Trial
from zoo.spaces.blueprint import Blueprint

if TYPE_CHECKING:
    from zoo.experiments.run import Run
    from zoo.export.model import Model
    from zoo.training.distributed import ProcessGroup

EXPERIMENTS = "thriftnas.experiments"
"""Entry-point group of kinds of runs: the name of a run's strategy, and its subclass of :class:`Experiment`."""


@dataclass(frozen=True, kw_only=True)
class Experiment(ABC):
    """What a run is; a subclass is a frozen dataclass and final.

    Every field is part of the identity, but for those that the class lists in ``adjustable`` and ``requested``. The
    fields that it lists in ``beside`` stand beside the strategy's there, all others among them.

    Attributes:
        data: fingerprint of what the run reads; :meth:`fitted` fills it in.
        group: trials of a batch.
    """

    name: ClassVar[str]
    """Of the strategy; the entry point of the class in the group ``thriftnas.experiments`` has the same name."""
    version: ClassVar[int] = 1
    continues: ClassVar[tuple[int, ...]] = ()
    """Earlier versions whose runs this one continues: it asks for the same, and only notes more about it."""
    distributed: ClassVar[bool] = False
    """Whether one trial at a time is trained, by all processes that torchrun has started."""
    beside: ClassVar[tuple[str, ...]] = ("data", "group")
    adjustable: ClassVar[tuple[str, ...]] = ()
    """Fields that may change when a run is continued."""
    requested: ClassVar[tuple[str, ...]] = ()
    """Fields that only :meth:`fitted` needs."""

    data: str = ""
    group: int = 1

    def __post_init__(self) -> None:
        if self.group < 1:
            raise ValueError(f"group must be at least 1, got {self.group}")

    # -------------------------------------------------------------- what it is

    def identity(self) -> dict[str, Any]:
        """What makes the run this run, as JSON-ready data."""
        apart = {*self.beside, *self.adjustable, *self.requested}
        own = {f.name: encode(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name not in apart}
        strategy = {"name": self.name, "version": self.version, **own, "seed": self.seed}
        return {"strategy": strategy, **{name: encode(getattr(self, name)) for name in self.beside}}

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Read what :meth:`identity` wrote, with the adjustable fields as they were last.

        Raises:
            ValueError: for data of another kind of run, or of another form.
        """
        strategy, hints = identity.get("strategy", {}), get_type_hints(cls)
        if strategy.get("name") != cls.name:
            raise ValueError(f"expected a run of {cls.name!r}, got one of {strategy.get('name')!r}")
        places = dict.fromkeys(cls.beside, identity) | dict.fromkeys(cls.adjustable, options)
        values = {
            field.name: decode(hints[field.name], place[field.name])
            for field in dataclasses.fields(cls)
            if field.name not in cls.requested
            for place in [places.get(field.name, strategy)]
            if field.name in place
        }
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"the identity of this {cls.name} is incomplete: {error}") from None

    def options(self) -> dict[str, Any]:
        """The adjustable fields as JSON-ready data."""
        return {name: encode(getattr(self, name)) for name in self.adjustable}

    @classmethod
    def source(cls, data: Mapping[str, Any]) -> Source:
        """Read a source of this kind of run from its JSON form."""
        return image_source(data)

    @property
    @abstractmethod
    def seed(self) -> int:
        """Of everything random."""

    @property
    def threads(self) -> int:
        """CPU threads of a worker."""
        return 1

    @property
    def device(self) -> str | None:
        """Where its workers compute networks, as a precision names it; None: nowhere, as from a table."""
        return None

    # -------------------------------------------------------------- what it does

    def fitted(self, material: Any, say: Say) -> Self:
        """The experiment with everything that only its material says.

        Args:
            material: what the run's source gave, such as images.
            say: hears what a user should know about it.

        Raises:
            ValueError: where the two do not go together.
        """
        return dataclasses.replace(self, data=material.fingerprint)

    def continued(self, options: Mapping[str, Any]) -> Self:
        """The fitted experiment as it goes on in the folder of a run whose adjustable fields were ``options``."""
        return self

    def describe(self, material: Any) -> Mapping[str, Any]:
        """Facts about the material for reports, JSON-ready; kept in the journal."""
        return {}

    @abstractmethod
    def strategy(self) -> Strategy:
        """A fresh strategy of a fitted experiment."""

    @abstractmethod
    def evaluator(self, material: Any) -> Evaluator:
        """A worker's evaluator; this is where torch is imported. The experiment is sent to the worker."""

    @contextmanager
    def joined(self, material: Any) -> "Iterator[tuple[ProcessGroup, Evaluator]]":
        """The processes that train together, and this one's evaluator; of distributed kinds only."""
        raise ValueError(f"a {self.name} is not trained by several processes")
        yield

    def price(self, trial: Trial) -> float:
        """What a trial costs at most, in whatever unit; epochs by default."""
        return float(trial.stop - trial.start)

    def total(self, strategy: Strategy) -> float:
        """What the whole run costs at most, in the unit of :meth:`price`, as far as is known."""
        return 0.0

    def estimate(self, material: Any, workers: int) -> Estimate:
        """What the run will cost, from timing a few steps.

        Raises:
            ValueError: where nothing can be timed.
        """
        raise ValueError(f"a {self.name} cannot be timed beforehand")

    def observe(self, strategy: Strategy, journal: Journal) -> Sequence[str]:
        """Called after every record: what the strategy has to say since the last call."""
        return ()

    def finish(self, run: "Run", material: Any) -> Mapping[str, Any]:
        """Called when the strategy has finished: keep the model it ends with; what is known about it, JSON-ready.

        Raises:
            ValueError: where the run ends with nothing.
        """
        return {}

    def report(self, run: "Run") -> Report:
        """Tables and a page of the run as far as it is, from its journal alone: its trials, by default.

        Raises:
            ValueError: where nothing has been measured yet.
        """
        from zoo.experiments.kinds.searched import search_report

        return search_report(run)

    def blueprints(self, run: "Run") -> Callable[[Trial], Blueprint]:
        """What gives everything that builds the networks of trials, as far as the run knows it; genotypes by default.

        As of :meth:`weights`, whatever all of them need is read once.
        """
        return lambda trial: Blueprint(genotype=trial.genotype)

    def weights(self, run: "Run") -> "Callable[[Trial, Record], Model]":
        """What gives the networks of trials with the weights they were measured with, where the run still can.

        Whatever all of them need, such as a supernet, is read once, when the first is asked for.
        """
        return no_weights(run.folder)


def no_weights(folder: Path) -> "Callable[[Trial, Record], Model]":
    """What a run offers that keeps no weights: a sentence that says how to get the networks."""

    def refuse(trial: Trial, record: Record) -> "Model":
        raise ValueError(
            f"{folder} keeps no weights of trial {trial.index}: export json, train its model-NN.json with "
            "thriftnas zoo train, and give that run with --retrained"
        )

    return refuse


def experiment_kind(name: str) -> type[Experiment]:
    """The kind of run whose strategy has this name.

    Raises:
        ValueError: if no installed package has it, or it cannot be loaded.
    """
    added = plugin(EXPERIMENTS, name, "kind of run")
    if added is None:
        raise ValueError(f"{name!r} is no kind of run that is installed here, expected {', '.join(names(EXPERIMENTS))}")
    found = added.held
    if not (isinstance(found, type) and issubclass(found, Experiment) and getattr(found, "name", None) == name):
        raise ValueError(f"{added.title} must be a class of experiments with this name, got {found!r}")
    return found


def read_experiment(identity: Mapping[str, Any], options: Mapping[str, Any]) -> Experiment:
    """The experiment of a run, from what its journal says.

    Raises:
        ValueError: for a kind of run that is not installed here, or data of another form.
    """
    strategy = identity.get("strategy")
    if not isinstance(strategy, Mapping):
        raise ValueError(f"the identity of a run must name its strategy, got {strategy!r}")
    kind = experiment_kind(str(strategy.get("name", "run")))
    try:
        return kind.from_identity(identity, options)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"the identity of this {kind.name} cannot be read: {what[:200]}") from None
