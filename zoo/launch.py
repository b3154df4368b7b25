"""Launching: one strategy in one run folder, with its lock, journal, workers, progress and deadline."""

import itertools
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from zoo.files import write_json as write_json
from zoo.files import write_text as write_text
from zoo.population.executor import Executor, LazyExecutor, SerialExecutor
from zoo.population.journal import FILE, Journal, run_lock
from zoo.population.manager import Manager
from zoo.population.strategy import Strategy
from zoo.population.trial import Evaluator, Record, Trial
from zoo.population.weights import WeightStore

if TYPE_CHECKING:
    from zoo.training.distributed import ProcessGroup

WEIGHTS = "checkpoints"
LEFTOVERS = (".lock", ".new")
"""How the names begin of what a start that was killed leaves behind."""

CPUINFO = Path("/proc/cpuinfo")
VECTORS = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "bf16", "i8mm")
"""How the names of instruction sets begin that the speed of training depends on."""

PACKAGES = ("thriftnas", "torch", "torchvision", "numpy", "scipy", "pandas", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a run's workers are; changes nothing about its results, so it may differ on resume.

    Attributes:
        workers: processes; 1 without an address trains in this process, without Ray.
        gpus: GPUs per worker, may be a fraction.
        address: of a running Ray cluster; None starts Ray on this machine where it is needed.
    """

    workers: int = 1
    gpus: float = 0.0
    address: str | None = None

    def executor(self, make: Callable[[Any], Evaluator], payload: Any, threads: int) -> Executor:
        """Workers of ``threads`` CPU threads that each make an evaluator of their own from the payload, such as images.

        Raises:
            ValueError: for a count that is not positive or a cluster that does not answer.
        """
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if self.workers == 1 and self.address is None:
            return SerialExecutor(make(payload))
        # Ray takes seconds to import; serial runs do without.
        from zoo.population.ray_executor import RayExecutor

        return RayExecutor(make, payload, workers=self.workers, cpus=threads, gpus=self.gpus, address=self.address)

    def fitting(self, threads: int) -> "Placement":
        """The same with no more workers than this machine has cores for: others would take turns with them.

        On a cluster and on GPUs the executor does the same with what Ray counts.
        """
        if self.address is not None or self.gpus:
            return self
        return replace(self, workers=min(self.workers, max(1, usable_cores() // threads)))

    def check(self) -> None:
        """Find out early whether the cluster answers.

        Raises:
            ValueError: as :meth:`executor`.
        """
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if self.address is not None:
            from zoo.population.ray_executor import find_cluster

            find_cluster(self.address)


def usable_cores() -> int:
    """CPU cores that this process may use: fewer than the machine's where it or its container is limited."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max": no limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def check_folder(folder: Path) -> None:
    """Find out early, and without touching it, whether ``folder`` is a run folder or can become one.

    Raises:
        ValueError: if it is a file or below one, cannot be written, or holds something else than a run.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise ValueError(f"{existing} is a file, expected a folder{'' if existing == folder else f' for {folder}'}")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"{existing} cannot be written, expected a folder for a run")
    if existing == folder and not (folder / FILE).exists():
        for path in folder.iterdir():
            if not path.name.startswith(LEFTOVERS):
                raise ValueError(
                    f"{folder} holds {path.name!r} and no run, expected a run folder, a new or an empty one"
                )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder for this process; one that cannot be a run's is left as it is.

    Raises:
        ValueError: as :func:`check_folder`, or if another process holds it.
    """
    check_folder(folder)
    with run_lock(folder):
        yield


def open_run(folder: Path, identity: Mapping[str, Any], command: list[str], models: int | None = None) -> Journal:
    """The journal of a new or continued run, with what was called, where and on what.

    Of a run that can grow, its value "growth" lists the numbers of networks that were asked for so far, ``models``
    being the last.

    Raises:
        ValueError: if the folder holds something else, another run, or more networks; it is unchanged then.
    """
    journal = Journal.create(folder, identity)
    try:
        if models is not None:
            growth: list[int] = journal.get("growth") or []
            if growth and models < growth[-1]:
                raise ValueError(f"{folder} has {growth[-1]} models; it can grow, not shrink to {models}")
            journal.set("growth", growth if growth[-1:] == [models] else [*growth, models])
        journal.set("command", command)
        journal.set("directory", os.getcwd())
        if journal.get("about") is None:
            journal.set("about", about())
    except BaseException:
        journal.close()
        raise
    return journal


def about() -> dict[str, Any]:
    """Versions and hardware, for whoever reads the numbers later."""
    import torch  # takes a second or more; who only reads a run does without

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "versions": {name: _version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "hardware": {
            "processor": _processor(),
            "instructions": _instructions(),
            "kernels": torch.backends.cpu.get_cpu_capability(),  # what torch makes of them
            "cores": os.cpu_count(),
            "gpu": gpu,
            "system": platform.platform(),
        },
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    return _described("model name") or platform.processor() or platform.machine()


def _instructions() -> str:
    """Vector and matrix instruction sets of the first processor, as Linux names them; none where it does not say."""
    flags = f"{_described('flags')} {_described('Features')}".split()  # of x86 and of Arm
    return " ".join(sorted(flag for flag in flags if flag.startswith(VECTORS)))


def _described(what: str) -> str:
    """A line of Linux's description of the first processor; empty where there is none."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(what)), "")


def run(
    folder: Path,
    journal: Journal,
    strategy: Strategy,
    executor: Callable[[], Executor],
    *,
    group: int,
    total: Callable[[], float],
    price: Callable[[Trial], float],
    console: Console,
    seconds: float | None = None,
    listen: Callable[[Console], None] = lambda console: None,
) -> bool:
    """Run ``strategy`` to its end, or for ``seconds`` and until what was running has come back.

    The journal's value "sessions" says for each call how many workers there were, for how many seconds, and how
    many of these they worked.

    Args:
        folder: the run's.
        journal: of the run, opened under the folder's lock (see :func:`locked`).
        strategy: fresh.
        executor: makes the executor; called only if something is left to do.
        group: trials per batch.
        total: the run's whole price at most, in the unit of ``price``, as far as is known: it may grow.
        price: what a trial costs, for a bar that moves evenly and an ETA that means something.
        console: where the bar goes.
        seconds: after which nothing new is started.
        listen: called after every record with the console above the bar.

    Returns:
        Whether the strategy is finished.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    manager = Manager(strategy, journal, WeightStore(folder / WEIGHTS), batch=group)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[done]} trials"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=console,
    )
    count = itertools.count(len(manager.records) + 1)
    task = bar.add_task("training", total=total(), done=len(manager.records))
    bar.update(task, completed=sum(price(manager.trials[record.index]) for record in manager.records))
    workers = LazyExecutor(executor, bar.start)

    def note(trial: Trial, record: Record) -> None:
        bar.update(task, advance=price(trial), total=total(), done=next(count))
        if not record.ok:
            where = "" if trial.setting is None else f" ({trial.setting})"
            bar.console.print(f"trial {trial.index}{where} failed: {record.reason}", style="yellow", markup=False)
        listen(bar.console)

    try:
        finished = manager.run(workers, listen=note, stop=lambda: deadline is not None and time.monotonic() >= deadline)
        if finished and workers.started:
            bar.update(task, completed=total())
        return finished
    finally:
        if workers.started:
            journal.set("sessions", [*(journal.get("sessions") or []), workers.session()])
            bar.stop()
        workers.close()


def run_ranks(
    folder: Path,
    journal: Journal,
    strategy: Strategy,
    ranks: "AbstractContextManager[tuple[ProcessGroup, Evaluator]]",
    *,
    total: float,
    console: Console,
    seconds: float | None = None,
) -> bool:
    """:func:`run` one trial at a time on all processes of a group, of which this is the first; epochs are the price.

    Returns:
        Whether the strategy is finished; the other processes are told that nothing more comes.
    """
    from zoo.training.distributed import ProcessGroupExecutor  # torch, for which those who only read do not wait

    with ranks as (processes, evaluator):
        finished = run(
            folder,
            journal,
            strategy,
            lambda: ProcessGroupExecutor(evaluator, processes),
            group=1,
            total=lambda: total,
            price=lambda trial: trial.stop - trial.start,
            console=console,
            seconds=seconds,
        )
        processes.send(None)
    return finished


@contextmanager
def counting_bar(what: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    """A callback (done, total) that draws a bar from its first call on, and nothing if it is never called."""
    bar = Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("", total=None)

    def progress(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield progress
    finally:
        if bar.live.is_started:  # stopping prints an empty line even where nothing was drawn
            bar.stop()
