"""EcoNAS on images as an experiment: from random cells to a trained network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from econas.audit_request import AuditRequest
from econas.history.terms import Terms
from econas.ladder import ladder
from econas.limited_space import Prices
from econas.pricing import Pricing
from econas.recipe import FINAL_RECIPE, SPACE
from econas.search import Search, estimate_of, winner_of
from zoo.experiments.estimate import JOURNAL_BYTES, Estimate
from zoo.experiments.kinds.on_images import OnImages, class_counts, fitted_skeleton
from zoo.experiments.resources import Say
from zoo.files import write_json
from zoo.population.cell_latency import LATENCY, CellLatency
from zoo.population.journal import Journal
from zoo.population.metric import settled
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import GenotypeSequence, Strategy
from zoo.population.trial import Evaluator, Record, Trial
from zoo.spaces.cell_space import CellSpace, cell_space
from zoo.spaces.cost import cost
from zoo.spaces.genotype import CellGenotype, require_cells
from zoo.training.comparison import Compared, ComparisonTerms, affordable_repeats, check_repeats
from zoo.training.setup import TrainingSetup

if TYPE_CHECKING:
    from zoo.data.image_set import ImageSet
    from zoo.experiments.run import Run

COSTS = ("macs", "params", LATENCY)
"""What a limit may be on."""
BYTES_PER_PARAMETER = 8
"""What a network takes in the weight store: parameters and momentum."""


def original_setup() -> TrainingSetup:
    """The paper's final training (Appendix E.2, Zhou 2020)."""
    return TrainingSetup(recipe=FINAL_RECIPE)


@dataclass(frozen=True, kw_only=True)
class EcoNASExperiment(Search, OnImages):
    """A search on images; its best networks are trained fully, and the best of these is kept as a model.

    Attributes:
        final: setup of the retraining; its skeleton is fitted to the images.
        audits: those that :meth:`fitted` shall add to the parameters; None leaves the parameters' own.
        compare: trainings of the winner and of a baseline each, beside which it is reported; 0: none. They may be added
            to a run, and those that it was begun with stay.
        compare_where_cheap: whether :meth:`fitted` adds the usual number where that is a small part of the run.
        latency: what the blocks of fully sized networks take on a device; None: nobody has timed them.

    Raises:
        ValueError: for numbers that do not fit together, or a limit on something that is not known before a training.
    """

    name: ClassVar[str] = "econas"
    beside: ClassVar[tuple[str, ...]] = ("data", "setup", "final", "group")
    requested: ClassVar[tuple[str, ...]] = ("counts", "choose_group", "audits", "compare_where_cheap")
    adjustable: ClassVar[tuple[str, ...]] = ("compare",)
    random_part: ClassVar[int] = 8

    space: str = SPACE
    final: TrainingSetup = field(default_factory=original_setup)
    audits: AuditRequest | None = None
    compare: int = 0
    compare_where_cheap: bool = False
    latency: CellLatency | None = None

    def __post_init__(self) -> None:
        count = 1 if self.audits is None else self.audits.count
        if min(self.group, count) < 1:
            raise ValueError(f"group and audits must be at least 1, got {self.group} and {count}")
        super().__post_init__()
        cell_space(self.space)
        check_repeats(self.compare)
        known = COSTS if self.latency is not None else tuple(name for name in COSTS if name != LATENCY)
        if unknown := [one.metric for one in self.within if one.metric not in known]:
            hint = "; a latency needs --latency FILE, a table of zoo profile" if unknown[0] == LATENCY else ""
            raise ValueError(f"{unknown[0]} is not known before a training, expected one of {', '.join(known)}{hint}")
        if self.compare and not self.parameters.retrained:
            raise ValueError("a comparison trains as the retraining does, expected a --reference beside --compare")
        if not self.audited and self.audits is not None and self.audits.by_name:
            if self.cyclic:
                raise ValueError("a search with a surrogate has no audits, expected --surrogate none with --audit")
            raise ValueError(f"the method {self.method} has neither audits nor cycles; leave out --audit and --async")
        if self.cyclic and self.parameters.final == self.parameters.setting:
            raise ValueError(f"the final setting must differ from the search's {self.parameters.setting}")

    def search_space(self) -> CellSpace:
        """The space of cells."""
        return cell_space(self.space)

    def settings_used(self) -> list[ProxySetting]:
        """The search's, those with more of the images, of which audits may be, and the final one."""
        setting = self.parameters.setting
        return [*(replace(setting, s=level) for level in range(setting.s + 1)), self.parameters.final]

    def fitted(self, material: "ImageSet", say: Say) -> Self:
        """The search with skeletons for these images, what its settings cost on them, and its audits.

        Raises:
            ValueError: for images that a skeleton cannot read, a budget that pays too little, or audits that were
                asked for by name and cannot be had.
        """
        found = super().fitted(material, say)
        metric = settled(self.parameters.metric, class_counts(material)["train"], say)
        found = replace(found, parameters=replace(found.parameters, metric=metric))
        price = Pricing(found.search_space(), found.parameters.setting, found.epoch_price)
        numbers = replace(found.parameters, final_price=price(found.parameters.final))
        if found.audited and found.audits is not None:
            numbers = found.audits.added(numbers, ladder(numbers.setting, found.setup.skeleton, price), say)
        final = replace(found.final, skeleton=fitted_skeleton(found.final.skeleton, material))
        if found.latency is not None:
            found.latency.require(found.search_space(), numbers.final.skeleton(final.skeleton))
        found = replace(found, parameters=numbers, final=final)
        if found.compare_where_cheap and numbers.retrained:
            found = replace(found, compare=affordable_repeats(found.training_price, numbers.total))
        return found.checked()

    def continued(self, options: Mapping[str, Any]) -> Self:
        """The search with the comparison that it was begun with, or more repeats of it."""
        before = int(options.get("compare", 0))
        return replace(self, compare=before if self.compare_where_cheap else max(before, self.compare))

    @property
    def training_price(self) -> float:
        """Of a network's full training, in epochs of the search's first setting."""
        return self.parameters.final.e * self.parameters.final_price

    @property
    def terms(self) -> Terms:
        """As of every search, with its comparison."""
        return replace(super().terms, compare=self.compare)

    def strategy(self) -> Strategy:
        """A fresh search of the method, and its comparison where there is one."""
        search = super().strategy()
        if not self.compare:
            return search
        numbers = self.parameters
        terms = ComparisonTerms(
            repeats=self.compare,
            setting=numbers.final,
            every=numbers.final_every or numbers.final.e,
            skeleton=self.final.skeleton,
        )
        return Compared(search, partial(best_finalist, search, numbers.metric), terms)

    def total(self, strategy: Strategy) -> float:
        """As of every search, and the comparison."""
        if not isinstance(strategy, Compared):
            return super().total(strategy)
        return super().total(strategy.search) + 2 * self.compare * self.training_price

    def observe(self, strategy: Strategy, journal: Journal) -> Sequence[str]:
        """As of every search."""
        return super().observe(strategy.search if isinstance(strategy, Compared) else strategy, journal)

    def evaluator(self, material: "ImageSet") -> Evaluator:
        """Trains cheaply in the search and fully at its end, each with its own recipe."""
        from econas.evaluator import SearchEvaluator

        return SearchEvaluator(self.setup, self.final, material, self.latency_of if self.latency is not None else None)

    def latency_of(self, genotype: CellGenotype) -> float:
        """Milliseconds of a network as it is retrained."""
        assert self.latency is not None
        return self.latency.of(genotype, self.parameters.final.skeleton(self.final.skeleton))

    def prices(self) -> Prices:
        """MACs, parameters and, where there is a table, the latency of networks as they are retrained."""
        skeleton = self.parameters.final.skeleton(self.final.skeleton)

        def known(genotype: CellGenotype) -> Mapping[str, float]:
            found = cost(genotype, skeleton)
            timed = {} if self.latency is None else {LATENCY: self.latency_of(genotype)}
            return {"macs": found.macs, "params": found.params, **timed}

        return known

    def estimate(self, material: "ImageSet", workers: int) -> Estimate:
        """Trials, epochs, hours and megabytes at most, from timing a few steps at every setting that is certain."""
        from zoo.training.speed import seconds_per_image

        numbers, retrained = self.parameters, self.parameters.retrained
        genotype = require_cells(GenotypeSequence(self.search_space(), self.seed)[0])
        cheap = seconds_per_image(self.setup, material, numbers.setting, genotype)
        full = seconds_per_image(self.final, material, numbers.final, genotype)
        validation, jobs = len(material.validation), numbers.search_total / numbers.stages[0]
        search = numbers.search_total * cheap.training * self.counts[numbers.setting.s]
        search += jobs * cheap.validation * validation
        epoch = full.training * self.counts[numbers.final.s] + full.validation * validation
        retraining = retrained * numbers.final.e * epoch
        comparison = 2 * self.compare * numbers.final.e * epoch
        held = (numbers.start + numbers.ageing * numbers.children) * self._params(numbers.setting)
        return estimate_of(
            self,
            {
                "hours": search / 3600 / workers
                + retraining / 3600 / max(1, min(workers, retrained))
                + comparison / 3600 / max(1, min(workers, 2 * self.compare)),
                "disk_mb": (self.trials * JOURNAL_BYTES + held * BYTES_PER_PARAMETER) / 1e6,
            },
        )

    def _params(self, setting: ProxySetting) -> int:
        genotype = require_cells(GenotypeSequence(self.search_space(), self.seed)[0])
        return cost(genotype, setting.skeleton(self.setup.skeleton)).params

    def finish(self, run: "Run", material: "ImageSet") -> Mapping[str, Any]:
        """Keep the best of the retrained by validation accuracy as a model; its test accuracy is measured here.

        Raises:
            ValueError: if no network was trained to the end.
        """
        from zoo.experiments.kinds.compared import keep_comparison
        from zoo.experiments.kinds.trained import keep_trained

        winner = winner_of(run, self.terms)
        summary = keep_trained(run, winner, self.final, material)
        write_json(run.folder / "genotype.json", winner[0].genotype.to_dict())
        return summary | keep_comparison(run, self.final, material, self.terms.metric)


def best_finalist(search: Any, metric: str, measured: Mapping[int, tuple[Trial, Record]]) -> CellGenotype | None:
    """The best of the networks that a search has retrained to the end; None where there is none.

    Args:
        search: a strategy that knows its finalists.
        metric: that judges them.
        measured: its trials with their records.
    """
    ranked = [
        (-measured[trial][1].metrics.get(metric, -math.inf), trial, one.genotype) for one, trial in search.finalists
    ]
    return require_cells(min(ranked, key=lambda one: one[:2])[2]) if ranked else None
