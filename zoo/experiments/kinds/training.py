"""A training as an experiment: one genotype at an original setting, as long as papers train it."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from zoo.experiments.estimate import JOURNAL_BYTES, Estimate, disk, hours
from zoo.experiments.experiment import Experiment
from zoo.experiments.kinds.compared import ComparisonResult, comparison_remark, keep_comparison, read_comparison
from zoo.experiments.kinds.on_images import blueprint_of, describe_images, fitted_skeleton
from zoo.experiments.kinds.trained import keep_trained, kept_summary, one_class_said, training_report
from zoo.experiments.report import Report
from zoo.experiments.resources import Say
from zoo.pages.written import large, percent
from zoo.population.metric import METRICS, unequal
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import Strategy
from zoo.population.trial import Evaluator, Trial
from zoo.spaces.baseline import unsearched
from zoo.spaces.blueprint import Blueprint
from zoo.spaces.chain_cost import chain_skeleton
from zoo.spaces.genotype import CellGenotype, ChainGenotype
from zoo.spaces.skeleton import Skeleton
from zoo.training.comparison import Compared, ComparisonTerms, WithComparison, check_repeats, is_compared
from zoo.training.originals import Original
from zoo.training.recipe import Precision, Recipe
from zoo.training.retraining import VERSION, Retraining
from zoo.training.setup import TrainingSetup

if TYPE_CHECKING:
    from zoo.data.image_set import ImageSet
    from zoo.data.stream import ImageStream
    from zoo.experiments.run import Run
    from zoo.training.distributed import ProcessGroup

COLUMNS = ("ok", "train_loss", "loss", "accuracy", "balanced_accuracy", "seconds")
PANELS = (
    ("Accuracy", "share of the validation images", ("accuracy", "balanced_accuracy")),
    ("Loss", "mean cross-entropy", ("train_loss", "loss")),
)


@dataclass(frozen=True, kw_only=True)
class TrainingExperiment(Experiment):
    """One genotype, trained to the end and kept as a model; a chain of one-epoch trials.

    Attributes:
        genotype: cells, or a chain.
        setting: without reductions; its epochs are the schedule's.
        setup: of the training; its skeleton is fitted to the images.
        processes: that train together; torchrun starts them.
        sync_bn: whether batch normalisation sees the batches of all processes.
        loaders: processes that decode streamed images.
        planned: the network as its file describes it, so that images that make another one of it are said.
        per_epoch: trials of an epoch, which :meth:`fitted` finds out.
        former: what ``data`` was in earlier releases, whose runs go on.
        compare: further trainings of the network and of one that needs no search each, beside which it is reported; 0:
            none. They may be added to a run.
    """

    name: ClassVar[str] = "train"
    version: ClassVar[int] = VERSION
    distributed: ClassVar[bool] = True
    beside: ClassVar[tuple[str, ...]] = ("data", "setup", "group", "processes", "sync_bn")
    adjustable: ClassVar[tuple[str, ...]] = ("loaders", "per_epoch", "compare")
    requested: ClassVar[tuple[str, ...]] = ("planned", "former")

    genotype: CellGenotype | ChainGenotype
    setting: ProxySetting
    setup: TrainingSetup = field(default_factory=TrainingSetup)
    processes: int = 1
    sync_bn: bool = False
    loaders: int = 2
    planned: Blueprint | None = None
    former: str = ""
    per_epoch: int = 1
    compare: int = 0

    def __post_init__(self) -> None:
        check_repeats(self.compare)
        if self.compare and self._unsearched:
            raise ValueError("--compare: this network needs no search itself, there is nothing to compare it with")
        if self.loaders < 0:
            raise ValueError(f"loaders must be at least 0, got {self.loaders}")
        warmup = self.setup.recipe.warmup
        if warmup >= self.setting.e:
            raise ValueError(f"the warm-up must be shorter than the {self.setting.e} epochs, got {warmup}")
        device = self.setup.precision.device
        if self.sync_bn and (self.processes == 1 or not device.startswith("cuda")):
            raise ValueError(f"--sync-bn needs several processes on GPUs, got {self.processes} on {device}")

    def in_parts(self, every: int | None, processes: int, *, sync_bn: bool, loaders: int, compare: int = 0) -> Self:
        """The same, trained by so many processes, with checkpoints every so many steps; None: every epoch."""
        changes: dict[str, Any] = {"processes": processes, "sync_bn": sync_bn, "loaders": loaders, "compare": compare}
        return dataclasses.replace(self, setup=dataclasses.replace(self.setup, every=every), **changes)

    @property
    def _unsearched(self) -> bool:
        """Whether it is the network itself that others are compared with."""
        return unsearched(self.genotype)[1] == self.genotype

    @property
    def seed(self) -> int:
        """Of weights, splits, order and augmentation."""
        return self.setup.seed

    @property
    def threads(self) -> int:
        """CPU threads of a process."""
        return self.setup.threads

    @property
    def device(self) -> str:
        """Of a worker."""
        return self.setup.precision.device

    def fitted(self, material: "ImageSet | ImageStream", say: Say) -> Self:
        """The training with a skeleton for these images.

        Raises:
            ValueError: for images that the skeleton cannot read, or too few of them for one batch, or a comparison on
                a stream.
        """
        from zoo.data.image_set import ImageSet
        from zoo.training.epoch import batch_slices

        if self.compare and not isinstance(material, ImageSet):
            raise ValueError("--compare trains on images in memory, expected no --stream and no recipe that streams")
        steps = len(batch_slices(len(material.train), self.setup.recipe.batch, self.processes))
        setup = dataclasses.replace(self.setup, skeleton=fitted_skeleton(self.setup.skeleton, material))
        if self.planned is not None:
            trained = Blueprint(genotype=self.genotype, skeleton=setup.skeleton, classes=material.classes)
            if apart := self.planned.differences(trained):
                say(f"This is not the network that was exported: {'; '.join(apart)}. run export will not take it.")
        former = getattr(material, "former", "")
        parts = setup.parts(steps)
        return dataclasses.replace(self, data=material.fingerprint, setup=setup, former=former, per_epoch=parts)

    def describe(self, material: "ImageSet | ImageStream") -> Mapping[str, Any]:
        """Names and sizes of the images."""
        return describe_images(material, {0: len(material.train)})

    def blueprints(self, run: "Run") -> Callable[[Trial], Blueprint]:
        """The network that is trained."""
        return lambda trial: blueprint_of(run, trial, self.setup.skeleton)

    def continued(self, options: Mapping[str, Any]) -> Self:
        """The training with the comparison that it was begun with, or more repeats of it."""
        return dataclasses.replace(self, compare=max(self.compare, int(options.get("compare", 0))))

    def strategy(self) -> Retraining | Compared:
        """One chain of epochs, and the comparison where there is one."""
        setting = dataclasses.replace(self.setting, e=self.setting.e * self.per_epoch)
        training = Retraining([self.genotype], setting)
        if not self.compare:
            return training
        terms = ComparisonTerms(repeats=self.compare, setting=setting, every=1, skeleton=self.setup.skeleton)
        return Compared(training, lambda _: self.genotype if training.finished else None, terms)

    def evaluator(self, material: "ImageSet | ImageStream") -> Evaluator:
        """Trains in this process alone."""
        from zoo.training.evaluator import make_evaluator

        make = partial(make_evaluator, images=cast("ImageSet", material))  # streams need :meth:`joined`
        return WithComparison(make(self.setup), self.setup, make)

    @contextmanager
    def joined(self, material: "ImageSet | ImageStream") -> "Iterator[tuple[ProcessGroup, Evaluator]]":
        """The processes that train together, and this one's evaluator."""
        from zoo.data.image_set import ImageSet
        from zoo.data.stream import Reader
        from zoo.training.device import own_precision
        from zoo.training.distributed import joined_ranks
        from zoo.training.evaluator import TrainingEvaluator
        from zoo.training.stream import StreamEvaluator

        setup = dataclasses.replace(self.setup, precision=own_precision(self.setup.precision))
        with joined_ranks(setup.precision.device, sync_norm=self.sync_bn) as ranks:
            if isinstance(material, ImageSet):
                make = partial(TrainingEvaluator, images=material, ranks=ranks)
                yield ranks, WithComparison(make(setup), setup, make)
                return
            pin = setup.precision.device.startswith("cuda")
            with Reader(material, self.loaders, pin=pin) as reader:
                yield ranks, StreamEvaluator(setup, material, reader, ranks)

    def total(self, strategy: Strategy) -> float:
        """Epochs, or their parts, those of the comparison too."""
        return self.setting.e * self.per_epoch * (1 + 2 * self.compare)

    def estimate(self, material: "ImageSet | ImageStream", workers: int) -> Estimate:
        """Epochs, hours and megabytes, from timing a few steps (and, of a stream, reading a few images)."""
        from zoo.training.timing import network_parameters, training_seconds

        trained = 1 + 2 * self.compare
        seconds = trained * training_seconds(
            self.setup, material, self.setting, self.genotype, self.loaders, self.processes
        )
        # three checkpoints of weights and momentum for a moment, and the model
        params = network_parameters(self.genotype, self.setup)
        megabytes = (params * (3 * 8 * trained + 4) + trained * self.setting.e * JOURNAL_BYTES) / 1e6
        numbers = {
            "networks": trained,
            "epochs": trained * self.setting.e,
            "hours": seconds / 3600,
            "disk_mb": megabytes,
        }
        lines = (
            ("networks", str(trained)),
            ("epochs", str(trained * self.setting.e)),
            hours(seconds / 3600),
            disk(megabytes),
        )
        return Estimate(numbers=numbers, lines=lines)

    def finish(self, run: "Run", material: "ImageSet | ImageStream") -> Mapping[str, Any]:
        """Keep the network of the last epoch as a model; test accuracies are measured here.

        Raises:
            ValueError: if the training failed; the table of its epochs is written then too.
        """
        with run.journal() as journal:
            trials, records = journal.trials(), journal.records()
        last = [trial for trial in trials if not is_compared(trial)][-1]
        if not records[last.index].ok:
            self.report(run).write(run.folder)
            raise ValueError(
                f"the training failed in epoch {-(-last.stop // self.per_epoch)}: {records[last.index].reason}"
            )
        kept = keep_trained(run, (last, records[last.index]), self.setup, material, self.loaders)
        if not self.compare:
            return kept
        return kept | keep_comparison(run, self.setup, cast("ImageSet", material), self._metric(run), "this network")

    def _metric(self, run: "Run") -> str:
        """What the comparison is judged by."""
        return METRICS[1] if unequal((run.value("data") or {}).get("class_counts", {}).get("train", ())) else METRICS[0]

    def report(self, run: "Run") -> Report:
        """The table of epochs and its curves.

        Raises:
            ValueError: if nothing has been measured yet.
        """
        kept, done = kept_summary(run.folder), min(run.status["done"], self.setting.e * self.per_epoch)
        trained, found = done / self.per_epoch, read_comparison(run)
        sentences = [f"{trained:g} of {self.setting.e} epochs are trained"]
        if kept:
            validation, test = kept["accuracy"], kept["test_accuracy"]
            sentences = [f"after {self.setting.e} epochs: validation {percent(validation, 2)}, test {percent(test, 2)}"]
            if self._metric(run) == METRICS[1]:
                validation, test = kept["balanced_accuracy"], kept["test_balanced_accuracy"]
                sentences.append(f"balanced accuracy: validation {percent(validation, 2)}, test {percent(test, 2)}")
            sentences += one_class_said(run, kept)
            sentences.append(f"{large(kept['params'])} parameters, {large(kept['macs'])} MACs per image")
            sentences += self._compared(run, found)
        if found is not None:
            kept = {**kept, "comparison": found.to_dict()}
        report = training_report(run, COLUMNS, PANELS, sentences, kept)
        if found is None:
            return report
        return dataclasses.replace(report, tables={**report.tables, "comparison": found.frame()})

    def _compared(self, run: "Run", found: ComparisonResult | None) -> list[str]:
        """What is known of it beside a network that needs no search; nothing where it cannot be compared."""
        if self._unsearched or _streamed(run):
            return []
        with run.journal() as journal:
            trials = journal.trials()
        return [comparison_remark(trials, trials[0], found)]


def _streamed(run: "Run") -> bool:
    """Whether a run's images are decoded while it trains; not where it does not say where they lie."""
    try:
        return bool(getattr(run.source, "streamed", False))
    except ValueError:
        return False


def paper_training(
    what: CellGenotype | ChainGenotype | Blueprint,
    original: Original,
    *,
    epochs: int | None = None,
    recipe: Recipe | None = None,
    sizes: Mapping[str, int | None] | None = None,
    precision: Precision | None = None,
    seed: int = 0,
    threads: int = 1,
) -> TrainingExperiment:
    """A training as a paper has it, with what is given in other numbers.

    Args:
        what: cells, a chain, which has sizes of its own, or a blueprint, whose sizes count instead of the paper's.
        original: the paper's setting.
        epochs: of the schedule.
        recipe: of the training.
        sizes: channels, cells and resolution; None leaves the paper's.
        precision: device, dtype, memory format.
        seed: of everything random.
        threads: CPU threads.

    Raises:
        ValueError: for a value out of range, or for cells or an auxiliary head of a chain.
    """
    if seed < 0 or threads < 1:
        raise ValueError(f"threads must be at least 1 and the seed not negative, got {threads} and {seed}")
    planned = what if isinstance(what, Blueprint) else Blueprint(genotype=what)
    genotype = cast(CellGenotype | ChainGenotype, planned.genotype)
    given = {name: value for name, value in (sizes or {}).items() if value is not None}
    usual: dict[str, Any] = {"channels": original.channels, "cells": original.cells, "form": original.form}
    usual["resolution"] = original.resolution or 32
    if isinstance(genotype, ChainGenotype):
        if "cells" in given or (recipe is not None and recipe.auxiliary):
            raise ValueError("a chain has no cells and no auxiliary head, expected neither option")
        chain = chain_skeleton(genotype.space)
        usual |= {"channels": chain.channels, "cells": chain.cells}
    if planned.skeleton is not None:
        usual = dataclasses.asdict(planned.skeleton)
    setup = TrainingSetup(
        skeleton=Skeleton(**{**usual, **given}),
        recipe=original.recipe if recipe is None else recipe,
        precision=Precision() if precision is None else precision,
        seed=seed,
        threads=threads,
    )
    setting = ProxySetting(0, 0, 0, original.epochs if epochs is None else epochs)
    return TrainingExperiment(
        genotype=genotype, setting=setting, setup=setup, planned=None if planned.skeleton is None else planned
    )


def training_side(what: CellGenotype | ChainGenotype | Blueprint, original: Original) -> int | None:
    """Pixels a side that a training reads its images with where nothing else is asked for; None: the data's own."""
    planned = what.skeleton if isinstance(what, Blueprint) else None
    return original.resolution if planned is None else planned.resolution
