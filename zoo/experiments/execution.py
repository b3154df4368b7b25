"""Execution: an experiment run in a folder, or continued from its journal; without a console."""

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from zoo.experiments.experiment import Experiment
from zoo.experiments.folder import WEIGHTS, check_folder, locked
from zoo.experiments.grouping import grouped
from zoo.experiments.heartbeat import heartbeat
from zoo.experiments.logged import Logged
from zoo.experiments.machine import about
from zoo.experiments.moved import PLACE, missing
from zoo.experiments.progress import SILENT, Listener
from zoo.experiments.resources import Resources
from zoo.experiments.run import FAULTS, FINISHED, OPTIONS, RESOURCES, SOURCE, Run
from zoo.experiments.source import Source
from zoo.experiments.tally import Tally
from zoo.population.executor import Executor, LazyExecutor
from zoo.population.faults import OutOfTime, is_missing, too_many_missing
from zoo.population.journal import FILE, Journal
from zoo.population.manager import LEFT_OUT, Manager
from zoo.population.patience import GRACE_SECONDS, Patience
from zoo.population.retry import Retried, reopen
from zoo.population.strategy import Strategy
from zoo.population.trial import Record, Trial
from zoo.population.watch import Watch
from zoo.population.weights import LostWeights, WeightStore

_log = logging.getLogger("thriftnas")

LONELY = Resources()

WITHHELD = "withheld"
"""Name in the summary of a run whose verdict is withheld, for too many of its trials are missing."""

FAULTS_KEPT = 100
BEFORE_RETRY = "before-retry.sqlite"
"""Name of the copy of a journal whose failed trials are asked again."""

GROWN = {"repeated": "repeats", "growth": "models"}
"""Names of the journal's values that list what a field that may only grow was, every time one of them has grown.

The last is written last and counts: a process may be killed between two of them.
"""


def execute(
    experiment: Experiment,
    source: Source,
    folder: Path,
    resources: Resources = LONELY,
    *,
    deadline: float | None = None,
    listen: Listener = SILENT,
    command: Sequence[str] = (),
) -> Run:
    """Run an experiment to its end, or continue the run that the folder holds.

    Under torchrun every process calls this; the first one keeps the folder.

    Args:
        experiment: what to run; what only its material says is filled in.
        source: where its material lies.
        folder: new, empty, or of the same run.
        resources: workers, GPUs, cluster.
        deadline: seconds after which nothing new is started, once the material is loaded. What is running is then
            waited for as long again at most, or a minute; workers also twice as long as their batches have taken so
            far. What would take longer is ended, and begins again when the run goes on.
        listen: hears how it goes on.
        command: words of the command line that asked for it, for reports.

    Returns:
        The run; its ``finished`` says whether the deadline came first.

    Raises:
        ValueError: for anything that does not go together, before anything is written where that is possible; for
            another run in the folder; where nothing came of the run.
        MachineFault: if machines fail again and again; the run can be continued.
    """
    rank, listen = _rank(experiment) if experiment.distributed else 0, Logged(listen)
    if rank == 0:
        check_folder(folder)
        # of a run that has ended there is only its report left, which every machine can write
        ended = (folder / FILE).exists() and Run(folder).finished
        resources.check(None if ended else experiment.device)
    material = source.load(experiment, listen.loading)
    experiment = experiment.fitted(material, listen.said)
    if (folder / FILE).exists():
        experiment = experiment.continued(Run(folder).value(OPTIONS) or {})
    experiment, ways = grouped(experiment, folder, material, resources, listen.said)
    ends = None if deadline is None else time.monotonic() + deadline  # images that load slowly must not use it up
    if rank:
        with experiment.joined(material) as (ranks, evaluator):
            ranks.follow(evaluator)
        return Run(folder)
    try:
        with locked(folder), closing(_opened(folder, experiment, source, resources, command)) as journal:
            run = Run(folder)
            _log.info("run %s begins: %s", folder, run.kind)
            if ways:
                journal.set("grouping", list(map(dataclasses.asdict, ways)))
            if kept := experiment.describe(material):
                journal.set("data", dict(kept))
                if (said := kept.get("decided")) and not journal.get(FINISHED):
                    listen.said(f"Data: {said}")
            experiment = grown(experiment, journal)
            drive = _Drive(experiment, folder, journal, listen)
            if journal.lost:
                drive.fault(journal.lost)
            patience = Patience(price=experiment.price, ends=ends, grace=max(GRACE_SECONDS, deadline or 0.0))
            with heartbeat(journal) as drive.tally.pulse:
                finished = _driven(drive, run, material, resources, patience)
            journal.set(FINISHED, finished)
            _log.info("run %s %s", folder, "is finished" if finished else "stops: its time is over")
    finally:
        listen.ended()
    return run


def resume(
    folder: Path,
    *,
    resources: Resources | None = None,
    source: Source | None = None,
    deadline: float | None = None,
    listen: Listener = SILENT,
) -> Run:
    """Continue a run with nothing but its journal.

    Args:
        folder: the run's.
        resources: other than those it last had, without its cluster.
        source: other than where its material lay; needed where that was in memory.
        deadline: seconds from now after which nothing new is started.
        listen: hears how it goes on.

    Raises:
        ValueError: as :func:`execute`, or for a run whose material cannot be found again.
    """
    run = Run.open(folder)
    if source is None:
        source = run.source
        if gone := missing(source.to_dict()):
            raise ValueError(
                f"{gone[0]} is gone, which the run in {folder} reads: put it back, or beside the run as it lay before, "
                f"or give the run's own command again with its new place and --out {folder}"
            )
    return execute(
        run.experiment,
        source,
        folder,
        run.resources_here() if resources is None else resources,
        deadline=deadline,
        listen=listen,
        command=run.command,
    )


def retry(folder: Path, everything: bool = False, without: Collection[int] = ()) -> Retried:
    """Take failed trials out of a run's history, so that :func:`resume` asks them again; a copy of the journal stays.

    Args:
        folder: the run's.
        everything: those that failed by themselves too, which diverged or lacked memory; otherwise only those that say
            nothing about their network.
        without: indices of trials that wait and are to be left out, because their processes end with them.

    Raises:
        ValueError: if none failed and none is left out, one that is to be does not wait, or the run cannot be found, or
            is running.
    """
    experiment = Run.open(folder).experiment
    with locked(folder), closing(Journal.open(folder)) as journal:
        records = journal.records()
        waiting = journal.counts()["trials"]
        if wrong := [index for index in without if index in records or not 0 <= index < waiting]:
            raise ValueError(f"trial {wrong[0]} of {folder} does not wait: it was told, or nobody has asked for it")
        kept = {*(journal.get(LEFT_OUT) or ()), *without}
        failed = {r.index for r in records.values() if is_missing(r.ok, r.reason) or (everything and not r.ok)}
        if not failed and not without:
            count = sum(not record.ok for record in records.values())
            more = f"; {count} failed by themselves, which --all asks again" if count else ""
            raise ValueError(f"no trial of {folder} is missing{more}")
        journal.copy(folder / BEFORE_RETRY)
        found = reopen(journal, grown(experiment, journal).strategy, failed) if failed else Retried((), 0)
        journal.update({FINISHED: False, LEFT_OUT: sorted(kept - failed)})
    return found


def _rank(experiment: Experiment) -> int:
    """This process's number among those that torchrun has started; 0 alone.

    Raises:
        ValueError: if they are more or fewer than the experiment's, as when a run of several is continued by one.
    """
    from zoo.training.distributed import process_place

    rank, size, _ = process_place()
    wanted = getattr(experiment, "processes", size)
    if wanted != size:
        raise ValueError(f"this {experiment.name} is trained by {wanted} processes, expected as many, got {size}")
    return rank


def _opened(
    folder: Path, experiment: Experiment, source: Source, resources: Resources, command: Sequence[str]
) -> Journal:
    """The journal of the new or continued run, with where its material is, on what, and for which command.

    Raises:
        ValueError: if the folder holds something else, another run, or a larger one; it is unchanged then.
    """
    journal = Journal.create(folder, _continued_identity(folder, experiment))
    try:
        for name, sizes in _sizes(folder, experiment, journal).items():
            journal.set(name, sizes)
        held = {
            OPTIONS: experiment.options(),
            SOURCE: source.to_dict(),
            RESOURCES: resources.to_dict(),
            "command": list(command),
            "directory": os.getcwd(),
            PLACE: str(folder.resolve()),
        }
        journal.update(held if journal.get("about") is not None else held | {"about": about()})
    except BaseException:
        journal.close()
        raise
    return journal


def _continued_identity(folder: Path, experiment: Experiment) -> dict[str, Any]:
    """The experiment's identity, of the version that the folder's run has where that one can be continued."""
    identity = experiment.identity()
    if (folder / FILE).exists():
        with Run(folder).journal() as journal:
            held = journal.identity.get("strategy", {})
            data = journal.identity.get("data")
        if data and data == getattr(experiment, "former", ""):  # the same images, as an earlier release knew them
            identity["data"] = data
        if held.get("version") in experiment.continues:  # what may change today was a part of it
            identity["strategy"] |= {name: held[name] for name in ("version", *experiment.adjustable) if name in held}
    return identity


def _sizes(folder: Path, experiment: Experiment, journal: Journal) -> dict[str, list[int]]:
    """The sizes of a run that can grow, so far and from now on, by their names in the journal.

    Raises:
        ValueError: if one of them is less than it was.
    """
    began = journal.identity.get("strategy", {})
    times = len(journal.get("growth") or [])
    sizes: dict[str, list[int]] = {}
    for name, field in GROWN.items():
        if (now := getattr(experiment, field, None)) is None:
            continue
        before = (journal.get(name) or [])[:times]
        before += [began.get(field, now)] * (times - len(before))  # runs that did not know that this may grow
        if before and now < before[-1]:
            raise ValueError(f"{folder} has {before[-1]} {field}; it can grow, not shrink to {now}")
        sizes[name] = [*before, now]
    unchanged = times > 0 and all(found[-1] == found[-2] for found in sizes.values())
    return {name: found[:-1] if unchanged else found for name, found in sizes.items()}


def grown(experiment: Experiment, journal: Journal) -> Experiment:
    """The experiment with its history of sizes, where it can grow: batches stay what they were."""
    sizes = {name: journal.get(name) for name in GROWN if hasattr(experiment, name)}
    found: dict[str, Any] = {name: tuple(values) for name, values in sizes.items() if values}
    return dataclasses.replace(experiment, **found)


def _driven(drive: "_Drive", run: Run, material: Any, resources: Resources, patience: Patience) -> bool:
    """Ask, measure and tell until the strategy has finished, or time is up and what was running has come back."""
    experiment, ends = drive.experiment, patience.ends
    watch = Watch(patience, drive.tally.running, drive.tally.say)

    def over() -> bool:
        return ends is not None and time.monotonic() >= ends

    def workers() -> Executor:
        resources.check_device(experiment.device)
        return resources.executor(experiment.evaluator, material, experiment.threads, drive.fault, watch)

    if not experiment.distributed:
        return drive.run(workers, over) and drive.end(workers, run, material)
    from zoo.training.distributed import ProcessGroupExecutor  # torch, for which those who only read do not wait

    with experiment.joined(material) as (ranks, evaluator):

        def processes() -> Executor:
            return ProcessGroupExecutor(evaluator, ranks, watch)

        finished = drive.run(processes, over) and drive.end(processes, run, material)
        ranks.send(None)
    return finished


class _Drive:
    """A strategy on its way: the manager's loop, with what is told while it goes round."""

    def __init__(self, experiment: Experiment, folder: Path, journal: Journal, listen: Listener) -> None:
        self.experiment, self._journal, self._listen = experiment, journal, listen
        self._strategy: Strategy = experiment.strategy()
        self._manager = Manager(self._strategy, journal, WeightStore(folder / WEIGHTS), batch=experiment.group)
        self.tally = Tally(experiment, self._strategy, listen)
        trials = self._manager.trials
        self.tally.hold((trials[record.index], record) for record in self._manager.records)

    def run(self, executor: Callable[[], Executor], over: Callable[[], bool]) -> bool:
        """Run to the end, or until ``over()`` and what was running has come back.

        The journal's value "sessions" says for each call how many workers there were, for how many seconds, and
        how many of these they worked.
        """
        workers = LazyExecutor(executor, self.tally.tell)
        try:
            finished = self._manager.run(workers, listen=self._note, stop=over)
            if finished and workers.started:
                self.tally.complete()
            return finished
        finally:
            if workers.started:
                self._journal.set("sessions", [*(self._journal.get("sessions") or []), workers.session()])
            workers.close()
            self._observe()  # what a killed process had heard and not written

    def fault(self, sentence: str) -> None:
        """Say and note what has become of workers; the newest :data:`FAULTS_KEPT` are kept."""
        self._listen.said(sentence)
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        self._journal.set(FAULTS, [*(self._journal.get(FAULTS) or []), f"{when} {sentence}"][-FAULTS_KEPT:])

    def end(self, executor: Callable[[], Executor], run: Run, material: Any) -> bool:
        """Keep what the run ends with; weights that this needs and that are lost are trained again, at most once each.

        Where too many trials are missing, nothing is kept, and the summary says so.

        Raises:
            ValueError: where nothing came of the run, or lost weights cannot be trained again.
        """
        self._listen.ended()
        records = self._manager.records
        if any(record.ok for record in records) and (missing := too_many_missing(records)):
            run.summary = {WITHHELD: missing}
            return True
        restored: set[int] = set()
        while True:
            try:
                run.summary = self.experiment.finish(run, material)
            except LostWeights as lost:
                if lost.index in restored:
                    raise
                restored.add(lost.index)
                try:
                    self._restore(lost, executor)
                except OutOfTime:
                    return False
            else:
                self._manager.forget_older()
                return True

    def _restore(self, lost: LostWeights, executor: Callable[[], Executor]) -> None:
        self._listen.said(f"{lost}: they are trained again")
        workers = executor()
        try:
            record = self._manager.restore(lost.index, workers)
        finally:
            workers.close()
        self._listen.said(f"trial {lost.index} is trained again: {record.epochs_paid:g} epochs paid")

    def _note(self, trial: Trial, record: Record) -> None:
        self.tally.add(trial, record)
        self._observe()

    def _observe(self) -> None:
        for sentence in self.experiment.observe(self._strategy, self._journal):
            self._listen.said(sentence)
            self.tally.reprice()
