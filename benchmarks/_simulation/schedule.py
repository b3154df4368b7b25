"""A schedule: a run whose process ends again and again, each time in another way, until the run has ended."""

import sqlite3
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks._simulation.database import watched
from benchmarks._simulation.disk import Crash, Disk
from benchmarks._simulation.searches import SEARCHES, Search, Training, quick_models
from benchmarks._simulation.world import TROUBLES, Clock, Endless, Troubles, World
from zoo.population import manager as managing
from zoo.population import pool as pools
from zoo.population.executor import Executor, SerialExecutor
from zoo.population.faults import MachineFault
from zoo.population.journal import Journal
from zoo.population.manager import Manager
from zoo.population.patience import Patience
from zoo.population.pool import Pool
from zoo.population.trial import AGAIN, Record, Trial
from zoo.population.weights import WeightStore
from zoo.purposes import SIMULATION

ENDS = ("power cut", "kill", "full disk", "time", "Ctrl-C")
"""How a process may end before its run does."""
LIVES = 40
"""Processes after which a run is held to be endless: every trouble ends one at most, and the last ones meet none."""
PLACE = Path("/dev/shm")  # in memory: what is synced is noted, and nobody waits for a disk


@dataclass(slots=True)
class Verdict:
    """How a schedule went.

    Attributes:
        seed: of it.
        search: by name.
        ends: how its processes ended, in order.
        troubles: what workers met.
        problem: what must not be, in a sentence; empty where nothing is wrong.
    """

    seed: int
    search: str
    ends: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    problem: str = ""


class Broken(Exception):
    """A promise is broken; says which."""


def drawn(seed: int) -> tuple[np.random.Generator, Search]:
    """What draws a schedule, and its search."""
    draw = np.random.default_rng((seed, SIMULATION))
    weights = np.array([one.weight for one in SEARCHES])
    return draw, SEARCHES[int(draw.choice(len(SEARCHES), p=weights / weights.sum()))]


def simulate(seed: int, search: Search | None = None) -> Verdict:
    """Go through the schedule of a seed; of another search than its own where one is given."""
    draw, chosen = drawn(seed)
    chosen = search or chosen
    verdict = Verdict(seed, chosen.name)
    with tempfile.TemporaryDirectory(dir=PLACE if PLACE.is_dir() else None) as folder, quick_models():
        try:
            _Schedule(chosen, Path(folder), draw, verdict).go()
        except Broken as broken:
            verdict.problem = str(broken)
        except Endless:
            verdict.problem = "the run waits without an end"
        except Exception as error:
            verdict.problem = f"{type(error).__name__}: {error}"
    return verdict


@cache
def undisturbed(search: Search) -> tuple[str, int]:
    """The digest of a run that meets nothing, and the moments it has."""
    with tempfile.TemporaryDirectory(dir=PLACE if PLACE.is_dir() else None) as folder, quick_models():
        root = Path(folder, "0")
        root.mkdir()
        disk = Disk(root)
        with disk.watching(), watched(disk, 1000):
            journal = Journal.create(root / "run", {"search": search.name})
            training = Training(moment=disk.moment)
            assert Manager(search.make(), journal, WeightStore(root / "run" / "weights"), search.batch).run(
                SerialExecutor(training)
            )
            found = journal.digest(), disk.moments
            journal.close()
            return found


class _Schedule:
    """The lives of one run."""

    def __init__(self, search: Search, folder: Path, draw: np.random.Generator, verdict: Verdict) -> None:
        self._search, self._folder, self._draw, self._verdict = search, folder, draw, verdict
        self._digest, self._moments = undisturbed(search)
        self._clock, self._training = Clock(), Training()
        self._ends = [ENDS[i] for i in draw.integers(len(ENDS), size=int(draw.integers(1, 4)))]
        troubles = [TROUBLES[i] for i in draw.integers(len(TROUBLES), size=int(draw.integers(0, 8)))]
        verdict.troubles = list(troubles)
        self._troubles = Troubles(troubles, float(draw.choice([0.1, 0.5, 1.0])), draw)
        self._damaged = False
        self._journal: Journal | None = None  # held until its connection is closed
        self._reader: sqlite3.Connection | None = None
        (folder / "0").mkdir()
        self._disk = Disk(folder / "0")

    def go(self) -> None:
        """Start the same command until it has finished.

        Raises:
            Broken: if something is not as promised.
            Endless: if it never finishes.
        """
        for life in range(LIVES):
            end = self._ends.pop(0) if self._ends else ""
            if self._live(end, life):
                self._check_the_end()
                return
        raise Broken(f"not finished after {LIVES} processes")

    def _live(self, end: str, life: int) -> bool:
        """One process; returns whether the run is finished."""
        disk, root = self._disk, self._disk.root
        self._training.moment = self._look_on
        at = disk.moments + 1 + int(self._draw.integers(self._moments))
        disk.crash_at = at if end in ("power cut", "kill") else 0
        disk.interrupt_at = at if end == "Ctrl-C" else 0
        disk.full = (at, at + 1 + int(self._draw.exponential(20.0))) if end == "full disk" else (0, 0)
        with ExitStack() as stack:
            stack.enter_context(disk.watching())
            opened = stack.enter_context(watched(disk, int(self._draw.choice([20, 100, 1000]))))
            for module in (pools, managing):
                stack.enter_context(mock.patch.object(module, "time", self._clock))
            try:
                finished, how = self._command(root / "run", end == "time"), "time"
            except Crash:
                finished, how = False, end
                self._restart(power_cut=end == "power cut", into=self._folder / str(life + 1))
            except KeyboardInterrupt:
                finished, how = False, end
            except MachineFault:
                finished, how = False, "fault of machines"
            except (OSError, sqlite3.OperationalError) as error:
                if disk.full[1] <= disk.full[0] or ("full" not in str(error) and "space" not in str(error)):
                    raise
                finished, how = False, end
            finally:
                disk.crash_at, disk.interrupt_at, disk.full = 0, 0, (0, 0)
                self._look_away()
                for connection in opened:
                    connection.close()
        if not finished:
            self._verdict.ends.append(how)
        return finished

    def _command(self, folder: Path, timed: bool) -> bool:
        """What a command does in its process."""
        self._journal = journal = Journal.create(folder, {"search": self._search.name})
        self._check_told(journal)
        manager = Manager(self._search.make(), journal, WeightStore(folder / "weights"), self._search.batch)
        ends = self._clock.now + float(self._draw.exponential(300.0)) if timed else None
        executor = self._executor(ends)
        try:
            finished = manager.run(
                executor, listen=self._hear, stop=lambda: ends is not None and self._clock.now >= ends
            )
        finally:
            executor.close()
        if finished:
            self._check_told(journal)
            if journal.digest() != self._digest:
                raise Broken("the digest is another than that of the undisturbed run")
        journal.close()
        return finished

    def _executor(self, ends: float | None) -> Executor:
        if self._draw.random() < 0.3:
            return SerialExecutor(self._training)
        nodes = {f"node {i}": int(self._draw.integers(1, 4)) for i in range(int(self._draw.integers(1, 4)))}
        world = World(nodes, self._training, self._clock, self._troubles, self._disk)
        later = int(self._draw.integers(0, 4))  # workers for which there is room once a node has joined
        if later:
            world.join(f"late node:{later}", float(self._draw.exponential(300.0)))
        room = sum(nodes.values())
        workers = int(self._draw.integers(1, room + later + 1))
        return Pool(world, workers, Patience(ends=ends), report=lambda _: None, room=room)

    def _look_on(self) -> None:
        """Before a batch: somebody may begin to read the journal, or end it."""
        self._disk.moment()
        if self._reader is not None and self._draw.random() < 0.2:
            self._look_away()
        elif self._reader is None and self._draw.random() < 0.05:
            self._reader = sqlite3.connect(f"file:{self._disk.root}/run/journal.sqlite?mode=ro", uri=True)
            self._reader.execute("BEGIN")
            self._reader.execute("SELECT COUNT(*) FROM events").fetchone()

    def _look_away(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _hear(self, trial: Trial, record: Record) -> None:
        if trial.index in self._training.told:
            raise Broken(f"trial {trial.index} is told twice")
        self._training.told[trial.index] = record.to_dict()

    def _restart(self, power_cut: bool, into: Path) -> None:
        """Another machine with the same disk."""
        if power_cut:
            self._disk.without_power(into, self._draw)
        else:
            self._disk.killed(into)
        weights = sorted((into / "run" / "weights").glob("*"))
        if weights and self._draw.random() < 0.1:
            path = weights[int(self._draw.integers(len(weights)))]
            data = bytearray(path.read_bytes())
            if data:
                data[int(self._draw.integers(len(data)))] ^= 1 << int(self._draw.integers(8))
                path.write_bytes(data)
                self._damaged = True
                self._verdict.troubles.append("a flipped bit of weights")
        self._disk = Disk(into)

    # -------------------------------------------------------------- promises

    def _check_told(self, journal: Journal) -> None:
        """What somebody was told of is in the journal as it was told."""
        records = journal.records()
        for index, told in self._training.told.items():
            if index not in records:
                raise Broken(f"trial {index} was told and is lost")
            if records[index].to_dict() != told:
                raise Broken(f"trial {index} was told otherwise than it is in the journal")
        if not self._damaged and any(AGAIN in record.notes for record in records.values()):
            raise Broken("a chain was trained again though nothing was damaged")

    def _check_the_end(self) -> None:
        if self._training.twice:
            raise Broken(f"trial {self._training.twice[0]} was trained again though it was told")
        if self._training.again and not self._damaged:
            raise Broken(f"trial {self._training.again[0]} lacked its weights though nothing was damaged")
