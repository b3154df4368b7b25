"""Findings: what a search has found so far, read from its journal alone, and the commands that retrain it."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from milenas.history.warnings import warnings
from milenas.strategy.record import derived_genotype, shown_metrics
from milenas.strategy.search import Derived, winners
from milenas.strategy.size import final_skeleton
from zoo.experiments.kinds.compared import ComparisonResult, comparison_remark, read_comparison
from zoo.experiments.run import Run
from zoo.experiments.source import ImageSource
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import SpaceGenotype
from zoo.spaces.skeleton import Skeleton
from zoo.training.comparison import is_compared

if TYPE_CHECKING:
    from milenas.experiment import DifferentiableExperiment


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch of the search, from 1: what its record measured, seconds, and what was derived."""

    number: int
    metrics: Mapping[str, float]
    seconds: float
    derived: Derived | None


@dataclass(frozen=True, slots=True)
class Retrained:
    """A genotype that was retrained: its newest trial, and that trial's record."""

    derived: Derived
    trial: int
    epochs: int
    metrics: Mapping[str, float]
    complete: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything a report says.

    Attributes:
        search: the experiment.
        epochs: measured so far, oldest first.
        winners: the best genotype per size, smallest first.
        retrained: best validation accuracy first, the incomplete ones last.
        final: the search's answer: the best retrained genotype, else the last one derived; None where there is none.
        warnings: sentences.
        failed: why the search broke off; empty if it did not.
        facts: the command, the images, versions and hardware.
        compared: the best retrained beside a network that needs no search; None where that is not known.
        comparison: what is known of it, in a sentence; empty where nothing was retrained.
        source: where the images lie; None where they were held in memory or the run does not say.
    """

    search: "DifferentiableExperiment"
    epochs: list[Epoch]
    winners: list[Derived]
    retrained: list[Retrained]
    final: Derived | None
    warnings: list[str]
    failed: str
    facts: Mapping[str, Any]
    source: ImageSource | None
    compared: ComparisonResult | None = None
    comparison: str = ""

    @property
    def derived(self) -> list[Derived]:
        """Genotypes by epoch, where there was one."""
        return [epoch.derived for epoch in self.epochs if epoch.derived is not None]

    def evaluation_skeleton(self, derived: Derived) -> Skeleton:
        """What a genotype is retrained on."""
        setup = self.search.setup
        return final_skeleton(derived.genotype, setup.final, setup.params)


def find(run: Run, search: "DifferentiableExperiment") -> Findings:
    """Read the journal of a search.

    Raises:
        ValueError: if nothing has been measured yet.
    """
    with run.journal() as journal:
        trials, records = journal.trials(), journal.records()
    if not records:
        raise ValueError(f"{run.folder} has measured nothing yet; there is nothing to report")
    epochs: list[Epoch] = []
    seconds, failed = 0.0, ""
    for trial in trials:
        record = records.get(trial.index)
        if record is None or not isinstance(trial.genotype, SpaceGenotype):
            continue
        seconds += record.seconds
        if not record.ok:
            failed = record.reason
        elif trial.stop % search.per_epoch == 0:
            epochs.append(_epoch(trial.stop // search.per_epoch, record, seconds, search.setup.shape.operations))
            seconds = 0.0
    derived = [epoch.derived for epoch in epochs if epoch.derived is not None]
    retrained = _retrained(trials, records, derived, search.metric)
    complete = [one for one in retrained if one.complete]
    last = derived[-1] if derived else None
    compared, source = read_comparison(run), _source(run)
    streamed = source is not None and source.streamed
    best = trials[complete[0].trial] if complete and not streamed else None
    return Findings(
        search=search,
        epochs=epochs,
        winners=winners(derived, search.metric),
        retrained=retrained,
        final=complete[0].derived if complete else last,
        warnings=warnings([epoch.metrics for epoch in epochs]),
        failed=failed,
        facts=run.facts(),
        source=source,
        compared=compared,
        comparison=comparison_remark(trials, best, compared),
    )


def _source(run: Run) -> ImageSource | None:
    try:
        source = run.source
    except ValueError:  # it was in memory, or the run does not say
        return None
    return source if isinstance(source, ImageSource) else None


def _epoch(number: int, record: Record, seconds: float, operations: Sequence[str]) -> Epoch:
    genotype = derived_genotype(record, operations)
    derived = None if genotype is None else Derived(number, genotype, record.metrics)
    return Epoch(number, shown_metrics(record), seconds, derived)


def _retrained(
    trials: list[Trial], records: Mapping[int, Record], derived: list[Derived], metric: str
) -> list[Retrained]:
    newest: dict[str, tuple[Trial, Record]] = {}
    for trial in trials:
        record = records.get(trial.index)
        networks = not isinstance(trial.genotype, SpaceGenotype) and not is_compared(trial)
        if record is not None and record.ok and networks:
            newest[trial.genotype.key] = (trial, record)
    by_key = {one.genotype.key: one for one in derived}
    found = [
        Retrained(
            derived=by_key[key],
            trial=trial.index,
            epochs=trial.stop,
            metrics=record.metrics,
            complete=trial.setting is not None and trial.stop == trial.setting.e,
        )
        for key, (trial, record) in newest.items()
    ]
    return sorted(found, key=lambda one: (not one.complete, -one.metrics[metric], one.trial))


def retrain_command(findings: Findings, derived: Derived, genotype: str, folder: str) -> str:
    """The command that trains a derived genotype as long as papers do; empty where no command finds the images.

    Args:
        findings: whose images, seed and evaluation skeleton it uses.
        derived: final, or the best of a size: the channels may depend on it.
        genotype: path of its JSON file.
        folder: for the new run.
    """
    skeleton, source = findings.evaluation_skeleton(derived), findings.source
    if source is None:
        return ""
    words = ["thriftnas", "zoo", "train", genotype, "--data", source.name]
    for option, value in (("train", source.train), ("val", source.validation), ("resolution", source.resolution)):
        if value is not None:
            words += [f"--{option}", str(value)]
    words += ["--channels", str(skeleton.channels), "--cells", str(skeleton.cells), "--auxiliary"]
    words += ["--seed", str(findings.search.seed), "--out", folder]
    return shlex.join(words)
