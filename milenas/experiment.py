"""A differentiable search as an experiment: one supernet, the genotypes derived from it, and their retraining."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from milenas.strategy.search import SupernetSearch, best_retrained
from milenas.strategy.size import final_skeleton
from milenas.training.setup import VERSION, SearchSetup
from zoo.experiments.estimate import Estimate, disk, hours
from zoo.experiments.experiment import Experiment
from zoo.experiments.kinds.on_images import blueprint_of, class_counts, describe_images, fitted_skeleton
from zoo.experiments.report import Report
from zoo.experiments.resources import Say
from zoo.population.metric import METRICS, Metric, check_metric, settled
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import Strategy
from zoo.population.trial import Evaluator, Trial
from zoo.spaces.baseline import CELLS
from zoo.spaces.blueprint import Blueprint
from zoo.spaces.genotype import CellGenotype, require_cells
from zoo.spaces.literature import PUBLISHED
from zoo.training.comparison import Compared, ComparisonTerms, WithComparison, check_repeats
from zoo.training.setup import TrainingSetup

if TYPE_CHECKING:
    from zoo.data.image_set import ImageSet
    from zoo.data.stream import ImageStream
    from zoo.experiments.run import Run
    from zoo.training.distributed import ProcessGroup


@dataclass(frozen=True, kw_only=True)
class DifferentiableExperiment(Experiment):
    """Cells searched by gradient descent in a supernet; the best retrained network, if any, is kept as a model.

    Attributes:
        setup: of the search; its skeletons are fitted to the images.
        per_epoch: trials an epoch is divided into, which :meth:`fitted` finds out.
        expected_size: the search stops early once the derived cells have fewer convolutions together; 0: never.
        retrain: networks to retrain, the last one derived and winners of other sizes.
        metric: by which winners and the best retrained are chosen; auto until the search is fitted to its images.
        processes: that train together; torchrun starts them. Batch normalisation sees one process's images.
        loaders: processes that decode streamed images.
        compare: further trainings of the best retrained network and of one that needs no search each, beside which it
            is reported; 0: none. They may be added to a run.

    Raises:
        ValueError: for a value out of range.
    """

    name: ClassVar[str] = "darts"
    version: ClassVar[int] = VERSION
    distributed: ClassVar[bool] = True
    beside: ClassVar[tuple[str, ...]] = ("data", "setup", "group", "processes")
    adjustable: ClassVar[tuple[str, ...]] = ("loaders", "compare")

    setup: SearchSetup
    per_epoch: int = 1
    expected_size: int = 0
    retrain: int = 0
    processes: int = 1
    metric: Metric | Literal["auto"] = METRICS[0]
    loaders: int = 2
    compare: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.per_epoch < 1 or self.processes < 1:
            raise ValueError(
                f"trials per epoch and processes must be at least 1, got {self.per_epoch} and {self.processes}"
            )
        if self.loaders < 0:
            raise ValueError(f"loaders must be at least 0, got {self.loaders}")
        check_metric(self.metric)
        check_repeats(self.compare)
        if self.compare and not self.retrain:
            raise ValueError("a comparison trains as the retraining does, expected --finalists beside --compare")
        self.strategy()  # complains now about what is out of range

    def identity(self) -> dict[str, Any]:
        """What makes the run this run; the epochs stand with the strategy too."""
        identity = super().identity()
        identity["strategy"]["epochs"] = self.setup.epochs
        if self.metric == METRICS[0]:  # as runs from before it could be chosen
            del identity["strategy"]["metric"]
        return identity

    @property
    def seed(self) -> int:
        """Of weights, splits, order, augmentation and noise."""
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
        """The search with skeletons for these images.

        Raises:
            ValueError: for images that cannot be searched on (too few, or a class that one share would miss), or
                a number of parameters that no cell can have, or a comparison on a stream.
        """
        from milenas.strategy.size import check_params
        from milenas.training.evaluator import parts_per_epoch
        from milenas.training.material import steps_per_epoch
        from zoo.data.image_set import ImageSet

        if self.compare and not isinstance(material, ImageSet):
            raise ValueError("--compare trains on images in memory, expected no --stream")
        around, final = (fitted_skeleton(one, material) for one in (self.setup.skeleton, self.setup.final))
        setup = dataclasses.replace(self.setup, skeleton=around, final=final)
        if setup.params is not None:
            check_params(setup.shape, setup.final, setup.params)
        per_epoch = parts_per_epoch(setup, steps_per_epoch(setup, material, self.processes))
        metric = settled(self.metric, class_counts(material)["train"], say)
        return dataclasses.replace(self, data=material.fingerprint, setup=setup, per_epoch=per_epoch, metric=metric)

    def describe(self, material: "ImageSet | ImageStream") -> Mapping[str, Any]:
        """Names and sizes of the images."""
        return describe_images(material, {})

    def blueprints(self, run: "Run") -> Callable[[Trial], Blueprint]:
        """The networks that derived genotypes are trained as."""
        from milenas.training.evaluator import retraining_setup

        def of(trial: Trial) -> Blueprint:
            if not isinstance(trial.genotype, CellGenotype):  # the supernet
                return Blueprint(genotype=trial.genotype)
            return blueprint_of(run, trial, retraining_setup(self.setup, trial.genotype).skeleton)

        return of

    def continued(self, options: Mapping[str, Any]) -> Self:
        """The search with the comparison that it was begun with, or more repeats of it."""
        return dataclasses.replace(self, compare=max(self.compare, int(options.get("compare", 0))))

    def search(self) -> SupernetSearch:
        """A fresh search without its comparison."""
        return SupernetSearch(
            self.setup.shape,
            self.setup.epochs,
            per_epoch=self.per_epoch,
            expected_size=self.expected_size,
            retrain=self.retrain,
            retrain_epochs=self.setup.retrain_epochs,
            metric=self.metric,
        )

    def strategy(self) -> Strategy:
        """A fresh strategy: the search, and its comparison where there is one."""
        search, setup = self.search(), self.setup
        if not self.compare:
            return search
        terms = ComparisonTerms(
            repeats=self.compare,
            setting=ProxySetting(0, 0, 0, setup.retrain_epochs),
            every=1,
            skeleton=setup.final,
            sized=lambda winner: final_skeleton(require_cells(winner), setup.final, setup.params).channels,
        )
        return Compared(search, partial(best_retrained, search, self.metric), terms)

    @property
    def _retraining(self) -> TrainingSetup:
        """How networks are retrained, with the channels that were asked for."""
        setup = self.setup
        return TrainingSetup(
            skeleton=setup.final,
            recipe=setup.retrain,
            precision=setup.precision,
            seed=setup.seed,
            threads=setup.threads,
        )

    def evaluator(self, material: "ImageSet | ImageStream") -> Evaluator:
        """Searches and retrains in this process alone; streams need :meth:`joined`."""
        from milenas.training.evaluator import SearchEvaluator
        from zoo.training.evaluator import make_evaluator

        images = cast("ImageSet", material)
        search = SearchEvaluator.of(self.setup, images)
        return WithComparison(search, self._retraining, partial(make_evaluator, images=images))

    @contextmanager
    def joined(self, material: "ImageSet | ImageStream") -> "Iterator[tuple[ProcessGroup, Evaluator]]":
        """The processes that train together, and this one's evaluator."""
        from milenas.training.evaluator import SearchEvaluator
        from milenas.training.material import StreamedImages
        from zoo.data.image_set import ImageSet
        from zoo.data.stream import Reader
        from zoo.training.device import own_precision
        from zoo.training.distributed import joined_ranks
        from zoo.training.evaluator import TrainingEvaluator

        setup = dataclasses.replace(self.setup, precision=own_precision(self.setup.precision))
        with joined_ranks(setup.precision.device) as ranks:
            if isinstance(material, ImageSet):
                make = partial(TrainingEvaluator, images=material, ranks=ranks)
                around = dataclasses.replace(self._retraining, precision=setup.precision)
                yield ranks, WithComparison(SearchEvaluator.of(setup, material, ranks), around, make)
                return
            with Reader(material, self.loaders, pin=setup.precision.device.startswith("cuda")) as reader:
                yield ranks, SearchEvaluator(setup, StreamedImages(setup, material, reader, ranks))

    def total(self, strategy: Strategy) -> float:
        """Parts of the search and epochs of retraining, at most, those of the comparison too."""
        return self.setup.epochs * self.per_epoch + (self.retrain + 2 * self.compare) * self.setup.retrain_epochs

    def estimate(self, material: "ImageSet | ImageStream", workers: int) -> Estimate:
        """Steps, hours and megabytes of the search, from timing a few steps, and hours of what is trained after it.

        The cells of the latter are not known before: published ones stand for them.
        """
        from milenas.training.timing import search_estimate
        from zoo.training.timing import training_seconds

        numbers = dict(search_estimate(self.setup, material, self.processes, self.loaders).numbers)
        networks, around, note = self.retrain + 2 * self.compare, self._retraining, ", timed here"
        if networks:
            cells, setting = PUBLISHED[CELLS], ProxySetting(0, 0, 0, self.setup.retrain_epochs)
            around = dataclasses.replace(around, skeleton=final_skeleton(cells, around.skeleton, self.setup.params))
            each = training_seconds(around, material, setting, cells, self.loaders, self.processes)
            numbers |= {"retrained": networks, "hours": numbers["hours"] + networks * each / 3600}
            note += f"; {CELLS} stands for the cells of the {networks} that are trained after it"
        counted = (("epochs", str(self.setup.epochs)), ("parameters", f"{numbers['parameters']:,}"))
        lines = (*counted, hours(numbers["hours"], note), disk(numbers["disk_mb"]))
        return Estimate(numbers=numbers, lines=lines)

    def finish(self, run: "Run", material: "ImageSet | ImageStream") -> Mapping[str, Any]:
        """Keep the best retrained network, if any, as a model; test accuracies are measured here.

        Raises:
            ValueError: if no genotype could be derived; the report is written then too.
        """
        from milenas.history.findings import find
        from milenas.training.evaluator import retraining_setup
        from zoo.experiments.kinds.compared import keep_comparison
        from zoo.experiments.kinds.trained import keep_trained

        findings = find(run, self)
        if findings.final is None:
            self.report(run).write(run.folder)
            why = findings.failed or "no cell has a node with an input left"
            raise ValueError(f"the search found no genotype: {why}")
        best = next((one for one in findings.retrained if one.complete), None)
        if best is None:
            return {}
        with run.journal() as journal:
            trained = journal.trials()[best.trial], journal.records()[best.trial]
        setup = retraining_setup(self.setup, cast(CellGenotype, trained[0].genotype))
        kept = keep_trained(run, trained, setup, material, self.loaders)
        if not self.compare:
            return kept
        return kept | keep_comparison(run, self._retraining, cast("ImageSet", material), self.metric)

    def report(self, run: "Run") -> Report:
        """The genotypes, the best of every size, the epochs' table, and the commands that retrain.

        Raises:
            ValueError: if nothing has been measured yet.
        """
        from milenas.history.overview import search_report

        return search_report(self, run)
