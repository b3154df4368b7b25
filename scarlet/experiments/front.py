"""The weighted search as an experiment: a front of networks, on inherited weights or on a published table."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from rich.console import Console

from scarlet.evaluation.alone import WithTraining
from scarlet.evaluation.setup import SubnetSetup
from scarlet.experiments.audit_result import AuditResult, audit_result
from scarlet.experiments.measurement import Measurement
from scarlet.experiments.sources import SupernetSource, front_source
from scarlet.experiments.winner import best_ranked, judging, words_of
from scarlet.strategy.audited import Audit, AuditedSearch
from scarlet.strategy.goal import Goal, Signal, check_signal
from scarlet.strategy.nsga import VERSION, WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from scarlet.strategy.surrogate_front import SurrogateFront
from scarlet.supernet.recipe import RECIPE
from zoo.experiments.estimate import JOURNAL_BYTES, Estimate, disk, hours
from zoo.experiments.experiment import Experiment
from zoo.experiments.fronts import front_report
from zoo.experiments.kinds.compared import ComparisonResult, comparison_remark, keep_comparison, read_comparison
from zoo.experiments.report import Report
from zoo.experiments.resources import Say
from zoo.experiments.source import HeldSource, Source
from zoo.population.costs import CostedEvaluator, Costs
from zoo.population.metric import Metric, check_metric, settled
from zoo.population.objectives import AddedCosts, with_added
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import Strategy
from zoo.population.trial import ALONE, Evaluator, Job, Record, Trial
from zoo.spaces.blueprint import Blueprint
from zoo.spaces.chain_space import CHAIN_SPACES
from zoo.surrogates.option import NO_SURROGATE
from zoo.training.comparison import Compared, ComparisonTerms, affordable_repeats, check_repeats
from zoo.training.recipe import Precision, Recipe
from zoo.training.setup import TrainingSetup

if TYPE_CHECKING:
    from zoo.experiments.run import Run
    from zoo.export.model import Model


@dataclass(frozen=True, kw_only=True)
class FrontExperiment(Experiment):
    """The weighted, constrained search for networks that no other beats.

    Attributes:
        goal: objectives, weights, limits.
        parameters: sizes and shares of the search.
        seed: of everything random in the search.
        setup: how networks are measured on inherited weights; a table is only read.
        space: of the networks; :meth:`fitted` fills it in, as all below.
        measurement: what networks are measured with, for the identity.
        costs: what is known before an evaluation, with objectives that installed packages add.
        measured: what an evaluation measures.
        metric: what networks trained alone are judged by; auto until the search is fitted to its images.
        signal: what networks are ranked by, in the place of the paper's accuracy; auto until the search is fitted: the
            loss on validation images where it is measured and the metric is accuracy, else the metric.
        audit: networks to train alone afterwards; None: none.
        price_alone: of an epoch of one of them, in evaluations of a network.
        compare: trainings alone of the best-ranked network within the limits, and of a baseline; 0: none. Some may
            be added to a run, and those that it was begun with stay.
        compare_where_cheap: whether :meth:`fitted` adds the usual number where that is a small part of the run.
        alone: setup of the trainings alone; None until the search is fitted, or where nothing can be trained.
        epochs: of a training alone; known once the search is fitted.

    Raises:
        ValueError: for a value out of range.
    """

    name: ClassVar[str] = "scarlet"
    version: ClassVar[int] = VERSION
    continues: ClassVar[tuple[int, ...]] = (2,)
    beside: ClassVar[tuple[str, ...]] = ("measurement", "group")
    adjustable: ClassVar[tuple[str, ...]] = ("compare", "metric")
    requested: ClassVar[tuple[str, ...]] = (
        *("data", "setup", "costs", "measured", "signal", "price_alone"),
        *("compare_where_cheap", "alone", "epochs"),
    )

    goal: Goal = field(default_factory=Goal)
    parameters: SearchParameters = field(default_factory=SearchParameters)
    seed: int = 0
    setup: SubnetSetup = field(default_factory=SubnetSetup)
    group: int = 35
    space: str = ""
    measurement: Mapping[str, Any] = field(default_factory=dict)
    costs: Costs | None = None
    measured: tuple[str, ...] = ()
    metric: Metric | Literal["auto"] = "auto"
    signal: Signal | Literal["auto"] = "auto"
    audit: Audit | None = None
    price_alone: float = 0.0
    compare: int = 0
    compare_where_cheap: bool = False
    alone: TrainingSetup | None = None
    epochs: int = 0

    def __post_init__(self) -> None:
        if self.group < 1 or self.seed < 0:
            raise ValueError(f"group must be at least 1 and the seed at least 0, got {self.group} and {self.seed}")
        check_metric(self.metric)
        check_signal(self.signal)
        check_repeats(self.compare)

    def identity(self) -> dict[str, Any]:
        """What makes the run this run; the goal's parts stand among the strategy's, the measurement is the source."""
        found = super().identity()
        strategy = found["strategy"]
        if self.audit is None:  # searches of before there were audits are the same
            del strategy["audit"]
        return {
            "strategy": {**{name: strategy[name] for name in strategy if name != "goal"}, **strategy["goal"]},
            "source": found["measurement"],
            "group": found["group"],
        }

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Read what :meth:`identity` wrote; costs are known when the experiment is fitted to its material again.

        Raises:
            ValueError: for data of another kind of run, or of another form.
        """
        strategy, measurement = dict(identity.get("strategy", {})), identity.get("source", {})
        names = [one.name for one in dataclasses.fields(Goal) if one.name in strategy]
        strategy["goal"] = {name: strategy.pop(name) for name in names}
        read = super().from_identity({**identity, "strategy": strategy, "measurement": measurement}, options)
        return dataclasses.replace(read, setup=SubnetSetup.of_identity(measurement))

    @classmethod
    def source(cls, data: Mapping[str, Any]) -> Source:
        """Read a table or a supernet with images as a source."""
        return front_source(data)

    @property
    def threads(self) -> int:
        """CPU threads of a worker."""
        return self.setup.threads

    @property
    def device(self) -> str:
        """Of a worker."""
        return self.setup.device

    def fitted(self, material: Measurement, say: Say) -> Self:
        """The search with space and costs of what it measures with.

        Raises:
            ValueError: for an objective or a limit on something that is not known, or limits that cannot be kept.
        """
        metric = settled(self.metric, material.about.get("class_counts", {}).get("train", ()), say)
        goal = self.goal.ranked_by(self.signal, metric, material.measured)
        audit = None if self.audit is None else self._payable(self.audit, material)
        fitted = dataclasses.replace(
            self,
            audit=audit,
            metric=metric,
            price_alone=_epochs_price(material),
            alone=self._trained_alone(RECIPE if audit is None else audit.recipe, material),
            epochs=material.epochs if audit is None else audit.epochs,
            goal=goal,
            space=material.space.name,
            measurement=material.identity,
            costs=with_added(material.costs, material.space.name, goal.metrics, material.measured),
            measured=material.measured,
        )
        if self.compare and (fitted.alone is None or not fitted.epochs):
            raise ValueError(
                "a comparison trains networks on images in memory, for as many epochs as their supernet, expected a "
                "supernet of such images that says its epochs, or --audit-epochs"
            )
        if self.compare_where_cheap and fitted.alone is not None and fitted.epochs:
            one = fitted.epochs * fitted.price_alone
            fitted = dataclasses.replace(fitted, compare=affordable_repeats(one, fitted.total(fitted.strategy())))
        fitted.strategy().ask(1, 0)  # complains now about limits that cannot be kept
        return fitted

    def continued(self, options: Mapping[str, Any]) -> Self:
        """The search with the comparison that it was begun with, or more repeats of it."""
        before = int(options.get("compare", 0))
        number = before if self.compare_where_cheap else max(before, self.compare)
        return dataclasses.replace(self, compare=number)

    def _trained_alone(self, recipe: Recipe, material: Measurement) -> TrainingSetup | None:
        """The setup of trainings alone, with batches that the images fill; of a table there is none."""
        if material.images is None or material.skeleton is None:
            return None
        return TrainingSetup(
            skeleton=material.skeleton,
            recipe=_filled(recipe, len(material.images.train)),
            precision=Precision(device=self.setup.device, dtype=self.setup.dtype),
            seed=self.seed,
            threads=self.setup.threads,
        )

    def _payable(self, audit: Audit, material: Measurement) -> Audit:
        """The audit with the epochs of the supernet, and batches that the images fill.

        Raises:
            ValueError: for a table, for a supernet that does not say its epochs, or more networks than are evaluated.
        """
        if material.images is None:
            raise ValueError("an audit trains networks on images in memory, expected a supernet of such images")
        epochs = audit.epochs or material.epochs
        if not epochs:
            raise ValueError("the supernet does not say for how many epochs it was trained: expected --audit-epochs")
        most = int(self._most())
        if audit.networks > most:
            raise ValueError(f"an audit of {audit.networks} networks needs as many evaluations, got {most}")
        return dataclasses.replace(audit, epochs=epochs, recipe=_filled(audit.recipe, len(material.images.train)))

    def describe(self, material: Measurement) -> Mapping[str, Any]:
        """Names and sizes of the images; of a table nothing."""
        return material.about

    def strategy(self) -> WeightedSearch | AuditedSearch | Compared:
        """A fresh search, with its audit and its comparison where there are any.

        Raises:
            ValueError: for an objective or a limit on something that is not known, or before the search is fitted.
        """
        space = CHAIN_SPACES.get(self.space)
        if space is None or self.costs is None:
            raise ValueError("this search does not know yet what it measures with; fitted() says it")
        kind = WeightedSearch if self.parameters.surrogate == NO_SURROGATE else SurrogateFront
        search = kind(space, self.costs, self.goal, self.parameters, self.seed, self.measured)
        audited = search if self.audit is None else AuditedSearch(search, self.audit, self.costs, self.seed)
        if not self.compare or self.alone is None:
            return audited
        setting = ProxySetting(0, 0, 0, self.epochs)
        terms = ComparisonTerms(repeats=self.compare, setting=setting, every=1, skeleton=self.alone.skeleton)
        return Compared(audited, partial(best_ranked, self.goal), terms)

    def evaluator(self, material: Measurement) -> Evaluator:
        """Looks networks up, or measures them on the supernet's weights; trains those of the audit."""
        evaluator = material.make(material.payload)
        if self.alone is not None and (self.audit is not None or self.compare):
            evaluator = WithTraining(evaluator, self.alone, partial(_trains, material))
        return CostedEvaluator(evaluator, self.costs) if isinstance(self.costs, AddedCosts) else evaluator

    def price(self, trial: Trial) -> float:
        """Every network costs the same; an epoch alone costs as much as its images are passed."""
        return self.price_alone * (trial.stop - trial.start) if trial.role == ALONE else 1.0

    def total(self, strategy: Strategy) -> float:
        """Evaluations at most, the audit and the comparison."""
        trained = 2 * self.compare + (0 if self.audit is None else self.audit.networks)
        return self._most() + trained * self.epochs * self.price_alone

    def _most(self) -> float:
        """Evaluations at most: refills are included where something can be refused afterwards."""
        parameters, known = self.parameters, () if self.costs is None else self.costs.names
        count = parameters.population * (2 + parameters.generations)
        if parameters.surrogate == NO_SURROGATE and any(limit.metric not in known for limit in self.goal.limits):
            count *= parameters.rounds
        return min(count, parameters.evaluations or count)

    def estimate(self, material: Measurement, workers: int) -> Estimate:
        """Evaluations, hours and megabytes, from timing the first batch."""
        strategy, evaluator = self.strategy(), self.evaluator(material)
        jobs = [Job(trial, 0, None) for trial in strategy.ask(self.group, 0)]
        began = time.perf_counter()
        evaluator(jobs)
        each = (time.perf_counter() - began) / len(jobs)
        total = int(self.total(strategy))
        networks = int(self._most())
        spent, megabytes = total * each / workers / 3600, total * JOURNAL_BYTES / 1e6
        numbers = {"networks": networks, "hours": spent, "disk_mb": megabytes}
        lines = (("networks", f"{networks} at most"), hours(spent, "timed here on the first batch"), disk(megabytes))
        return Estimate(numbers=numbers, lines=lines)

    def report(self, run: "Run") -> Report:
        """Page, pictures and tables of the front; of a finished search also how to get its models.

        Raises:
            ValueError: if nothing was measured yet, or nothing keeps the limits.
        """
        found, compared = self._audited(run), read_comparison(run)
        report = front_report(
            run, remark := " ".join(filter(None, (self._remark(found), self._compared(run, compared))))
        )
        more = {"audit": found, "comparison": compared}
        known = {name: one.to_dict() for name, one in more.items() if one is not None}
        report = dataclasses.replace(report, summary={**report.summary, **known})
        if not run.finished:
            return report

        def show(console: Console) -> None:
            if remark:
                console.print(remark, markup=False, soft_wrap=True)
            report.show(console)
            formats = "json,state,onnx" if "supernet" in self.measurement else "json"  # a table has no weights
            command = f"thriftnas run export {run.folder} {{}} --format {formats}"
            console.print(f"The best of the front: {command.format('--best')}", soft_wrap=True, markup=False)
            count = len(report.summary["models"])
            if count > 1:
                along = command.format(f"--models {count}")
                console.print(f"Models along it: {along}", soft_wrap=True, markup=False)

        return dataclasses.replace(report, show=show)

    def _remark(self, found: AuditResult | None) -> str:
        """How well the supernet ranks, in a sentence; nothing where there is none."""
        if "supernet" not in self.measurement:
            return ""
        if found is not None:
            return found.sentence
        return "How well the supernet ranks these networks is not known: --audit 10 trains 10 of them alone."

    def _compared(self, run: "Run", found: ComparisonResult | None) -> str:
        """What is known of the best-ranked network beside one that needs no search; nothing of a table."""
        if "supernet" not in self.measurement or not run.finished:
            return ""
        with run.journal() as journal:
            trials = journal.trials()
        return comparison_remark(trials, trials[0] if trials else None, found)

    def _audited(self, run: "Run") -> AuditResult | None:
        if self.audit is None:
            return None
        with run.journal() as journal:
            trials, records = journal.trials(), journal.records()
        numbers = self.audit.networks, self.audit.epochs
        return audit_result(trials, records, self.goal.objectives, judging(self.goal, self.metric), *numbers)

    def finish(self, run: "Run", material: Measurement) -> Mapping[str, Any]:
        """Measure the networks of the comparison on the test images, where there is one.

        Images to recalibrate on that are only in memory are kept beside the run, whose networks are exported with them.
        """
        if isinstance(source := run.source, SupernetSource) and isinstance(source.images, HeldSource):
            self._keep_calibration(run, material)
        if self.alone is None or material.images is None:
            return {}
        return keep_comparison(run, self.alone, material.images, judging(self.goal, self.metric), words_of(self.goal))

    def _keep_calibration(self, run: "Run", material: Measurement) -> None:
        from scarlet.evaluation.subnets import calibration_numbers
        from scarlet.extraction.calibration import keep_calibration

        images, count = material.images, int(self.measurement["recalibration"])
        if images is not None and count:
            chosen = calibration_numbers(count, int(self.measurement["seed"]), len(images.train))
            keep_calibration(run.folder, images.train.images[chosen])

    def blueprints(self, run: "Run") -> "Callable[[Trial], Blueprint]":
        """The networks of trials as their supernet has them; of a table, or where it is gone, their genotypes alone."""
        if "supernet" not in self.measurement:  # which takes no torch
            return super().blueprints(run)
        from scarlet.extraction.inherited import searched_supernet

        try:
            held = searched_supernet(run)
        except ValueError:
            return super().blueprints(run)
        around: dict[str, Any] = {"classes": held.classes, "mean": held.mean, "std": held.std}
        return lambda trial: Blueprint(genotype=trial.genotype, skeleton=held.network.skeleton, **around)

    def weights(self, run: "Run") -> "Callable[[Trial, Record], Model]":
        """The networks of trials with the supernet's weights; supernet and images are read for the first one."""
        from scarlet.extraction.inherited import InheritedModels

        return InheritedModels(run)


def _filled(recipe: Recipe, images: int) -> Recipe:
    """With batches that so many images fill."""
    return dataclasses.replace(recipe, batch=min(recipe.batch, images))


def _trains(material: Measurement, setup: TrainingSetup) -> Evaluator:
    from zoo.training.evaluator import TrainingEvaluator

    assert material.images is not None
    return TrainingEvaluator(setup, material.images)


def _epochs_price(material: Measurement) -> float:
    """An epoch of training in evaluations of a network: its backward pass takes twice as long as its forward pass."""
    images = material.images
    return 0.0 if images is None else 3 * len(images.train) / len(images.validation)
