"""The Ray executor: workers are actors that hold the data once; this is the only file that knows Ray."""

import dataclasses
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Ray reads these when it is imported: no usage report, and no warning about a default that is to change.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray.exceptions import RayError, RayTaskError

from zoo.population.executor import evaluate, failures
from zoo.population.trial import Evaluator, Job, Outcome

ATTEMPTS = 3
"""How often a batch is sent before its trials are recorded as failed."""

PROBE_SECONDS = 3.0


class _Worker:
    """The actor: builds the evaluator once from the shared payload, then runs batches."""

    def __init__(self, factory: Callable[[Any], Evaluator], payload: Any) -> None:
        self._factory, self._payload = factory, payload
        self._evaluator: Evaluator | None = None

    def run(self, jobs: Sequence[Job], attempt: int) -> list[Outcome] | str:
        """The outcomes, or why no batch can ever run here: not a fault of the trials, so it is no record."""
        if self._evaluator is None:
            try:
                self._evaluator = self._factory(self._payload)
            except Exception as error:
                return " ".join(f"{type(error).__name__}: {error}".split())
        return evaluate(self._evaluator, jobs, attempt)


@dataclasses.dataclass(slots=True)
class _Running:
    worker: Any
    jobs: Sequence[Job]
    attempt: int


class RayExecutor:
    """Runs batches on ``workers`` actors, on this machine or on a running cluster.

    The payload goes through the object store once per node; its arrays arrive read-only. A batch whose
    worker dies is sent again whole to a new one, at most three times in all.

    Args:
        factory: makes the evaluator in the worker, from the payload.
        payload: what the evaluator needs, such as the images.
        workers: actors; on a cluster that is too small for them, as many as fit.
        cpus: cores per actor.
        gpus: GPUs per actor, may be a fraction.
        address: of a running cluster: "auto", "host:port" or "ray://host:port"; None starts Ray here.

    Raises:
        ValueError: for a count that is not positive, when nobody answers at the address, or when the cluster
            has no room for a single worker.
    """

    def __init__(
        self,
        factory: Callable[[Any], Evaluator],
        payload: Any,
        *,
        workers: int,
        cpus: int = 1,
        gpus: float = 0.0,
        address: str | None = None,
    ) -> None:
        if workers < 1 or cpus < 1:
            raise ValueError(f"workers and their cores must be at least 1, got {workers} and {cpus}")
        if gpus < 0:
            raise ValueError(f"GPUs per worker must not be negative, got {gpus:g}")
        self._owner = not ray.is_initialized()
        if self._owner:
            _connect(address, workers * cpus)
        workers = _fitting(workers, cpus, gpus)
        self._factory = ray.put(factory)
        self._payload = ray.put(payload)
        self._actor = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0)(_Worker)
        self._idle: deque[Any] = deque(self._start() for _ in range(workers))
        self._running: dict[Any, _Running] = {}

    @property
    def free(self) -> int:
        """Workers without a batch."""
        return len(self._idle)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Send a batch to an idle worker."""
        if not self._idle:
            raise RuntimeError("no worker is free")
        self._send(self._idle.popleft(), jobs, 1)

    def collect(self) -> list[Outcome]:
        """Wait for a batch, and take every other one that has ended meanwhile."""
        outcomes: list[Outcome] = []
        while not outcomes and self._running:
            ray.wait(list(self._running), num_returns=1)
            ready, _ = ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
            for reference in ready:
                outcomes += self._finish(reference)
        return outcomes

    def close(self) -> None:
        """Stop the workers, and Ray too if it was started or joined here."""
        for worker in [*self._idle, *(running.worker for running in self._running.values())]:
            ray.kill(worker)
        self._idle.clear()
        self._running.clear()
        if self._owner:
            ray.shutdown()
            self._owner = False

    def _finish(self, reference: Any) -> list[Outcome]:
        running = self._running.pop(reference)
        try:
            outcomes: list[Outcome] | str = ray.get(reference)
        except RayTaskError as error:  # outcomes that cannot be sent; another attempt would end the same way
            self._idle.append(running.worker)
            reason = f"{type(error.cause).__name__}: {error.cause}".splitlines()[0]
            return _failed(running, reason)
        except RayError:  # the worker died, or the node that held what it returned
            ray.kill(running.worker)
            return self._again(running)
        self._idle.append(running.worker)
        if isinstance(outcomes, str):
            raise ValueError(f"the workers cannot start: {outcomes}")
        return outcomes

    def _again(self, running: _Running) -> list[Outcome]:
        """Replace a lost worker and send its batch once more, if it has not been sent too often."""
        worker = self._start()
        if running.attempt < ATTEMPTS:
            self._send(worker, running.jobs, running.attempt + 1)
            return []
        self._idle.append(worker)
        return _failed(running, f"the worker died {running.attempt} times")

    def _start(self) -> Any:
        return self._actor.remote(self._factory, self._payload)

    def _send(self, worker: Any, jobs: Sequence[Job], attempt: int) -> None:
        self._running[worker.run.remote(jobs, attempt)] = _Running(worker, jobs, attempt)


def _failed(running: _Running, reason: str) -> list[Outcome]:
    return [
        (dataclasses.replace(record, attempt=running.attempt), weights)
        for record, weights in failures(running.jobs, reason)
    ]


def _fitting(workers: int, cpus: int, gpus: float) -> int:
    """How many of the workers the cluster has room for; the others would wait for ever and hold batches back."""
    has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    room = int(has.get("CPU", 0) // cpus)
    if gpus:
        devices = has.get("GPU", 0)
        room = min(room, int(devices // gpus) if gpus >= 1 else int(devices) * int(1 / gpus + 1e-9))
    if room < 1:
        raise ValueError(
            f"the Ray cluster has {has.get('CPU', 0):g} CPUs and {has.get('GPU', 0):g} GPUs, "
            f"no room for a worker with {cpus} and {gpus:g}"
        )
    if room < workers:
        logging.getLogger(__name__).warning("the Ray cluster has room for %d of %d workers", room, workers)
    return min(room, workers)


def _connect(address: str | None, cores: int) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # By default Ray would join a cluster that it finds.
        ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
        return
    address = find_cluster(address)
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"the Ray cluster at {address} cannot be joined: {reason} "
            "(one with token authentication needs RAY_AUTH_MODE=token and its token here too)"
        ) from None


def find_cluster(address: str) -> str:
    """The address itself, or the running cluster's for "auto", once a connection to it succeeded.

    Ray itself would wait for minutes, so the port is probed for 3 seconds first.

    Raises:
        ValueError: if "auto" finds no cluster, the address has no port, or nobody answers.
    """
    if address == "auto":
        note = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp") / "ray" / "ray_current_cluster"
        address = os.environ.get("RAY_ADDRESS") or (note.read_text().strip() if note.is_file() else "")
        if not address or address == "auto":
            raise ValueError("no running Ray cluster was found; start one with `ray start --head` or give host:port")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{address!r} is not a Ray address, expected auto, host:port or ray://host:port")
    deadline = time.monotonic() + PROBE_SECONDS
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=deadline - time.monotonic()).close()
    except (OSError, OverflowError):
        raise ValueError(f"no Ray cluster answers at {address} (tried for {PROBE_SECONDS:g} s)") from None
    return address
