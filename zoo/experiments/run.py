"""A run to look at: what is in a run folder, read from its journal and never changed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.experiments import legacy
from zoo.experiments.experiment import EXPERIMENTS, Experiment, read_experiment
from zoo.experiments.moved import PLACE, moved
from zoo.experiments.report import Report
from zoo.experiments.resources import Resources, Say
from zoo.experiments.source import Source
from zoo.plugins import names
from zoo.population.journal import Journal
from zoo.population.judged import Judged
from zoo.population.manager import RESTORED
from zoo.population.trial import ALONE, Record, Trial

if TYPE_CHECKING:
    import pandas as pd

    from zoo.export.model import Model
    from zoo.population.run_front import RunFront

SOURCE, OPTIONS, RESOURCES, FINISHED = "source", "options", "resources", "finished"
FAULTS = "faults"
"""Names of the journal's values that say where the material lies, how the run was asked for, and whether it ended."""


class Run:
    """A run folder, read only. Everything is read from the journal when it is asked for.

    Attributes:
        folder: of the run.
        summary: what the run ended with, JSON-ready; only of a run that this process has executed.
    """

    def __init__(self, folder: "Path | str") -> None:
        self.folder = Path(folder)
        self.summary: Mapping[str, Any] = {}

    @classmethod
    def open(cls, folder: "Path | str") -> "Run":
        """The run in ``folder``.

        Raises:
            ValueError: if there is none, or its journal cannot be read.
        """
        run = cls(folder)
        with run.journal():
            return run

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """The journal, for reading."""
        journal = Journal.open(self.folder, readonly=True)
        try:
            yield journal
        finally:
            journal.close()

    def value(self, name: str) -> Any:
        """A named value of the journal, None where it was never set."""
        with self.journal() as journal:
            return journal.get(name)

    # -------------------------------------------------------------- what it is

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What makes this run this run."""
        return dict(self.value("identity"))

    @property
    def kind(self) -> str:
        """Name of the run's strategy."""
        return str(self.identity.get("strategy", {}).get("name", "run"))

    @cached_property
    def experiment(self) -> Experiment:
        """What the run is.

        Raises:
            ValueError: for a kind of run that is not installed here, or an identity that cannot be read.
        """
        with self.journal() as journal:
            options = journal.get(OPTIONS)
            options = legacy.options(journal) if options is None else options
            found = read_experiment(journal.identity, options)
        return found

    @property
    def source(self) -> Source:
        """Where the run's material lies.

        Raises:
            ValueError: if it was in memory, or the run does not say.
        """
        with self.journal() as journal:
            data = journal.get(SOURCE)
            data = legacy.source(journal) if data is None else data
            return type(self.experiment).source(moved(data, journal.get(PLACE), self.folder))

    @property
    def resources(self) -> Resources:
        """Workers, GPUs and cluster of the last call that ran it."""
        with self.journal() as journal:
            data = journal.get(RESOURCES)
            return Resources.from_dict(legacy.resources(journal) if data is None else data)

    def resources_here(
        self, workers: int | None = None, address: str | None = None, say: Say = lambda sentence: None
    ) -> Resources:
        """The resources to go on with: as before, but for what is given here.

        The cluster of the journal is never joined unasked: whoever wrote the journal would be handed the run, and what
        a cluster returns is unpickled here, which can run anything.

        Args:
            workers: another number of them.
            address: of a cluster.
            say: hears what is another than before.
        """
        before = self.resources
        if before.address is not None and address is None:
            say(f"the run was on the cluster {before.address}; it goes on here unless that address is given again")
        found = replace(before, address=address, **({} if workers is None else {"workers": workers}))
        return found.fitting(self.experiment.threads, say)

    @property
    def command(self) -> list[str]:
        """Words of the command line that ran it last; none for a run made in Python."""
        return list(self.value("command") or [])

    @property
    def faults(self) -> list[str]:
        """What has become of workers, newest last: faults of machines, which are no trial's results."""
        return list(self.value(FAULTS) or [])

    @property
    def finished(self) -> bool:
        """Whether the strategy has come to its end."""
        return bool(self.value(FINISHED))

    def restored(self, record: Record) -> Record:
        """The record, or what the trial measured when its lost weights were trained again after the run's end."""
        again = (self.value(RESTORED) or {}).get(str(record.index))
        return record if again is None else Record.from_dict(again)

    # -------------------------------------------------------------- what it has measured

    @property
    def status(self) -> dict[str, Any]:
        """How many trials there are, done, failed and pending, and the best of them."""
        with self.journal() as journal:
            return {**journal.counts(), "best": self._best(journal)}

    @property
    def digest(self) -> str:
        """A hash of trials and records: equal for equal runs, whatever their workers, kills and timing."""
        with self.journal() as journal:
            return journal.digest()

    @property
    def frame(self) -> "pd.DataFrame":
        """A row per trial: what was asked and, where it ended, what was measured."""
        with self.journal() as journal:
            return journal.frame()

    @property
    def trials(self) -> "pd.DataFrame":
        """What was asked, a row per trial."""
        import pandas as pd

        with self.journal() as journal:
            rows = [trial.to_dict() | {"key": trial.genotype.key} for trial in journal.trials()]
        return pd.DataFrame(rows)

    @property
    def records(self) -> "pd.DataFrame":
        """What was measured, a row per trial that has ended; metrics are columns."""
        import pandas as pd

        with self.journal() as journal:
            rows = [record.to_dict() for record in journal.records().values()]
        return pd.DataFrame([{**row, **row.pop("metrics")} for row in rows])

    @property
    def best(self) -> tuple[Trial, Record] | None:
        """The best trial by what the run is judged by; None before any was measured.

        Of a search for a front it is the one that ``run export --best`` takes. Of equals in accuracy, or in loss, the
        other objectives decide in their order, and at last the number.
        """
        with self.journal() as journal:
            best = self._best(journal)
            return None if best is None else (journal.trial(best["index"]), journal.records()[best["index"]])

    @staticmethod
    def _best(journal: Journal) -> dict[str, Any] | None:
        judged = Judged.of(journal.identity)
        found = journal.best(judged, apart=ALONE)
        if found is None:
            return None
        index, value, accuracy = found
        trial = journal.trial(index)
        setting = None if trial.setting is None else str(trial.setting)
        about = {"index": index, "accuracy": accuracy, "setting": setting, "key": trial.genotype.key}
        return about if judged.metric == "accuracy" else about | {"metric": judged.metric, "value": value}

    def front(
        self, maximize: tuple[str, ...] = (), minimize: tuple[str, ...] = (), limits: tuple[str, ...] = ()
    ) -> "RunFront":
        """The networks that no other beats, in the run's own objectives or in others.

        Raises:
            ValueError: if nothing comparable was measured, or no network keeps the limits.
        """
        from zoo.population.front import Limit, objectives
        from zoo.population.run_front import read_front

        wanted = objectives(maximize, minimize) if maximize or minimize else ()
        with self.journal() as journal:
            return read_front(journal, wanted, [Limit.parse(text) for text in limits])

    def model(self) -> "Model":
        """The model the run ends with.

        Raises:
            ValueError: if it ends with none, has not ended, or the file is damaged.
        """
        from zoo.export.run_models import kept_model

        found = kept_model(self.folder)
        if found is None:
            raise ValueError(f"{self.folder} has no model: a {self.kind} ends with none, or has not ended")
        return found

    def export(
        self,
        folder: "Path | str | None" = None,
        *,
        models: int | None = None,
        best: str | None = None,
        formats: Sequence[str] = ("json", "csv", "table"),
        limits: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Write models along the run's front, or the model it ends with, as files for others.

        Args:
            folder: of the files; None: export in the run folder.
            models: at equal distances along the front; None: a few, or the run's own model.
            best: the one that is best by this metric instead, within the limits.
            formats: of :data:`zoo.export.delivery.FORMATS`.
            limits: such as "macs<=500e6".

        Returns:
            What was written, as in models.json.

        Raises:
            ValueError: as :func:`zoo.experiments.fronts.deliver`, or for an unknown format.
        """
        from zoo.experiments.fronts import Wanted, deliver
        from zoo.export.delivery import parse_formats

        wanted = Wanted(models=models, best=best, formats=parse_formats(",".join(formats)), limits=limits)
        return deliver(self, wanted, self.folder / "export" if folder is None else Path(folder))

    def report(self) -> Report:
        """Tables and a page of the run as far as it is; ``write(run.folder)`` puts them beside the journal.

        Of a search that is no experiment, the front.

        Raises:
            ValueError: where nothing has been measured yet.
        """
        from zoo.population.run_front import has_front

        if has_front(self.identity) and self.kind not in names(EXPERIMENTS):
            from zoo.experiments.fronts import front_report

            return front_report(self)
        return self.experiment.report(self)

    def facts(self) -> dict[str, Any]:
        """What was run, on what and where, for pages."""
        with self.journal() as journal:
            command = journal.get("command") or []
            return {"command": command, "data": journal.get("data"), "identity": journal.identity} | (
                journal.get("about") or {}
            )

    def __repr__(self) -> str:
        counts = {name: value for name, value in self.status.items() if name != "best"}
        return f"Run({str(self.folder)!r}, {self.kind}: {json.dumps(counts)})"

    def _repr_html_(self) -> str:
        try:
            return self.report()._repr_html_()
        except ValueError as error:
            import html

            return f"<p>{html.escape(repr(self))}</p><p>{html.escape(str(error))}</p>"
