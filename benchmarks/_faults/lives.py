"""One run under faults: its command is started until it has finished, and ends in another way each time."""

import json
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks._faults.process import FILE, GRACE, Broken, Process, count, records, wait_for
from zoo.population.journal import Journal
from zoo.population.trial import AGAIN

WEIGHTS = "checkpoints"
ENDED: dict[int, int] = {signal.SIGTERM: 143, signal.SIGINT: 130}
"""Exit codes of commands that are asked to end."""
REFUSED = (2, 75)
"""Exit codes of commands that say what is wrong."""
DIVERGED = "diverged"
"""What the reason of a training with NaNs begins with."""
SIGNALS = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM, "Ctrl-C": signal.SIGINT}


@dataclass
class Life:
    """What a run has met.

    Attributes:
        faults: by kind.
        trials: of the run.
        problems: promises that were broken.
        noticed: of workers and nodes of Ray, how many the run has found lost.
        diverged: trainings that met NaNs.
    """

    faults: Counter[str] = field(default_factory=Counter)
    trials: int = 0
    problems: list[str] = field(default_factory=list)
    noticed: int = 0
    diverged: int = 0


class Run:
    """A run of the command line.

    Args:
        arguments: of its command, but for where it writes.
        folder: an empty one for the run, its log and copies.
        kinds: of faults, by name.
        spacing: trials between two faults, about.
        draw: of everything random.
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, kinds: Sequence[str], spacing: float, draw: np.random.Generator
    ) -> None:
        self._arguments, self._folder, self._kinds, self._spacing, self._draw = arguments, folder, kinds, spacing, draw
        self.run, self._copy, self._said = folder / "run", folder / "copy", folder / "said"
        self.life = Life()
        self._again = False  # whether weights were damaged: chains may be trained again, and pay more
        self._faults: dict[str, Callable[[], None]] = {
            "stop": self._stop,
            "full disk": self._full,
            "damaged journal": self._damage_journal,
            "damaged weights": self._damage_weights,
        }

    def undisturbed(self) -> str:
        """The digest of a run that meets nothing."""
        run = self._folder / "undisturbed"
        self._finish(run)
        return _digest(run)

    def go(self, faults: int) -> Life:
        """Meet so many faults at most, and end; where the run ends first, there were fewer."""
        try:
            digest = self.undisturbed()
            for _ in range(faults):
                kind = self._kinds[int(self._draw.integers(len(self._kinds)))]
                before = records(self.run)
                if not self._meet(kind):
                    break
                self.life.faults[kind] += 1
                _kept(before, records(self.run), self._again)
            before = records(self.run)
            self._finish(self.run)
            _kept(before, records(self.run), self._again)
            self.life.trials = count(self.run)
            told = map(json.loads, records(self.run).values())
            self.life.diverged = sum(one["reason"].startswith(DIVERGED) for one in told)
            if not self._same(self.run, digest):
                raise Broken("the digest is another than that of the undisturbed run")
        except Broken as broken:
            self.life.problems.append(str(broken))
        return self.life

    def _same(self, run: Path, digest: str) -> bool:
        if not self._again:
            return _digest(run) == digest
        return _measured(run) == _measured(self._folder / "undisturbed")

    # -------------------------------------------------------------- faults

    def _meet(self, kind: str) -> bool:
        """Let one fault happen; returns whether the run goes on."""
        if kind in SIGNALS:
            return self._signal(SIGNALS[kind])
        self._faults[kind]()
        return True

    def _start(self, run: Path, largest: int | None = None) -> Process:
        return Process([*self._arguments, "--out", str(run)], self._said, largest)

    def _later(self, process: Process) -> None:
        """Wait until the run has gone on for some trials, or ended."""
        wait_for(process, self.run, float(self._draw.exponential(self._spacing)))
        time.sleep(float(self._draw.exponential(0.002)))

    def _signal(self, number: int) -> bool:
        process = self._start(self.run)
        self._later(process)
        process.send(number)
        code = process.wait(GRACE if number in ENDED else 60.0)
        if code == 0:
            return False  # it had finished before
        if code not in (-number, ENDED.get(number, -number)):
            raise Broken(f"exit code {code} after signal {number}: {process.errors[-300:]}")
        return True

    def _stop(self) -> None:
        """A process is stopped and goes on, as one of a machine that was suspended; it is killed later."""
        process = self._start(self.run)
        self._later(process)
        process.send(signal.SIGSTOP)
        time.sleep(0.1)
        process.send(signal.SIGCONT)
        self._later(process)
        process.send(signal.SIGKILL)
        if process.wait() not in (0, -signal.SIGKILL):
            raise Broken(f"exit code {process.code} after it was stopped: {process.errors[-300:]}")

    def _full(self) -> None:
        """Files can grow no larger than a little more than they are."""
        size = max([path.stat().st_size for path in self.run.rglob("*") if path.is_file()], default=0)
        process = self._start(self.run, size + int(self._draw.integers(1, 100_000)))
        code = process.wait()
        if code and (code not in REFUSED or "Traceback" in process.errors):
            raise Broken(f"exit code {code} on a full disk: {process.errors[-300:]}")

    def _damage_journal(self) -> None:
        """A copy whose journal is damaged is refused, or goes on to the same digest."""
        if not (self.run / FILE).exists():
            return
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.run, self._copy)
        logs = [path for path in (self._copy / FILE, self._copy / f"{FILE}-wal") if path.exists()]
        _damage(logs[int(self._draw.integers(len(logs)))], self._draw)
        process = self._start(self._copy)
        code = process.wait()
        if code in REFUSED and "Traceback" not in process.errors:
            return
        if code or not self._same(self._copy, _digest(self._folder / "undisturbed")):
            raise Broken(f"a damaged journal gave another result, exit code {code}: {process.errors[-300:]}")

    def _damage_weights(self) -> None:
        """Between two processes some weights are damaged or lost."""
        held = sorted((self.run / WEIGHTS).glob("*"))
        if held:
            path = held[int(self._draw.integers(len(held)))]
            self._again = True
            if self._draw.random() < 0.5:
                path.unlink()
            else:
                _damage(path, self._draw)

    def _finish(self, run: Path) -> None:
        process = self._start(run)
        if process.wait():
            raise Broken(f"exit code {process.code}: {process.errors[-300:]}")


def _damage(path: Path, draw: np.random.Generator) -> None:
    """Flip a bit or cut a file."""
    data = bytearray(path.read_bytes())
    if not data:
        return
    place = int(draw.integers(len(data)))
    if draw.random() < 0.2:
        del data[place:]
    else:
        data[place] ^= 1 << int(draw.integers(8))
    path.write_bytes(data)


def _digest(run: Path) -> str:
    with closing(Journal.open(run, readonly=True)) as journal:
        return journal.digest()


def _measured(run: Path) -> dict[int, object]:
    """What was measured, without what it cost."""
    return {number: json.loads(text)["metrics"] for number, text in records(run).items()}


def _kept(before: dict[int, str], now: dict[int, str], again: bool) -> None:
    """What was in the journal is there as it was.

    Raises:
        Broken: if not.
    """
    for number, text in before.items():
        if number not in now:
            raise Broken(f"trial {number} is lost")
        if now[number] != text:
            raise Broken(f"trial {number} was measured twice")
    if not again and any(AGAIN in json.loads(text).get("notes", {}) for text in now.values()):
        raise Broken("a chain was trained again though no weights were damaged")
