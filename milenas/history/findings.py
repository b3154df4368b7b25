"""Findings: what a search has found so far, read from its journal alone."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from milenas.strategy.record import derived_genotype, shown_metrics
from milenas.strategy.search import Derived, winners
from milenas.strategy.size import final_skeleton
from milenas.training.monitors import warnings
from zoo.population.journal import Journal
from zoo.population.trial import Record, Trial
from zoo.spaces.genotype import SpaceGenotype
from zoo.spaces.skeleton import Skeleton


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
        identity: of the run.
        epochs: measured so far, oldest first.
        winners: the best genotype per size, smallest first.
        retrained: best validation accuracy first, the incomplete ones last.
        final: the search's answer: the best retrained genotype, else the last one derived; None where there is none.
        warnings: sentences.
        failed: why the search broke off; empty if it did not.
        planned: epochs the search was to have.
        about: versions and hardware.
        command: what was called.
        asked: the images as they were asked for: data, train, val, resolution.
    """

    identity: Mapping[str, Any]
    epochs: list[Epoch]
    winners: list[Derived]
    retrained: list[Retrained]
    final: Derived | None
    warnings: list[str]
    failed: str
    planned: int
    about: Mapping[str, Any]
    command: list[str]
    asked: Mapping[str, Any]

    @property
    def derived(self) -> list[Derived]:
        """Genotypes by epoch, where there was one."""
        return [epoch.derived for epoch in self.epochs if epoch.derived is not None]

    def evaluation_skeleton(self, derived: Derived) -> Skeleton:
        """What a genotype is retrained on."""
        setup = self.identity["setup"]
        return final_skeleton(derived.genotype, Skeleton(**setup["final"]), setup["params"])


def find(journal: Journal) -> Findings:
    """Read a journal of a search.

    Raises:
        ValueError: if it is of another kind of run.
    """
    identity = journal.identity
    strategy = identity.get("strategy", {})
    if strategy.get("name") != "darts":
        raise ValueError(f"expected a run of darts search, got one of {strategy.get('name', 'unknown kind')!r}")
    operations = identity["setup"]["shape"]["operations"]
    trials, records = journal.trials(), journal.records()
    epochs: list[Epoch] = []
    seconds, failed = 0.0, ""
    for trial in trials:
        record = records.get(trial.index)
        if record is None or not isinstance(trial.genotype, SpaceGenotype):
            continue
        seconds += record.seconds
        if not record.ok:
            failed = record.reason
        elif trial.stop % strategy["per_epoch"] == 0:
            epochs.append(_epoch(trial.stop // strategy["per_epoch"], record, seconds, operations))
            seconds = 0.0
    derived = [epoch.derived for epoch in epochs if epoch.derived is not None]
    retrained = _retrained(trials, records, derived)
    complete = [one for one in retrained if one.complete]
    last = derived[-1] if derived else None
    return Findings(
        identity=identity,
        epochs=epochs,
        winners=winners(derived),
        retrained=retrained,
        final=complete[0].derived if complete else last,
        warnings=warnings([epoch.metrics for epoch in epochs]),
        failed=failed,
        planned=strategy["epochs"],
        about=journal.get("about") or {},
        command=journal.get("command") or [],
        asked=journal.get("asked") or {"data": "digits"},
    )


def _epoch(number: int, record: Record, seconds: float, operations: list[str]) -> Epoch:
    genotype = derived_genotype(record, operations)
    derived = None if genotype is None else Derived(number, genotype, record.metrics)
    return Epoch(number, shown_metrics(record), seconds, derived)


def _retrained(trials: list[Trial], records: Mapping[int, Record], derived: list[Derived]) -> list[Retrained]:
    newest: dict[str, tuple[Trial, Record]] = {}
    for trial in trials:
        record = records.get(trial.index)
        if record is not None and record.ok and not isinstance(trial.genotype, SpaceGenotype):
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
    return sorted(found, key=lambda one: (not one.complete, -one.metrics["accuracy"], one.trial))


def retrain_command(findings: Findings, derived: Derived, genotype: str, folder: str) -> str:
    """The command that trains a derived genotype as long as papers do.

    Args:
        findings: whose images, seed and evaluation skeleton it uses.
        derived: final, or the best of a size: the channels may depend on it.
        genotype: path of its JSON file.
        folder: for the new run.
    """
    skeleton, asked = findings.evaluation_skeleton(derived), findings.asked
    words = ["thriftnas", "zoo", "train", genotype, "--data", asked["data"]]
    for option in ("train", "val", "resolution"):
        if asked.get(option) is not None:
            words += [f"--{option}", str(asked[option])]
    words += ["--channels", str(skeleton.channels), "--cells", str(skeleton.cells), "--auxiliary"]
    words += ["--seed", str(findings.identity["strategy"]["seed"]), "--out", folder]
    return shlex.join(words)
