"""A study as an experiment: random networks, scored, at a reference and at every setting of a grid."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast, get_args

from zoo.experiments.estimate import JOURNAL_BYTES, Estimate, disk, hours
from zoo.experiments.kinds.on_images import OnImages, class_counts
from zoo.experiments.report import Report
from zoo.experiments.resources import Say
from zoo.population.journal import Journal
from zoo.population.metric import METRICS, Metric, check_metric, settled
from zoo.population.proxy import ProxySetting, merge_coinciding
from zoo.population.strategy import GenotypeSequence, Strategy
from zoo.reliability.findings import Design
from zoo.reliability.looks import Judge, Rule, looks
from zoo.reliability.recommendation import COST_UNITS, CostUnit
from zoo.reliability.signal import SIGNALS, find_signal, metric_signal
from zoo.reliability.study import VERSION, Study
from zoo.scores import find_score
from zoo.spaces.cell_space import cell_space
from zoo.spaces.genotype import require_cells

if TYPE_CHECKING:
    from zoo.data.image_set import ImageSet
    from zoo.experiments.run import Run

REPORT_BYTES = 3_000_000
"""What tables and page take at most."""

Until = Literal["models", "decided"]
FIXED, DECIDED = get_args(Until)
MODELS = {FIXED: 24, DECIDED: 50}
"""Networks where nobody says how many; until decided, at most."""
OWN_SIGNALS = tuple(SIGNALS)
"""Those that rank unless told otherwise: every plug-in's more would widen the bounds of the others."""
SCORES = ("synflow", "snip", "grad_norm", "naswot", "zico")
"""Those that a study measures unless told otherwise; MACs and parameters are counted for every report."""
LOOKS = "looks"
"""Name of the journal's value with what was decided at looks."""


def parse_names(text: str) -> tuple[str, ...]:
    """Read "synflow,zico" or "accuracy,loss"; "none" is none."""
    names = [name.strip() for name in text.split(",")]
    return () if names == ["none"] else tuple(names)


@dataclass(frozen=True, kw_only=True)
class StudyExperiment(OnImages):
    """Which cheap setting ranks networks as the reference does.

    Attributes:
        space: name of the search space.
        settings: the grid; of those that train the same thing on the images one is kept.
        reference: the setting whose ranking counts.
        scores: measured of every network without training it.
        until: "models": all networks are measured; "decided": a look may end the study before.
        repeats: trainings per network at the reference; the number may grow.
        models: networks, at most; the number may grow.
        target: Spearman correlation that a setting must reach.
        at_least: how many times cheaper than the reference it must be for a look to end the study.
        metric: which accuracy the reference is judged by; auto until the study is fitted to its images.
        cost: what the recommended candidate saves most of: counted "macs", or "seconds" as they were measured. Looks
            count, which every machine does alike.
        signals: by which every setting ranks networks.
        growth: numbers of networks that were asked for so far.
        repeated: of each of them, the trainings per network at the reference.

    Raises:
        ValueError: for a value out of range.
    """

    name: ClassVar[str] = "study"
    version: ClassVar[int] = VERSION
    continues: ClassVar[tuple[int, ...]] = (1,)
    adjustable: ClassVar[tuple[str, ...]] = ("models", "repeats", "target", "at_least", "metric", "cost", "signals")
    requested: ClassVar[tuple[str, ...]] = ("counts", "choose_group", "growth", "repeated")
    later: ClassVar[tuple[str, ...]] = ("scores", "until")
    """Fields that the identity leaves out while they have their defaults, as it did before there were any."""

    space: str = "econas-zoo"
    settings: tuple[ProxySetting, ...]
    reference: ProxySetting
    scores: tuple[str, ...] = ()
    until: Until = FIXED
    repeats: int = 2
    models: int = MODELS[FIXED]
    target: float = 0.8
    at_least: float = 4.0
    metric: Metric | Literal["auto"] = METRICS[0]
    cost: CostUnit = COST_UNITS[0]
    signals: tuple[str, ...] = OWN_SIGNALS
    growth: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.models < 1 or self.group < 1:
            raise ValueError(f"models and group must be at least 1, got {self.models} and {self.group}")
        if self.until not in get_args(Until):
            raise ValueError(f"until must be {FIXED} or {DECIDED}, got {self.until!r}")
        check_metric(self.metric)
        if self.cost not in COST_UNITS:
            raise ValueError(f"cost must be {' or '.join(COST_UNITS)}, got {self.cost!r}")
        for kind, names in (("signals", self.signals), ("scores", self.scores)):
            if len(set(names)) < len(names):
                raise ValueError(f"{kind}: expected each once, got {','.join(names)}")
        if not self.signals:
            raise ValueError("expected at least one signal, got none")
        for name in self.signals:
            find_signal(name)
        for name in self.scores:
            if find_score(name).count is not None:
                raise ValueError(f"scores: {name} is counted for every report without being asked for; leave it out")
        self.rule()
        self.strategy()  # complains now about what is out of range

    # -------------------------------------------------------------- what it is

    def identity(self) -> dict[str, Any]:
        """What makes the study this study."""
        identity = super().identity()
        usual = {field.name: field.default for field in dataclasses.fields(self)}
        for name in self.later:
            if getattr(self, name) == usual[name]:
                del identity["strategy"][name]
        return identity

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        """Read what :meth:`identity` wrote; version 1 had the repeats in it.

        Raises:
            ValueError: for data of another kind of run, or of another form.
        """
        strategy = identity.get("strategy", {})
        began = {"repeats": strategy["repeats"]} if "repeats" in strategy else {}
        return super().from_identity(identity, {**began, **options})

    def settings_used(self) -> list[ProxySetting]:
        """Every training of one network."""
        return [self.reference] * self.repeats + list(self.settings)

    def fitted(self, material: "ImageSet", say: Say) -> Self:
        """The study on these images, without settings that train the same thing as another.

        Raises:
            ValueError: for images that the skeleton cannot read, or a score that networks of the space cannot have.
        """
        fitted = super().fitted(material, say)
        settings, notices = merge_coinciding(list(self.settings), fitted.setup.skeleton)
        for notice in notices:
            say(notice)
        fitted._check_scores()
        metric = settled(self.metric, class_counts(material)["train"], say)
        return dataclasses.replace(fitted, settings=tuple(settings), metric=metric)

    def _check_scores(self) -> None:
        """Build the first network, where a score reads the signs of its ReLUs, and see whether it has some."""
        reading = [name for name in self.scores if find_score(name).relu]
        if not reading:
            return
        import torch

        from zoo.networks.network import build_any

        genotype = GenotypeSequence(cell_space(self.space), self.seed)[0]
        network = build_any(genotype, self.reference.skeleton(self.setup.skeleton), torch.Generator().manual_seed(0))
        if not any(isinstance(module, torch.nn.ReLU) for module in network.modules()):
            raise ValueError(
                f"scores: {reading[0]} needs nn.ReLU, and networks of {self.space} have none; leave it out"
            )

    # -------------------------------------------------------------- what it does

    def rule(self) -> Rule:
        """When a look ends it.

        Raises:
            ValueError: for a value out of range.
        """
        return Rule(target=self.target, at_least=self.at_least)

    def design(self) -> Design:
        """What it asks for, for whoever reads its journal."""
        return Design(
            settings=self.settings,
            reference=self.reference,
            repeats=self.repeats,
            skeleton=self.setup.skeleton,
            seed=self.seed,
            signals=self.signals,
            scores=tuple(metric_signal(one.name, one.words, one.lower) for one in map(find_score, self.scores)),
        )

    def strategy(self) -> Study:
        """A fresh study with its history of sizes; until decided, with the looks of the first of them."""
        study = Study(
            cell_space(self.space),
            self.settings,
            self.reference,
            repeats=self.repeated or self.repeats,
            growth=self.growth or (self.models,),
            batch=self.group,
            seed=self.seed,
            scores=self.scores,
        )
        if self.until != DECIDED:
            return study
        first = self.growth[0] if self.growth else self.models
        return study.until(
            Judge(looks=looks(first), rule=self.rule(), design=self.design(), images=self.counts, metric=self.metric)
        )

    def total(self, strategy: Strategy) -> float:
        """Forward MACs of all trainings, of those that are left at most."""
        assert isinstance(strategy, Study)
        return sum(self.price(trial) for trial in strategy.everything())

    def observe(self, strategy: Strategy, journal: Journal) -> Sequence[str]:
        """Note what was decided at looks, and say what is new of it."""
        assert isinstance(strategy, Study)
        if not strategy.decisions:
            return ()
        held, made = journal.get(LOOKS) or [], [decision.to_dict() for decision in strategy.decisions]
        if len(made) < len(held) or made == held:  # fewer while a journal is replayed
            return ()
        journal.set(LOOKS, made)
        return [decision.sentence for decision, data in zip(strategy.decisions, made, strict=True) if data not in held]

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
            "disk_mb": ((trainings + self.models * len(self.scores)) * JOURNAL_BYTES + REPORT_BYTES) / 1e6,
        }
        what = f"{self.models}: {self.repeats} × {self.reference} and {len(self.settings)} settings each"
        if self.scores:
            one = len(self.scores) == 1
            what += f", and {len(self.scores)} score{'' if one else 's'}, which take{'s' if one else ''} seconds"
        if self.until == DECIDED:
            *sizes, last = (str(look.networks) for look in looks(self.models))
            where = f"{', '.join(sizes)} and {last}, each of which" if sizes else f"{last}, which"
            what = f"at most {what}; looks at {where} may end it"
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


def check_judgement(target: float | None, metric: str | None, cost: str | None) -> None:
    """Complain about what a report cannot go by; None is the study's own.

    Raises:
        ValueError: for a value out of range.
    """
    if target is not None:
        Rule(target=target)
    if metric is not None and metric not in METRICS:
        raise ValueError(f"metric must be {' or '.join(METRICS)}, got {metric!r}")
    if cost is not None and cost not in COST_UNITS:
        raise ValueError(f"cost must be {' or '.join(COST_UNITS)}, got {cost!r}")


def other_report(run: "Run", **other: Any) -> Report:
    """The report of a study by another target, metric or cost than its own; None: its own.

    Its files have names that say so, and leave the study's own report as it is.

    Raises:
        ValueError: for a run that is no study, or as :func:`study_report`.
    """
    study, given = run.experiment, {name: value for name, value in other.items() if value is not None}
    if not isinstance(study, StudyExperiment):
        options = " and ".join(f"--{name}" for name in given)
        raise ValueError(f"{run.folder} is a run of {run.kind!r}; {options}: expected a study")
    changed = {name: value for name, value in given.items() if value != getattr(study, name)}
    return study_report(
        dataclasses.replace(study, **changed), run, "".join(f"-{name}-{value}" for name, value in changed.items())
    )


def study_report(study: StudyExperiment, run: "Run", suffix: str = "") -> Report:
    """The report of a study.

    Args:
        study: whose target, metric and cost count.
        run: whose journal says what was measured.
        suffix: of the files' names.

    Raises:
        ValueError: for a target or a metric out of range, or if no network has been measured at every setting yet.
    """
    from zoo.reliability.findings import find
    from zoo.reliability.overview import show_findings
    from zoo.reliability.report import findings_page
    from zoo.reliability.tables import candidates_frame, differences_frame, entropy_frame, recommendation_dict

    with run.journal() as journal:
        findings = find(journal, study.design(), study.target, cast(Metric, study.metric), cost=study.cost)
    tables = {
        "study": candidates_frame(findings),
        "differences": differences_frame(findings),
        "entropy": entropy_frame(findings),
    }
    files: dict[str, str] = {}
    for name, frame in tables.items():
        files[f"{name}{suffix}.csv"] = frame.to_csv(index=False, lineterminator="\n")
        files[f"{name}{suffix}.json"] = frame.to_json(orient="records", indent=2, double_precision=15) + "\n"
    page = f"report{suffix}.html"
    answer: Mapping[str, Any] = recommendation_dict(findings)
    files[f"recommendation{suffix}.json"] = json.dumps(answer, indent=2, allow_nan=False) + "\n"
    return Report(
        summary=answer,
        tables=tables,
        page=findings_page(findings, run.folder),
        name=page,
        files=files,
        show=lambda console: show_findings(findings, run.folder, console, page),
    )
