"""What a run tells its listener, also as events of the log."""

import logging

from zoo.experiments.progress import Listener, Progress
from zoo.population.trial import Record, Trial

_log = logging.getLogger("thriftnas")


class Logged(Listener):
    """A listener whose run is logged: sentences and measured trials. Who it passes them on to hears everything.

    Args:
        listen: that hears it too.
    """

    def __init__(self, listen: Listener) -> None:
        self._listen = listen

    def loading(self, done: int, total: int) -> None:
        """Images are being decoded."""
        if done == total:
            _log.info("%d images are decoded", total)
        self._listen.loading(done, total)

    def said(self, sentence: str) -> None:
        """Something a user should know."""
        _log.info("%s", sentence)
        self._listen.said(sentence)

    def progressed(self, progress: Progress) -> None:
        """A trial has been measured, or batches are on their way."""
        if progress.trial is not None and progress.record is not None and _log.isEnabledFor(logging.INFO):
            _log.info("%s", _measured(progress.trial, progress.record))
        self._listen.progressed(progress)

    def ended(self) -> None:
        """Nothing more is measured."""
        self._listen.ended()


def _measured(trial: Trial, record: Record) -> str:
    what = " ".join(f"{name}={value:.6g}" for name, value in record.metrics.items()) if record.ok else record.reason
    setting = "" if trial.setting is None else f" {trial.setting}"
    where = f" on {record.host}" if record.host else ""
    role = f" {trial.role}" if trial.role else ""
    return (
        f"trial {trial.index}{role}{setting} epochs {trial.start} to {trial.stop} "
        f"{'measured' if record.ok else 'failed'} in {record.seconds:.1f} s{where}: {what}"
    )
