"""Progress: what a run tells while it goes on, and a bar that shows it, or plain lines where there is no terminal."""

import time
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from zoo.experiments.lines import Lines
from zoo.pages.written import percent
from zoo.population.trial import AGAIN, Record, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        done: price of everything measured so far.
        total: price of the whole run at most, as far as is known; it may grow.
        trials: measured so far.
        trial: the newest measured one; None at the start.
        record: of it.
        failed: of the trials.
        best: the highest accuracy so far of what counts (:func:`zoo.population.judged.standing`); None before any.
    """

    done: float
    total: float
    trials: int
    trial: Trial | None = None
    record: Record | None = None
    failed: int = 0
    best: float | None = None

    @property
    def facts(self) -> str:
        """Trials, failures and the best so far in a few words."""
        failed = f", {self.failed} failed" if self.failed else ""
        best = "" if self.best is None else f", best accuracy so far {percent(self.best, 2)}"
        trials = "1 trial" if self.trials == 1 else f"{self.trials} trials"
        return f"{trials}{failed}{best}"


class Listener:
    """Hears how a run goes on; this one ignores it all."""

    def loading(self, done: int, total: int) -> None:
        """Images are being decoded."""

    def said(self, sentence: str) -> None:
        """Something a user should know; a sentence."""

    def progressed(self, progress: Progress) -> None:
        """Workers have started, or a trial has been measured."""

    def ended(self) -> None:
        """Nothing more is measured."""


SILENT = Listener()
GAP = 0.2
"""Seconds between records that are not of one batch."""
SURE = 10.0
"""Seconds after which a speed is known: first steps are slow."""
LONG = 3600
"""Seconds from which a run is long enough to say so."""


class Bar(Listener):
    """A bar that moves evenly with the price of what is measured, and sentences above it; without a terminal, lines.

    Args:
        console: to draw on.
        loading: what is done first.
        running: what is done then.
        hint: what to do about a run of over an hour, said once, with its hours, as soon as they are known; or nothing.
        quiet: whether there is neither a bar nor lines, but the sentences alone.
    """

    def __init__(
        self,
        console: Console,
        *,
        loading: str = "decoding images",
        running: str = "training",
        hint: str = "",
        quiet: bool = False,
    ) -> None:
        self._console, self._hint, self._quiet = console, hint, quiet
        self._labels = loading, running
        self._lines = None if quiet or console.is_terminal or console.is_jupyter else Lines(console)
        self._began: tuple[float, float] | None = None
        self._last = (0.0, 0.0)
        self._loading = RichProgress(
            TextColumn(loading),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._load = self._loading.add_task("", total=None)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[done]} trials"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended()

    def loading(self, done: int, total: int) -> None:
        """Draw how many images are decoded."""
        if self._lines is not None:
            self._lines.update(self._labels[0], done, total)
        elif not self._quiet:
            self._loading.start()
            self._loading.update(self._load, completed=done, total=total)

    def said(self, sentence: str) -> None:
        """Print the sentence above the bar."""
        self._console.print(sentence, style="dim", markup=False, soft_wrap=True)

    def progressed(self, progress: Progress) -> None:
        """Move the bar; name a trial that failed, or that had to train again what was lost."""
        self._stop(self._loading)
        if self._lines is not None:
            self._lines.update(self._labels[1], progress.done, progress.total, progress.facts)
        elif not self._quiet:
            done, total = progress.done, progress.total or None
            if self._task is None:  # what a continued run has begins no clock
                self._task = self._bar.add_task(self._labels[1], total=total, completed=done, done=progress.trials)  # type: ignore[arg-type]
            self._bar.update(self._task, completed=done, total=total, done=progress.trials)
            self._bar.start()
        self._say_hours(progress)
        trial, record = progress.trial, progress.record
        if trial is not None and record is not None and AGAIN in record.notes:
            paid = f"{record.epochs_paid:g} epochs paid"
            self.said(f"trial {trial.index}: {record.notes[AGAIN]}, {paid}")
        if trial is not None and record is not None and not record.ok:
            where = "" if trial.setting is None else f" ({trial.setting})"
            self._console.print(
                f"trial {trial.index}{where} failed: {record.reason}", style="yellow", markup=False, soft_wrap=True
            )

    def _say_hours(self, progress: Progress) -> None:
        if not self._hint:
            return
        now = time.monotonic()
        if self._began is None:
            self._began = self._last = now, progress.done
        (start, before), (then, held) = self._began, self._last
        # Records of a batch come together: what a batch took is known when the next one begins to come.
        if held > before and now - then > GAP and then - start >= SURE:
            seconds = (then - start) * (progress.total - before) / (held - before)
            if seconds > LONG:
                self.said(f"This takes about {seconds / 3600:.1f} hours; {self._hint}")
            self._hint = ""
        self._last = now, progress.done

    def ended(self) -> None:
        """Leave the bar as it is, or end with a line."""
        if self._lines is not None:
            self._lines.stop()
        self._stop(self._loading)
        self._stop(self._bar)

    @staticmethod
    def _stop(bar: RichProgress) -> None:
        if bar.live.is_started:  # stopping prints an empty line even where nothing was drawn
            bar.stop()
