"""The pool: batches wait here for any ready worker; what is a machine's fault is never a trial's result."""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zoo.population.faults import ATTEMPTS, MachineFault, OutOfTime
from zoo.population.patience import Patience
from zoo.population.trial import Job, Outcome
from zoo.population.watch import Watch

_log = logging.getLogger("thriftnas")

FAULTS_IN_A_ROW = 5
"""After so many without a batch that comes back the run stops; with many workers after a few more than there are."""
FAULTS_OF_A_NODE = 2
"""After so many of them a node is left out, as long as there is another."""
TICK_SECONDS = 1.0
SAY_SECONDS = 20.0
"""How often it is said that there is no room for a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a crew has to say of a worker: it is ready, is on its way with its batch, has its outcomes, or is lost.

    Attributes:
        worker: as :meth:`Crew.start` gave it.
        node: where it is, for people; empty where nobody knows.
        outcomes: of its batch.
        share: of its batch that is done.
        fault: why it is lost, in one line.
        gone: whether its node is lost with it.
        unfit: whether no worker of this node can do the work, as where another version is installed.
    """

    worker: Hashable
    node: str = ""
    outcomes: list[Outcome] | None = None
    share: float | None = None
    fault: str = ""
    gone: bool = False
    unfit: bool = False


class Crew(Protocol):
    """Workers as processes somewhere; it decides nothing."""

    def start(self, avoid: Collection[str]) -> Hashable:
        """Ask for a worker on another node than these; a report says when it is ready, or why it never will be."""
        ...

    def send(self, worker: Hashable, jobs: Sequence[Job], attempt: int) -> None:
        """Give a ready worker a batch."""
        ...

    def stop(self, worker: Hashable) -> None:
        """End a worker, whatever it does; nothing more is reported of it."""
        ...

    def poll(self, seconds: float) -> list[Report]:
        """What has happened, waiting for something at most so long."""
        ...

    def nodes(self) -> set[str]:
        """The nodes that there are."""
        ...

    def close(self) -> None:
        """End everything."""
        ...


@dataclass(slots=True, eq=False)
class _Batch:
    jobs: Sequence[Job]
    attempt: int = 0
    faults: list[str] = field(default_factory=list)  # the nodes of those that count
    began: float = 0.0
    share: float | None = None  # that is done, where its worker says so
    alone: "_Batch | None" = None  # of a single trial that is only tried: the batch that it is in
    tried: dict[int, bool] = field(default_factory=dict)  # by trial, tried alone: whether its worker came back

    @property
    def named(self) -> str:
        first, last = self.jobs[0].trial.index, self.jobs[-1].trial.index
        return f"trial {first} is" if first == last else f"trials {first} to {last} are"


class Pool:
    """An executor whose workers may be lost at any time.

    A batch whose worker dies, hangs or lacks something waits for another one. A node with repeated faults is left out.
    Workers for which there is no room yet begin whenever a node joins.

    Args:
        crew: the workers.
        workers: how many of them.
        patience: how long to wait for batches.
        report: hears of every fault, a sentence each.
        room: for how many of them there is room at first; None: for all.
        watch: hears how far the running batches are.
    """

    def __init__(
        self,
        crew: Crew,
        workers: int,
        patience: Patience | None = None,
        report: Callable[[str], None] = _log.warning,
        *,
        room: int | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._crew, self._size, self._say = crew, workers, report
        self._room = workers if room is None else max(1, min(room, workers))
        self._patience = Patience() if patience is None else patience
        self._watch = Watch() if watch is None else watch
        self._waiting: deque[_Batch] = deque()
        self._running: dict[Hashable, _Batch] = {}
        self._ready: deque[Hashable] = deque()
        self._node: dict[Hashable, str] = {}  # of every worker that was ready once
        self._left_out: set[str] = set()
        self._row: list[str] = []  # faults since a batch came back
        self._row_of: Counter[str] = Counter()  # by node
        self._causes: list[str] = []  # the last ones, whatever came back since
        self._gone: set[str] = set()
        self._said = self._looks = time.monotonic()
        self._starting = {self._start() for _ in range(workers)}

    @property
    def free(self) -> int:
        """Workers without a batch: those that are ready, or for which there was room at first."""
        return max(0, self._places - len(self._running) - len(self._waiting))

    @property
    def _places(self) -> int:
        """How many batches are asked for: more would be decided long before a worker begins them."""
        return max(self._room, len(self._running) + len(self._ready))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take a batch; it goes to the first worker that is ready."""
        if not self.free:
            raise RuntimeError("no worker is free")
        self._waiting.append(_Batch(jobs))
        self._give()

    def collect(self) -> list[Outcome]:
        """Wait for a batch, and take every other one that has ended meanwhile.

        Nothing comes back where a worker more than before is ready, and there is no batch for it.

        Raises:
            MachineFault: if a batch was sent too often, or too many workers were lost in a row.
            OutOfTime: if the run's time and its grace are over.
        """
        outcomes: list[Outcome] = []
        places = self._places
        while not outcomes and (self._running or self._waiting):
            for report in self._crew.poll(TICK_SECONDS):
                outcomes += self._hear(report)
            self._give_up_hanging()
            self._take_back()
            self._give()
            if not outcomes and self._ready and self._places > places:
                break
            if not outcomes:
                self._say_what_is_awaited()
                self._look()
                if self._patience.over(time.monotonic(), [batch.jobs for batch in self._running.values()]):
                    raise OutOfTime
        return outcomes

    def close(self) -> None:
        """End all workers."""
        self._crew.close()
        self._waiting.clear()
        self._running.clear()
        self._ready.clear()
        self._starting.clear()

    # -------------------------------------------------------------- workers

    def _start(self) -> Hashable:
        return self._crew.start(frozenset(self._left_out))

    def _give(self) -> None:
        while self._waiting and self._ready:
            worker, batch = self._ready.popleft(), self._waiting.popleft()
            batch.attempt += 1
            batch.began, batch.share = time.monotonic(), None
            self._running[worker] = batch
            _log.debug("%s sent to %s, attempt %d", batch.named, self._node.get(worker) or "a worker", batch.attempt)
            self._crew.send(worker, batch.jobs, batch.attempt)

    def _hear(self, report: Report) -> list[Outcome]:
        worker = report.worker
        if worker not in self._starting and worker not in self._running and worker not in self._ready:
            return []  # it was stopped meanwhile
        if report.node:
            self._node[worker] = report.node
        if report.fault:
            self._lose(report)
            return []
        if report.share is not None:
            if worker in self._running:
                self._running[worker].share = report.share
            return []
        if report.outcomes is None:
            if worker in self._starting:
                self._begin(worker)
            return []
        batch = self._running.get(worker)
        if batch is None or not _answers(report.outcomes, batch.jobs):
            return []  # delivered before
        del self._running[worker]
        self._ready.append(worker)
        self._patience.learn(batch.jobs, time.monotonic() - batch.began)
        self._row.clear()
        self._row_of.clear()
        if batch.alone is not None:
            self._tried(batch, came_back=True)  # its batch may have computed otherwise: what it measured is no result
            return []
        return report.outcomes

    def _begin(self, worker: Hashable) -> None:
        """A worker is ready; one that started before it was known that its node is left out is replaced."""
        if self._node.get(worker) in self._left_out:
            self._replace(worker)
        else:
            self._starting.discard(worker)
            self._ready.append(worker)
            _log.debug("a worker on %s is ready", self._node.get(worker) or "this machine")

    def _replace(self, worker: Hashable) -> None:
        self._starting.discard(worker)
        if worker in self._ready:
            self._ready.remove(worker)
        self._crew.stop(worker)
        self._node.pop(worker, None)
        self._starting.add(self._start())

    # -------------------------------------------------------------- faults

    def _lose(self, report: Report) -> None:
        """Replace a lost worker; its batch waits for another."""
        node = report.node or self._node.get(report.worker, "")
        batch = self._running.pop(report.worker, None)
        what = f"a worker{f' on {node}' if node else ''} is lost: {report.fault}"
        if batch is not None:
            if batch.alone is None or report.gone:
                what = f"{what}; {batch.named} sent again"
                self._waiting.appendleft(batch)
            if not report.gone:
                batch.faults.append(node)
        self._say(what)
        if not (report.gone and node in self._gone):  # all workers of a lost node are one fault
            self._row.append(report.fault)
            self._causes = [*self._causes[1 - FAULTS_IN_A_ROW :], report.fault]
            self._row_of[node] += 1
        if report.gone:
            self._gone.add(node)
        self._leave_out(node, report)
        if batch is not None and batch.alone is not None:
            if not report.gone:
                self._tried(batch, came_back=False)
        elif batch is not None and sum(one not in self._left_out for one in batch.faults) >= ATTEMPTS:
            self._suspect(batch)
        if len(self._row) >= max(FAULTS_IN_A_ROW, self._size + 2):
            self._stop(f"{len(self._row)} workers were lost in a row")
        self._replace(report.worker)

    def _suspect(self, batch: _Batch) -> None:
        """One of its trials may end every process: they are tried one by one. A single one is named at once."""
        if len(batch.jobs) == 1:
            self._stop(_in_vain(batch), f"if its network is the cause, {_without(batch.jobs)}")
        self._waiting.remove(batch)
        self._say(f"{_in_vain(batch)}: its trials are tried one by one")
        self._waiting.extendleft(_Batch([job], alone=batch) for job in reversed(batch.jobs))

    def _tried(self, one: _Batch, *, came_back: bool) -> None:
        """A trial was tried alone; after the last one of its batch it is known which ones are the cause.

        Where none came back it is no trial's fault, and where all did none's alone.
        """
        assert one.alone is not None
        whole = one.alone
        whole.tried[one.jobs[0].trial.index] = came_back
        if len(whole.tried) == len(whole.jobs):
            deadly = [job for job in whole.jobs if not whole.tried[job.trial.index]]
            named = deadly if len(deadly) < len(whole.jobs) else []
            self._stop(_in_vain(whole), f"alone, only these fail: {_without(named)}" if named else "")

    def _leave_out(self, node: str, report: Report) -> None:
        if not node or node in self._left_out:
            return
        others = self._crew.nodes() - self._left_out - {node}
        if not others:
            if report.unfit:
                self._stop("no worker can start")
            return
        if report.unfit or self._row_of[node] >= FAULTS_OF_A_NODE:
            self._left_out.add(node)
            self._say(f"{node} is left out from now on: {report.fault}")
            for worker in [one for one in self._ready if self._node.get(one) == node]:
                self._replace(worker)

    def _take_back(self) -> None:
        """Nodes that were left out are better than none: the others may be lost meanwhile."""
        idle = not self._running and not self._ready
        if self._left_out and idle and (nodes := self._crew.nodes()) and nodes <= self._left_out:
            self._say(f"{', '.join(sorted(nodes))} may be used again: there are no others")
            self._left_out.clear()
            for worker in list(self._starting):
                self._replace(worker)

    def _stop(self, what: str, hint: str = "") -> None:
        causes = "; ".join(dict.fromkeys(self._row or self._causes)) or "no answer"
        more = f"; {hint}" if hint else ""
        raise MachineFault(
            f"{what}: {causes}. Nothing of it is a result; the same command goes on once this is mended{more}"
        )

    def _give_up_hanging(self) -> None:
        now = time.monotonic()
        if now < self._looks:
            return  # of a thousand workers one answers every few milliseconds
        self._looks = now + TICK_SECONDS
        for worker, batch in list(self._running.items()):
            limit = self._patience.limit(batch.jobs)
            if now - batch.began > limit:
                self._lose(Report(worker=worker, fault=f"no answer for {now - batch.began:.0f} s, expected far less"))

    def _look(self) -> None:
        """Say how far the running batches are: by what they say themselves, or by the clock."""
        now = time.monotonic()
        shares = []
        for batch in self._running.values():
            expected = self._patience.expected(batch.jobs)
            by_clock = min(0.99, (now - batch.began) / expected) if expected else 0.0
            shares.append((batch.jobs, by_clock if batch.share is None else batch.share, now - batch.began))
        self._watch.look(shares)

    def _say_what_is_awaited(self) -> None:
        now = time.monotonic()
        if self._running or self._ready:
            self._said = now
        elif now - self._said >= SAY_SECONDS:
            self._said = now
            self._say(f"no worker is ready: waiting for room for {len(self._starting)}, others may hold the processors")


def _answers(outcomes: Sequence[Outcome], jobs: Sequence[Job]) -> bool:
    """Whether outcomes are those of these jobs."""
    return sorted(record.index for record, _ in outcomes) == sorted(job.trial.index for job in jobs)


def _in_vain(batch: _Batch) -> str:
    return f"the batch of trial {batch.jobs[0].trial.index} was sent {ATTEMPTS} times in vain"


def _without(jobs: Sequence[Job]) -> str:
    """What to type to go on without these trials."""
    named = ", ".join(f"trial {job.trial.index} (genotype {job.trial.genotype.key})" for job in jobs)
    options = " ".join(f"--without {job.trial.index}" for job in jobs)
    return f"{named}; `thriftnas run retry RUN {options}` goes on without"
