"""Nodes and workers without processes: what happens to batches is drawn from a seed, and takes no time."""

import heapq
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks._simulation.disk import Disk
from zoo.population.executor import evaluate
from zoo.population.pool import Report
from zoo.population.trial import Evaluator, Job, Outcome

TROUBLES = ("dies", "hangs", "twice", "late", "fault", "node", "jump", "no start")
"""What may become of a batch: its worker dies, or never answers; its outcomes come twice, or after hours; its machine
has a fault; its node is lost; the clock jumps. And a worker that cannot start."""
WAITS = 5_000
"""Waits in which nothing happens, one after the other, after which a run is held to be endless."""
LATE = 30_000.0  # seconds, more than the pool waits for anything at first


class Endless(BaseException):
    """A run waits and nothing will ever happen: nothing may catch this."""


@dataclass(slots=True)
class Clock:
    """Time that passes only while something is awaited, in the place of the module time."""

    now: float = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


@dataclass(slots=True)
class Troubles:
    """What is still to go wrong, of a whole schedule, and how often a batch meets one of them."""

    left: list[str]
    often: float
    draw: np.random.Generator

    def next(self, starting: bool = False) -> str:
        """What goes wrong now; empty where nothing does."""
        if not self.left or (self.left[-1] == "no start") != starting or self.draw.random() > self.often:
            return ""
        return self.left.pop()


@dataclass(order=True, slots=True)
class _Event:
    at: float
    number: int
    what: str = field(compare=False)
    worker: int = field(compare=False, default=0)
    node: str = field(compare=False, default="")
    outcomes: Sequence[Outcome] = field(compare=False, default=())


class World:
    """A crew (`zoo/population/pool.py`) as a queue of events.

    Args:
        nodes: how many workers each has room for.
        evaluator: of batches.
        clock: that it moves.
        troubles: what goes wrong.
        disk: of the driver, whose process may end while it waits.
    """

    def __init__(
        self, nodes: dict[str, int], evaluator: Evaluator, clock: Clock, troubles: Troubles, disk: Disk
    ) -> None:
        self._places, self._evaluator, self._clock = dict(nodes), evaluator, clock
        self._troubles, self._draw, self._disk = troubles, troubles.draw, disk
        self._events: list[_Event] = []
        self._waiting: dict[int, Collection[str]] = {}  # workers without a place, and where they may not be
        self._where: dict[int, str] = {}
        self._count, self._waits, self._idle = 0, 0, 1.0

    # -------------------------------------------------------------- what the pool asks for

    def start(self, avoid: Collection[str]) -> int:
        """A worker that waits for a place."""
        self._count += 1
        self._waiting[self._count] = avoid
        return self._count

    def send(self, worker: Any, jobs: Sequence[Job], attempt: int) -> None:
        """A batch, of which is drawn at once what becomes of it."""
        what, took = self._troubles.next(), float(self._draw.exponential(30.0))
        if what == "hangs":
            return
        late = LATE if what == "late" else 0.0
        kind = what if what in ("dies", "fault", "node", "jump") else "done"
        outcomes = evaluate(self._evaluator, jobs, attempt)
        self._after(took + late, kind, worker, outcomes=outcomes)
        if what == "twice":
            self._after(took + float(self._draw.exponential(30.0)), "done", worker, outcomes=outcomes)

    def stop(self, worker: Hashable) -> None:
        """Its place is free; what it was about to say may come all the same."""
        assert isinstance(worker, int)
        self._waiting.pop(worker, None)
        self._where.pop(worker, None)

    def nodes(self) -> set[str]:
        """Those that there are."""
        return set(self._places)

    def join(self, node: str, seconds: float) -> None:
        """Let a node, as its name and its places with a colon between them, join after so long."""
        self._after(seconds, "joins", node=node)

    def close(self) -> None:
        """End everything."""
        for held in (self._events, self._waiting, self._where):
            held.clear()

    def poll(self, seconds: float) -> list[Report]:
        """The reports of what happens next, or nothing for so long; longer where nothing at all is to happen."""
        self._disk.moment()
        self._place()
        self._waits += 1
        if self._waits > WAITS:
            raise Endless
        end = self._clock.now + seconds
        if not self._events:
            self._clock.now, self._idle = self._clock.now + self._idle, min(2 * self._idle, 3600.0)
            return []
        self._idle = 1.0
        if self._events[0].at > end:
            self._clock.now = min(self._events[0].at, end + self._draw.random() * 60.0)  # as on a busy machine
            return []
        self._clock.now = max(self._clock.now, self._events[0].at)
        reports: list[Report] = []
        while self._events and self._events[0].at <= self._clock.now + self._draw.random() * 10.0:
            reports += self._happen(heapq.heappop(self._events))
        self._waits = 0
        return [reports[i] for i in self._draw.permutation(len(reports))]

    # -------------------------------------------------------------- what happens

    def _after(self, seconds: float, what: str, worker: int = 0, **more: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, _Event(self._clock.now + seconds, self._count, what, worker, **more))

    def _place(self) -> None:
        """Give waiting workers a place on the node with the most room."""
        for worker, avoid in list(self._waiting.items()):
            used = list(self._where.values())
            room = {node: places - used.count(node) for node, places in self._places.items() if node not in avoid}
            node = max(room, key=lambda one: (room[one], one), default="")
            if node and room[node] > 0:
                del self._waiting[worker]
                self._where[worker] = node
                what = "no start" if self._troubles.next(starting=True) else "ready"
                self._after(float(self._draw.exponential(5.0)), what, worker)

    def _happen(self, event: _Event) -> list[Report]:
        node = self._where.get(event.worker, "")
        happens: dict[str, Callable[[], list[Report]]] = {
            "ready": lambda: [Report(worker=event.worker, node=node)] if node else [],
            "no start": lambda: [Report(worker=event.worker, node=node, fault="it cannot start")] if node else [],
            "done": lambda: [Report(worker=event.worker, outcomes=self._shuffled(event.outcomes))],
            "dies": lambda: self._lost(event.worker, "its process ended"),
            "fault": lambda: [Report(worker=event.worker, fault="CUDA error: unspecified launch failure")],
            "node": lambda: self._leave(node),
            "jump": lambda: self._jump(event),
            "joins": lambda: self._join(event.node),
        }
        return happens[event.what]()

    def _shuffled(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        return [outcomes[i] for i in self._draw.permutation(len(outcomes))]

    def _lost(self, worker: int, fault: str, gone: bool = False) -> list[Report]:
        node = self._where.pop(worker, "")
        return [Report(worker=worker, node=node, fault=fault, gone=gone)] if node else []

    def _leave(self, node: str) -> list[Report]:
        """A node is lost with all its workers; it comes back, or another, or none where others are left."""
        if not node:
            return []
        room = self._places.pop(node)
        if not any(self._places.values()) or self._draw.random() < 0.3:
            name = node if self._draw.random() < 0.5 else f"{node} again"
            self.join(f"{name}:{room}", float(self._draw.exponential(600.0)))
        lost = [worker for worker, where in self._where.items() if where == node]
        return [report for worker in lost for report in self._lost(worker, "its node is lost", gone=True)]

    def _join(self, node: str) -> list[Report]:
        name, _, room = node.partition(":")
        self._places[name] = int(room)
        return []

    def _jump(self, event: _Event) -> list[Report]:
        """Hours pass at once; the batch ends afterwards."""
        self._clock.now += float(self._draw.exponential(20_000.0))
        self._after(1.0, "done", event.worker, outcomes=event.outcomes)
        return []
