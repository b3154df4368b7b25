"""What nodes that come and go cost a search: its wall time beside that of the same one on nodes that stay.

A search on Ray's nodes, here processes of this machine, that begins on one node with one worker. A second node with
two more joins after a quarter of the trials, the first one's worker is killed after half of them, and that node is lost
after three quarters. Beside it the same search has both nodes from its start to its end. Trials wait and compute
nothing, so that wall times are those of the machinery; both must end with the digest of a serial run.
"""

import argparse
import contextlib
import os
import signal
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks._faults.cluster import make_noting
from benchmarks.manager import answer, fixed
from zoo.population import Journal, Manager, Record, SerialExecutor, Trial

FIRST, SECOND = 1, 2
"""Workers of the nodes."""
PATIENCE = 300.0
"""Seconds within which a search must end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=int, default=600, help="of a search, a tenth of a second each")
    parser.add_argument("--rounds", type=int, default=3, help="of both searches, in turn")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if args.trials < 8 or args.rounds < 1:
        raise ValueError("expected at least 8 trials and one round")
    serial = Journal.memory({})
    Manager(fixed(args.trials), serial).run(SerialExecutor(answer))
    found: dict[str, list[tuple[float, str]]] = {"nodes that stay": [], "nodes that come and go": []}
    for _ in range(args.rounds):
        for name, seconds in found.items():
            seconds.append(searched(args.trials, steady=name == "nodes that stay"))
    middle = {name: statistics.median(second for second, _ in rounds) for name, rounds in found.items()}
    rows = [
        {
            "search": name,
            "seconds": round(middle[name], 1),
            "least": round(min(second for second, _ in rounds), 1),
            "most": round(max(second for second, _ in rounds), 1),
            "equal digests": sum(digest == serial.digest() for _, digest in rounds),
            "of": len(rounds),
        }
        for name, rounds in found.items()
    ]
    return {
        "name": "elastic",
        "rows": rows,
        "trials": args.trials,
        "ratio": round(middle["nodes that come and go"] / middle["nodes that stay"], 2),
        "failed": any(row["equal digests"] != row["of"] for row in rows),
    }


def searched(trials: int, *, steady: bool) -> tuple[float, str]:
    """Wall seconds of a search from its first worker on, and its digest."""
    import ray
    from ray.cluster_utils import Cluster

    from zoo.population.ray_executor import RayExecutor  # takes seconds to import

    told, found, over = [0], list[Any](), threading.Event()

    def hear(trial: Trial, record: Record) -> None:
        told[0] += 1

    def search() -> None:
        try:
            journal = Journal.memory({})  # belongs to its thread
            finished = Manager(fixed(trials), journal).run(executor, listen=hear)
            found.append((time.perf_counter(), finished, journal.digest()))
        finally:
            over.set()

    def reached(share: float) -> None:
        while told[0] < share * trials and not over.wait(0.02):
            pass

    with tempfile.TemporaryDirectory() as folder:
        cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            first = cluster.add_node(num_cpus=FIRST)
            if steady:
                cluster.add_node(num_cpus=SECOND)
            executor = RayExecutor(
                make_noting, Path(folder), workers=FIRST + SECOND, address=cluster.address, report=lambda _: None
            )
            began = time.perf_counter()
            threading.Thread(target=search, daemon=True).start()  # Ray wants the main thread for nodes
            if not steady:
                reached(1 / 4)
                worker = [int(path.name) for path in Path(folder).iterdir()]
                cluster.add_node(num_cpus=SECOND)
                reached(1 / 2)
                for pid in worker:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                reached(3 / 4)
                cluster.remove_node(first, allow_graceful=False)
            over.wait(PATIENCE)
            executor.close()
        finally:
            ray.shutdown()
            cluster.shutdown()
    if not found:
        raise RuntimeError(f"the search has failed, or not ended in {PATIENCE:g} s")
    ((ended, finished, digest),) = found
    return ended - began, digest if finished else ""
