"""EcoNAS on images as an experiment: from random cells to a trained network."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from econas.audit_request import AuditRequest
from econas.ladder import ladder
from econas.pricing import Pricing
from econas.recipe import FINAL_RECIPE, SPACE
from econas.search import Search, estimate_of, winner_of
from zoo.experiments.estimate import JOURNAL_BYTES, Estimate
from zoo.experiments.kinds.on_images import OnImages, class_counts, fitted_skeleton
from zoo.experiments.resources import Say
from zoo.files import write_json
from zoo.population.metric import settled
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import GenotypeSequence
from zoo.population.trial import Evaluator
from zoo.spaces.cell_space import CellSpace, cell_space
from zoo.spaces.cost import cost
from zoo.spaces.genotype import require_cells
from zoo.training.setup import TrainingSetup

if TYPE_CHECKING:
    from zoo.data.image_set import ImageSet
    from zoo.experiments.run import Run

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

    Raises:
        ValueError: for numbers that do not fit together.
    """

    name: ClassVar[str] = "econas"
    beside: ClassVar[tuple[str, ...]] = ("data", "setup", "final", "group")
    requested: ClassVar[tuple[str, ...]] = ("counts", "audits")
    random_part: ClassVar[int] = 8

    space: str = SPACE
    final: TrainingSetup = field(default_factory=original_setup)
    audits: AuditRequest | None = None

    def __post_init__(self) -> None:
        count = 1 if self.audits is None else self.audits.count
        if min(self.group, count) < 1:
            raise ValueError(f"group and audits must be at least 1, got {self.group} and {count}")
        super().__post_init__()
        cell_space(self.space)
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
        return replace(found, parameters=numbers, final=final).checked()

    def evaluator(self, material: "ImageSet") -> Evaluator:
        """Trains cheaply in the search and fully at its end, each with its own recipe."""
        from econas.evaluator import SearchEvaluator

        return SearchEvaluator(self.setup, self.final, material)

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
        held = (numbers.start + numbers.ageing * numbers.children) * self._params(numbers.setting)
        return estimate_of(
            self,
            {
                "hours": search / 3600 / workers + retraining / 3600 / max(1, min(workers, retrained)),
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
        from zoo.experiments.kinds.trained import keep_trained

        winner = winner_of(run, self.terms)
        summary = keep_trained(run, winner, self.final, material)
        write_json(run.folder / "genotype.json", winner[0].genotype.to_dict())
        return summary
