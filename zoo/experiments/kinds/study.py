"""A study as an experiment: random networks at a reference and at every setting of a grid."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoo.experiments.estimate import JOURNAL_BYTES, Estimate, disk, hours
from zoo.experiments.experiment import Say
from zoo.experiments.kinds.on_images import OnImages
from zoo.experiments.report import Report
from zoo.population.proxy import ProxySetting, merge_coinciding
from zoo.population.strategy import GenotypeSequence, Strategy
from zoo.reliability.study import VERSION, Study
from zoo.spaces.cell_space import cell_space
from zoo.spaces.genotype import require_cells

if TYPE_CHECKING:
    from zoo.data.image_set import ImageSet
    from zoo.experiments.run import Run

REPORT_BYTES = 3_000_000
"""What tables and page take at most."""


@dataclass(frozen=True, kw_only=True)
class StudyExperiment(OnImages):
    """Which cheap setting ranks networks as the reference does.

    Attributes:
        space: name of the search space.
        settings: the grid; of those that train the same thing on the images one is kept.
        reference: the setting whose ranking counts.
        repeats: trainings per network there.
        models: networks; the number may grow.
        target: Spearman correlation that a setting must reach.
        growth: numbers of networks that were asked for so far.

    Raises:
        ValueError: for a value out of range.
    """

    name: ClassVar[str] = "study"
    version: ClassVar[int] = VERSION
    adjustable: ClassVar[tuple[str, ...]] = ("models", "target")
    requested: ClassVar[tuple[str, ...]] = ("counts", "growth")

    space: str = "econas-zoo"
    settings: tuple[ProxySetting, ...]
    reference: ProxySetting
    repeats: int = 2
    models: int = 24
    target: float = 0.8
    growth: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.models < 1 or self.group < 1:
            raise ValueError(f"models and group must be at least 1, got {self.models} and {self.group}")
        if not 0 < self.target < 1:
            raise ValueError(f"the target must lie between 0 and 1, got {self.target:g}")
        self.strategy()  # complains now about what is out of range

    def settings_used(self) -> list[ProxySetting]:
        """Every training of one network."""
        return [self.reference] * self.repeats + list(self.settings)

    def fitted(self, material: "ImageSet", say: Say) -> Self:
        """The study on these images, without settings that train the same thing as another.

        Raises:
            ValueError: for images that the skeleton cannot read.
        """
        fitted = super().fitted(material, say)
        settings, notices = merge_coinciding(list(self.settings), fitted.setup.skeleton)
        for notice in notices:
            say(notice)
        return dataclasses.replace(fitted, settings=tuple(settings))

    def strategy(self) -> Study:
        """A fresh study with its history of sizes."""
        return Study(
            cell_space(self.space),
            self.settings,
            self.reference,
            repeats=self.repeats,
            growth=self.growth or (self.models,),
            batch=self.group,
            seed=self.seed,
        )

    def total(self, strategy: Strategy) -> float:
        """Forward MACs of all trainings."""
        return sum(self.price(trial) for trial in self.strategy().everything())

    def estimate(self, material: "ImageSet", workers: int) -> Estimate:
        """Networks, trainings, epochs, hours and megabytes, from timing one network at every setting."""
        genotype = require_cells(GenotypeSequence(cell_space(self.space), self.seed)[0])
        each = self.settings_used()
        seconds = sum(self.seconds_of(setting, genotype, material) for setting in each)
        trainings = self.models * len(each)
        numbers: dict[str, float] = {
            "networks": self.models,
            "trainings": trainings,
            "epochs": self.models * sum(setting.e for setting in each),
            "hours": seconds * self.models / 3600 / workers,
            "disk_mb": (trainings * JOURNAL_BYTES + REPORT_BYTES) / 1e6,
        }
        what = f"{self.models}: {self.repeats} × {self.reference} and {len(self.settings)} settings each"
        note = f" with {workers} worker{'' if workers == 1 else 's'}, timed here on the first network"
        lines = (
            ("networks", what),
            ("trainings", str(trainings)),
            ("epochs", str(numbers["epochs"])),
            hours(numbers["hours"], note),
            disk(numbers["disk_mb"], "; a study keeps no weights"),
        )
        return Estimate(numbers=numbers, lines=lines)

    def report(self, run: "Run") -> Report:
        """The recommendation, scores of every setting, and a page.

        Raises:
            ValueError: if no network has been measured at every setting yet.
        """
        return study_report(self, run)


def study_report(study: StudyExperiment, run: "Run", target: float | None = None, metric: Any = "accuracy") -> Report:
    """The report of a study, for another target or by another metric than its own where they are given.

    Raises:
        ValueError: for a target or a metric out of range, or if no network has been measured at every setting yet.
    """
    from zoo.reliability.findings import Design, find
    from zoo.reliability.overview import show_findings
    from zoo.reliability.report import findings_page
    from zoo.reliability.tables import baselines_frame, entropy_frame, recommendation_dict, settings_frame

    design = Design(
        settings=study.settings,
        reference=study.reference,
        repeats=study.repeats,
        skeleton=study.setup.skeleton,
        seed=study.seed,
    )
    with run.journal() as journal:
        findings = find(journal, design, study.target if target is None else target, metric)
    tables = {
        "study": settings_frame(findings),
        "baselines": baselines_frame(findings),
        "entropy": entropy_frame(findings),
    }
    files: dict[str, str] = {}
    for name, frame in tables.items():
        files[f"{name}.csv"] = frame.to_csv(index=False, lineterminator="\n")
        files[f"{name}.json"] = frame.to_json(orient="records", indent=2, double_precision=15) + "\n"
    answer: Mapping[str, Any] = recommendation_dict(findings)
    files["recommendation.json"] = json.dumps(answer, indent=2, allow_nan=False) + "\n"
    return Report(
        summary=answer,
        tables=tables,
        page=findings_page(findings),
        files=files,
        show=lambda console: show_findings(findings, run.folder, console),
    )
