"""Plain lines of progress, where nobody watches a bar: in a file, in a pipe, in a scheduler's log."""

import math
import threading
import time
from datetime import timedelta

from rich.console import Console

from zoo.experiments.rate import Rate

EVERY = 20.0
"""Seconds after which a line comes at the latest."""


class Lines:
    """Prints how far a run is every so many seconds, whether anything was measured meanwhile or not.

    Args:
        console: to print on.
        every: seconds between two lines.
    """

    def __init__(self, console: Console, every: float = EVERY) -> None:
        self._console, self._every = console, every
        self._label, self._facts = "", ""
        self._done, self._total, self._began = 0.0, 0.0, 0.0
        self._rate = Rate(time.monotonic)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def update(self, label: str, done: float, total: float, facts: str = "") -> None:
        """Say what is done now, with how much of it, and what else the line says; the first call starts the clock."""
        if label != self._label:
            self._label, self._rate, self._began = label, Rate(time.monotonic), time.monotonic()
        self._rate.note(done)
        self._done, self._total, self._facts = done, total, facts
        if self._thread is None:
            self._over.clear()
            self._thread = threading.Thread(target=self._print, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End with a line of how far it came."""
        if self._thread is None:
            return
        self._over.set()
        self._thread.join()
        self._thread = None
        self._say(ended=True)
        self._label = ""

    def _print(self) -> None:
        while not self._over.wait(self._every):
            self._say()

    def _say(self, ended: bool = False) -> None:
        gone = time.monotonic() - self._began
        share = f"{100 * self._done / self._total:.0f} %" if self._total else f"{self._done:g} done"
        seconds = self._rate.left(self._total)
        left = "" if ended or not self._total else ", ETA unknown"
        if left and math.isfinite(seconds):
            left = f", ETA {_clock(seconds)}"
        facts = f", {self._facts}" if self._facts else ""
        self._console.print(f"{self._label}: {share}{facts}, {_clock(gone)} gone{left}", markup=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
