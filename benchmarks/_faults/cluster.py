"""A search on three nodes of Ray on this machine, whose workers and nodes are lost while it runs.

Run as ``python -m benchmarks._faults.cluster FOLDER SEED FAULTS TRIALS``, a process of its own, since the campaign
forks its commands; its last line is what :class:`benchmarks._faults.lives.Life` holds as JSON.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.manager import answer, fixed
from zoo.population import Journal, Manager, Record, SerialExecutor, Trial
from zoo.population.faults import MachineFault
from zoo.population.trial import Evaluator, Job, Outcome
from zoo.purposes import FAULTS

NODES = 3
TRIAL_SECONDS = 0.1
GAP_SECONDS = 1.5
"""Between two faults, on average."""
KINDS = ("kill a worker", "kill a worker", "stop a worker", "lose a node")
PATIENCE = 600.0
"""Seconds after the last fault in which the run must end."""
LIVES = 50
"""Drivers after which the run is held to be endless."""


def make_noting(folder: Path) -> Evaluator:
    """An evaluator whose worker says where it is, and takes a moment."""

    def noting(jobs: Sequence[Job]) -> list[Outcome]:
        (folder / str(os.getpid())).touch()
        time.sleep(TRIAL_SECONDS)
        return answer(jobs)

    return noting


class Havoc:
    """What goes wrong on a cluster, one thing after the other.

    Args:
        cluster: of Ray's, with a head that has no processors.
        pids: the folder where workers say who they are.
        faults: how many there are to be.
        draw: of everything random.
    """

    def __init__(self, cluster: Any, pids: Path, faults: int, draw: np.random.Generator) -> None:
        self._cluster, self._pids, self._left, self._draw = cluster, pids, faults, draw
        self._nodes = [cluster.add_node(num_cpus=1) for _ in range(NODES)]
        self.met: Counter[str] = Counter()

    def go(self, over: threading.Event) -> None:
        """One fault after the other, until there were enough or it is over; Ray wants the main thread for nodes."""
        while self.met.total() < self._left and not over.wait(float(self._draw.exponential(GAP_SECONDS))):
            kind = KINDS[int(self._draw.integers(len(KINDS)))]
            if self._lose() if kind == "lose a node" else self._hit(kind == "stop a worker"):
                self.met[kind] += 1

    def _hit(self, stop: bool) -> bool:
        pids = sorted(int(path.name) for path in self._pids.iterdir() if _alive(path.name))
        if not pids:
            return False
        pid = pids[int(self._draw.integers(len(pids)))]
        try:
            os.kill(pid, signal.SIGSTOP if stop else signal.SIGKILL)
        except ProcessLookupError:
            return False
        if stop:
            time.sleep(1.0)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return True

    def _lose(self) -> bool:
        node = self._nodes.pop(int(self._draw.integers(len(self._nodes))))
        self._cluster.remove_node(node, allow_graceful=False)
        self._nodes.append(self._cluster.add_node(num_cpus=1))
        return True


def _alive(pid: str) -> bool:
    """Whether a process is there and no mere remainder of one that has ended."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def searched(folder: Path, address: str, pids: Path, trials: int, say: Callable[[str], None]) -> tuple[list[str], str]:
    """Go through the run, starting again where machines failed; the problems, and the digest. Says who is lost."""
    from zoo.population.ray_executor import RayExecutor  # takes seconds to import

    told: dict[int, Record] = {}
    problems: list[str] = []

    def hear(trial: Trial, record: Record) -> None:
        if trial.index in told:
            problems.append(f"trial {trial.index} was told twice")
        told[trial.index] = record

    for _ in range(LIVES):
        executor = RayExecutor(make_noting, pids, workers=NODES, address=address, report=say)
        journal = Journal.create(folder, {})
        try:
            finished = Manager(fixed(trials), journal).run(executor, listen=hear)
        except MachineFault:
            finished = False
        finally:
            executor.close()
        held, digest = journal.records(), journal.digest()
        journal.close()
        problems += [f"trial {index} is lost or another" for index in told if held.get(index) != told[index]]
        if finished or problems:
            return problems, digest
    return [f"not finished after {LIVES} drivers"], ""


def main(folder: Path, seed: int, faults: int, trials: int) -> dict[str, Any]:
    """One run under so many faults."""
    from ray.cluster_utils import Cluster

    serial = Journal.memory({})
    Manager(fixed(trials), serial).run(SerialExecutor(answer))
    pids = folder / "pids"
    pids.mkdir()
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    havoc = Havoc(cluster, pids, faults, np.random.default_rng((seed, FAULTS)))
    over, found, said = threading.Event(), list[tuple[list[str], str]](), list[str]()

    def search() -> None:
        try:
            found.append(searched(folder / "run", cluster.address, pids, trials, said.append))
        except Exception as error:
            found.append(([f"{type(error).__name__}: {error}"], ""))
        over.set()

    thread = threading.Thread(target=search, daemon=True)
    try:
        thread.start()
        havoc.go(over)
        thread.join(PATIENCE)
    finally:
        cluster.shutdown()
    if not found:
        return {
            "faults": dict(havoc.met),
            "noticed": 0,
            "trials": 0,
            "problems": [f"not finished {PATIENCE:g} s after the last fault"],
        }
    ((problems, digest),) = found
    if not problems and digest != serial.digest():
        problems.append("the digest is another than that of a serial run")
    noticed = sum(" is lost: " in sentence for sentence in said)
    if havoc.met.total() > havoc.met["stop a worker"] and not noticed:
        problems.append("no fault has hit anything")
    return {"faults": dict(havoc.met), "noticed": noticed, "trials": trials, "problems": problems}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *map(int, sys.argv[2:]))))
