"""The Ray executor: workers are actors that hold the data once; this is the only file that knows Ray."""

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import Any

# Ray reads these when it is imported or started: no usage report, workers that do not wait for everything else on the
# machine (niceness 15), and no warning about a default that is to change.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray._private import ray_constants
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError
from ray.experimental import internal_kv
from ray.util.scheduling_strategies import NodeLabelSchedulingStrategy, NotIn

from zoo import __version__
from zoo.population.cluster_address import find_cluster
from zoo.population.executor import evaluate, failures
from zoo.population.faults import MachineFault
from zoo.population.pool import Pool, Report
from zoo.population.steps import heard
from zoo.population.trial import Evaluator, Job, Outcome
from zoo.population.watch import Watch

_log = logging.getLogger("thriftnas")

NOTE_SECONDS = 1.0
"""How often a worker notes how far it is."""
ASKED = 64
"""Workers that are asked for it: more would keep the driver busy."""
FETCH_SECONDS = 300.0
"""How long what a worker has returned may take on its way here."""


class _Worker:
    """The actor: builds the evaluator once from the shared payload, then runs batches."""

    def __init__(self, factory: Callable[[Any], Evaluator], payload: Any, number: int) -> None:
        self._factory, self._payload, self._number = factory, payload, number
        self._evaluator: Evaluator | None = None

    def prepare(self, wanted: Mapping[str, str]) -> tuple[str, str, bool]:
        """The id of its node; why no batch can run here, empty where one can; and whether none ever will."""
        node = ray.get_runtime_context().get_node_id()
        found = versions()
        other = [f"{name} {found[name]}, expected {one}" for name, one in wanted.items() if found[name] != one]
        if other:
            return node, f"it has {', '.join(other)}", True
        try:
            self._evaluator = self._factory(self._payload)
        except Exception as error:
            return node, f"it cannot start: {_line(error)}", False
        return node, "", False

    def run(self, jobs: Sequence[Job], attempt: int) -> list[Outcome] | str:
        """The outcomes, or what the machine's fault is: not one of the trials, so it is no record."""
        assert self._evaluator is not None
        try:
            with heard(_Note(self._number, _batch(jobs, attempt))):
                return evaluate(self._evaluator, jobs, attempt)
        except MachineFault as fault:
            return str(fault)


class RayExecutor:
    """Runs batches on ``workers`` actors, on this machine or on a running cluster.

    The payload goes through the object store once per node; its arrays arrive read-only. A batch waits here for any
    worker that is ready; what becomes of lost workers, :class:`~zoo.population.pool.Pool` says.

    Args:
        factory: makes the evaluator in the worker, from the payload.
        payload: what the evaluator needs, such as the images.
        workers: actors; on a cluster that is too small for them, as many as fit, and more when nodes join.
        cpus: cores per actor.
        gpus: GPUs per actor, may be a fraction.
        address: of a running cluster: "auto", "host:port" or "ray://host:port"; None starts Ray here.
        watch: hears how far batches are; its patience says how long to wait for them.
        report: hears of every fault, a sentence each.

    Raises:
        ValueError: for a count that is not positive, when nobody answers at the address, or when this machine
            has no room for a single worker.
        MachineFault: if Ray cannot start here.
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
        watch: Watch | None = None,
        report: Callable[[str], None] = _log.warning,
    ) -> None:
        if workers < 1 or cpus < 1:
            raise ValueError(f"workers and their cores must be at least 1, got {workers} and {cpus}")
        if gpus < 0:
            raise ValueError(f"GPUs per worker must not be negative, got {gpus:g}")
        self._owner = not ray.is_initialized()
        if self._owner:
            with _own_signals():
                _connect(address, workers * cpus)
        room = _room(workers, cpus, gpus, elastic=address is not None)
        crew = _Crew(factory, payload, cpus, gpus)
        watch = Watch() if watch is None else watch
        self._pool = Pool(crew, workers if address else room, watch.patience, report, room=room, watch=watch)

    @property
    def free(self) -> int:
        """Workers without a batch."""
        return self._pool.free

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take a batch for the next worker that is ready."""
        self._pool.submit(jobs)

    def collect(self) -> list[Outcome]:
        """Wait for a batch, and take every other one that has ended meanwhile.

        Raises:
            MachineFault, OutOfTime: as :meth:`zoo.population.pool.Pool.collect`.
        """
        return self._pool.collect()

    def close(self) -> None:
        """Stop the workers, and Ray too if it was started or joined here."""
        self._pool.close()
        if self._owner:
            ray.shutdown()
            self._owner = False


class _Crew:
    """Workers as actors of Ray."""

    def __init__(self, factory: Callable[[Any], Evaluator], payload: Any, cpus: int, gpus: float) -> None:
        self._factory, self._payload = ray.put(factory), ray.put(payload)
        self._actor = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0)(_Worker)
        self._actors: dict[Hashable, Any] = {}
        self._calls: dict[Any, tuple[int, Sequence[Job], int] | tuple[int]] = {}  # by reference: worker, and its batch
        self._count = 0

    def start(self, avoid: Collection[str]) -> int:
        """A new actor, whose first call says whether it is ready."""
        self._count += 1
        actor = self._actor.options(**_elsewhere(avoid)).remote(self._factory, self._payload, self._count)
        self._actors[self._count] = actor
        self._calls[actor.prepare.remote(versions())] = (self._count,)  # type: ignore[attr-defined]
        return self._count

    def send(self, worker: Hashable, jobs: Sequence[Job], attempt: int) -> None:
        """A call of the actor."""
        self._calls[self._actors[worker].run.remote(jobs, attempt)] = (worker, jobs, attempt)  # type: ignore[assignment]

    def stop(self, worker: Hashable) -> None:
        """Kill the actor."""
        self._calls = {reference: call for reference, call in self._calls.items() if call[0] != worker}
        ray.kill(self._actors.pop(worker))

    def poll(self, seconds: float) -> list[Report]:
        """What calls have returned."""
        if not self._calls:
            return []
        ray.wait(list(self._calls), num_returns=1, timeout=seconds)
        ready, _ = ray.wait(list(self._calls), num_returns=len(self._calls), timeout=0)
        if not ready:
            return self._shares()
        return [self._report(reference, *self._calls.pop(reference)) for reference in ready]

    def _shares(self) -> list[Report]:
        """How far calls are, by what their workers have noted."""
        running = [call for call in self._calls.values() if len(call) == 3][:ASKED]
        noted = [(worker, _noted(worker, _batch(jobs, attempt))) for worker, jobs, attempt in running]
        return [Report(worker=worker, share=share) for worker, share in noted if share is not None]

    def nodes(self) -> set[str]:
        """Those that are alive."""
        return {_name(node) for node in _nodes().values()}

    def close(self) -> None:
        """Kill all actors."""
        for actor in self._actors.values():
            ray.kill(actor)
        self._actors.clear()
        self._calls.clear()

    def _report(self, reference: Any, worker: int, jobs: Sequence[Job] = (), attempt: int = 0) -> Report:
        try:
            found = ray.get(reference, timeout=FETCH_SECONDS)
        except RayTaskError as error:
            if jobs:  # outcomes that cannot be sent; another attempt would end the same way
                outcomes = failures(jobs, f"{type(error.cause).__name__}: {error.cause}".splitlines()[0])
                return Report(worker=worker, outcomes=[(replace(r, attempt=attempt), data) for r, data in outcomes])
            return Report(worker=worker, node=self._node(worker), fault=f"it cannot start: {_line(error.cause)}")
        except RayError as error:  # the worker died, or the node that held what it returned
            node = self._node(worker)
            gone = bool(node) and node not in self.nodes()
            return Report(worker=worker, node=node, fault="its node is lost" if gone else _cause(error), gone=gone)
        if jobs:
            given = found if isinstance(found, list) else None
            return Report(worker=worker, outcomes=given, fault="" if given is not None else str(found))
        node, fault, unfit = found
        return Report(worker=worker, node=_name(_nodes(alive=False).get(node)), fault=fault, unfit=unfit)

    def _node(self, worker: int) -> str:
        """Where an actor is or was, as the cluster has noted."""
        try:
            from ray._private.state import actors  # no public call says it of an actor that has died at its start

            noted = actors(self._actors[worker]._actor_id.hex())
            return _name(_nodes(alive=False).get(noted["Address"]["NodeID"]))
        except Exception:  # another version of Ray: a fault whose node nobody knows
            return ""


class _Note:
    """In a worker: notes in Ray's own store, now and then, how far its batch is."""

    def __init__(self, worker: int, batch: str) -> None:
        self._worker, self._batch, self._last = worker, batch, time.monotonic()

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        if now - self._last >= NOTE_SECONDS:
            self._last = now
            with suppress(Exception):  # nothing depends on it
                internal_kv._internal_kv_put(_key(self._worker), f"{self._batch} {share!r}".encode(), overwrite=True)


def _batch(jobs: Sequence[Job], attempt: int) -> str:
    return f"{jobs[0].trial.index}:{attempt}"


def _key(worker: int) -> bytes:
    """Of what a worker of this driver notes, the same there and here."""
    return f"thriftnas {ray.get_runtime_context().get_job_id()} {worker}".encode()


def _noted(worker: int, batch: str) -> float | None:
    """How far a worker is with a batch; None where it has not said so."""
    try:
        of, share = internal_kv._internal_kv_get(_key(worker)).decode().split()
        return float(share) if of == batch else None
    except Exception:  # nothing was noted, by another version of Ray, or it is going away
        return None


def versions() -> dict[str, str]:
    """What must be the same here and where workers are: other numbers would come of it, or none."""
    return {"thriftnas": __version__, "torch": version("torch"), "numpy": version("numpy")}


def _nodes(*, alive: bool = True) -> dict[str, Any]:
    """The cluster's nodes by id."""
    return {node["NodeID"]: node for node in ray.nodes() if node["Alive"] or not alive}  # type: ignore[no-untyped-call]


def _name(node: Mapping[str, Any] | None) -> str:
    return "" if node is None else f"{node['NodeManagerHostname']} ({node['NodeID'][:6]})"


def _elsewhere(avoid: Collection[str]) -> dict[str, Any]:
    """Options of an actor that shall be on none of these nodes; every node has its own id as a label."""
    if not avoid:
        return {}
    nodes = [node for node in _nodes().values() if _name(node) in avoid]
    keys = {
        key: node["NodeID"] for node in nodes for key, held in node.get("Labels", {}).items() if held == node["NodeID"]
    }
    if not keys:
        return {}
    key = next(iter(keys))
    others = NotIn(*(node["NodeID"] for node in nodes))  # type: ignore[no-untyped-call]
    return {"scheduling_strategy": NodeLabelSchedulingStrategy(hard={key: others})}


def _cause(error: RayError) -> str:
    """Why a worker has died, in a few words: Ray's text is a page."""
    text = str(error)
    if "low on memory" in text or isinstance(error, OutOfMemoryError):
        return "killed for want of memory on its node"
    if "creation task" in text:
        return f"it cannot start: {[line for line in text.splitlines() if line.strip()][-1].strip()[:200]}"
    code = re.search(r"exit code (-?\d+)", text)
    return f"its process ended{f' with exit code {code[1]}' if code else ''}"


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts handlers of its own on signals, which print stack traces; whoever runs here decides, meanwhile too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    put = signal.signal
    signal.signal = lambda number, handler: signal.getsignal(number)  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal = put


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Ray that is started here is for this machine alone: its ports, where whoever connects may run code, are as well.

    Ray has no option for it; on other systems than Linux it does so by itself, by this constant.
    """
    held = getattr(ray_constants, "ENABLE_RAY_CLUSTER", None)
    try:
        ray_constants.ENABLE_RAY_CLUSTER = False
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = held


def _room(workers: int, cpus: int, gpus: float, *, elastic: bool) -> int:
    """For how many of the workers there is room now; says so where it is for fewer.

    On a cluster the others begin when nodes join: actors that wait for a place are what an autoscaler goes by.

    Raises:
        ValueError: where there is none for a single worker, and never will be.
    """
    has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    devices = has.get("GPU", 0)
    room = int(has.get("CPU", 0) // cpus)
    if gpus:
        room = min(room, int(devices // gpus) if gpus >= 1 else int(devices) * int(1 / gpus + 1e-9))
    elif devices and elastic:
        _log.warning(
            "the cluster has %g GPUs, none of which this run asks for: --gpus 1 gives every worker one", devices
        )
    if room < 1:
        lack = f"{has.get('CPU', 0):g} CPUs and {devices:g} GPUs, no room for a worker with {cpus} and {gpus:g}"
        if not elastic:
            raise ValueError(f"Ray has {lack}")
        _log.warning("the Ray cluster has %s: waiting for nodes that have it", lack)
    elif room < workers:
        later = "; the others begin when nodes join" if elastic else ""
        _log.warning("the Ray cluster has room for %d of %d workers%s", room, workers, later)
    return min(room, workers)


def _connect(address: str | None, cores: int) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # By default Ray would join a cluster that it finds.
        try:
            with _on_loopback():
                ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
        except Exception as error:  # whatever is wrong with this machine, its processes or its temporary folder
            raise MachineFault(f"Ray cannot start here: {_line(error)}; --workers 1 does without it") from None
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
