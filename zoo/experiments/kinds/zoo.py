"""A zoo as an experiment: random networks trained at one setting, the best of which is kept."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from rich.console import Console

from zoo.experiments.estimate import JOURNAL_BYTES, Estimate, disk, hours
from zoo.experiments.kinds.on_images import OnImages, class_counts
from zoo.experiments.kinds.trained import (
    best_trial,
    keep_trained,
    kept_summary,
    measured_frame,
    one_class_said,
    run_page,
    say_model,
)
from zoo.experiments.report import Report
from zoo.experiments.resources import Say
from zoo.population.metric import METRICS, Metric, check_metric, settled
from zoo.population.proxy import ProxySetting
from zoo.population.strategy import GenotypeSequence, RandomSearch, Strategy
from zoo.population.trial import Trial
from zoo.spaces.cell_space import cell_space
from zoo.spaces.cost import cost
from zoo.spaces.genotype import require_cells

if TYPE_CHECKING:
    from zoo.data.image_set import ImageSet
    from zoo.experiments.run import Run

BYTES_PER_PARAMETER = 8
"""What a network takes in the weight store: parameters and momentum."""


@dataclass(frozen=True, kw_only=True)
class ZooExperiment(OnImages):
    """Random networks at one setting, of which the best on validation images is kept as a model.

    Attributes:
        space: name of the search space.
        setting: how each network is trained.
        models: networks; the number may grow.
        metric: by which the best is chosen; auto until the zoo is fitted to its images.
        growth: numbers of networks that were asked for so far.

    Raises:
        ValueError: for a value out of range.
    """

    name: ClassVar[str] = "zoo"
    adjustable: ClassVar[tuple[str, ...]] = ("models", "metric")
    requested: ClassVar[tuple[str, ...]] = ("counts", "choose_group", "growth")

    space: str = "econas-zoo"
    setting: ProxySetting
    models: int = 8
    metric: Metric | Literal["auto"] = METRICS[0]
    growth: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.models < 1 or self.group < 1:
            raise ValueError(f"models and group must be at least 1, got {self.models} and {self.group}")
        cell_space(self.space)
        check_metric(self.metric)

    def fitted(self, material: "ImageSet", say: Say) -> Self:
        """The zoo with a skeleton for these images, and the metric that suits their classes.

        Raises:
            ValueError: for images that the skeleton cannot read.
        """
        metric = settled(self.metric, class_counts(material)["train"], say)
        return dataclasses.replace(super().fitted(material, say), metric=metric)

    def strategy(self) -> Strategy:
        """Random search with the zoo's history of sizes."""
        return _Growing(self._search(), self.growth or (self.models,))

    def _search(self) -> RandomSearch:
        return RandomSearch(cell_space(self.space), self.setting, self.models, self.seed)

    def total(self, strategy: Strategy) -> float:
        """Forward MACs of all trainings."""
        return sum(self.price(trial) for trial in self._search().ask(self.models, 0))

    def estimate(self, material: "ImageSet", workers: int) -> Estimate:
        """Networks, epochs, hours and megabytes, from timing one network."""
        genotype = require_cells(GenotypeSequence(cell_space(self.space), self.seed)[0])
        seconds = self.seconds_of(self.setting, genotype, material) * self.models / workers
        params = cost(genotype, self.setting.skeleton(self.setup.skeleton)).params
        megabytes = (self.models * JOURNAL_BYTES + 2 * params * BYTES_PER_PARAMETER) / 1e6  # the best and the newest
        epochs = self.models * self.setting.e
        numbers = {"networks": self.models, "epochs": epochs, "hours": seconds / 3600, "disk_mb": megabytes}
        lines = (("networks", str(self.models)), ("epochs", str(epochs)), hours(seconds / 3600), disk(megabytes))
        return Estimate(numbers=numbers, lines=lines)

    def finish(self, run: "Run", material: "ImageSet") -> Mapping[str, Any]:
        """Keep the best network as a model; its test accuracy is measured here.

        Raises:
            ValueError: if every network failed.
        """
        return keep_trained(run, best_trial(run, self.metric), self.setup, material)

    def report(self, run: "Run") -> Report:
        """The table of the zoo, and the spread of its accuracies.

        Raises:
            ValueError: if nothing has been measured yet.
        """
        from zoo.pages.written import percent

        frame = measured_frame(run)
        good = frame[frame["ok"].astype(bool)] if "ok" in frame else frame
        accuracies = sorted(good["accuracy"].tolist()) if "accuracy" in good else []
        sentences, kept = [f"none of {len(frame)} networks is measured"], kept_summary(run.folder)
        if accuracies:
            middle = accuracies[len(accuracies) // 2] / 2 + accuracies[(len(accuracies) - 1) // 2] / 2
            spread = f"{percent(accuracies[0])} to {percent(accuracies[-1])}, median {percent(middle)}"
            sentences = [f"validation accuracy of {len(accuracies)} networks: {spread}"]
        if kept:
            validation, test = kept[self.metric], kept[f"test_{self.metric}"]
            by = "" if self.metric == METRICS[0] else f" by {self.metric.replace('_', ' ')}"
            sentences.append(f"best{by}: trial {kept['trial']}, validation {percent(validation)}, test {percent(test)}")
            sentences += one_class_said(run, kept)

        def show(console: Console) -> None:
            for sentence in sentences:
                console.print(sentence, markup=False, soft_wrap=True)
            say_model(run.folder, console)

        shown = ["index", "ok", "accuracy", "balanced_accuracy", "loss", "macs", "params", "seconds", "reason"]
        return Report(
            summary=kept or {"networks": len(frame), "measured": len(accuracies)},
            tables={"zoo": frame},
            page=run_page(
                run, sentences, partial(_spread, accuracies) if accuracies else None, frame.reindex(columns=shown)
            ),
            files={"zoo.csv": frame.to_csv(index=False, lineterminator="\n")},
            show=show,
        )


def _spread(accuracies: Sequence[float], narrow: bool) -> str:
    """The accuracies as a picture, in their order."""
    from zoo.figures import Curve, Curves, curves_svg

    line = Curve(label="network", x=list(range(1, len(accuracies) + 1)), y=accuracies)
    panel = Curves(
        title="Accuracies", xlabel="rank from below", ylabel="validation accuracy", curves=[line], percent=True
    )
    name, description = "zoo-narrow" if narrow else "zoo", "Validation accuracies of the zoo, sorted"
    return curves_svg([panel], name=name, description=description, narrow=narrow)


class _Growing:
    """Random search that ends a batch wherever the zoo once ended, so that a grown one asks again what it asked."""

    def __init__(self, search: RandomSearch, growth: Sequence[int]) -> None:
        self._search, self._growth = search, growth
        self.tell, self.resumable = search.tell, search.resumable

    def ask(self, n: int, first: int) -> list[Trial]:
        """The next networks, at most to the end of the size the zoo then had."""
        end = next((size for size in self._growth if size > first), first)
        return self._search.ask(min(n, end - first), first)
