"""Resources: the workers, GPUs and cluster of a run, none of which changes its results."""

import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoo.population.executor import Executor, SerialExecutor
from zoo.population.trial import Evaluator
from zoo.population.watch import Watch

Say = Callable[[str], None]
"""Hears sentences that a user should know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Where a run's workers are; may differ whenever a run is continued.

    Attributes:
        workers: processes; 1 without an address trains in this process, without Ray.
        gpus: GPUs per worker, may be a fraction.
        address: of a running Ray cluster; None starts Ray on this machine where it is needed.
    """

    workers: int = 1
    gpus: float = 0.0
    address: str | None = None

    def executor(
        self,
        make: Callable[[Any], Evaluator],
        payload: Any,
        threads: int,
        report: Say = lambda sentence: None,
        watch: Watch | None = None,
    ) -> Executor:
        """Workers of ``threads`` CPU threads; each makes an evaluator of its own from the payload, such as images.

        Args:
            make: the evaluator.
            payload: what it needs.
            threads: of each worker.
            report: hears of workers that are lost.
            watch: looks at the running batches; its patience says how long they are waited for.

        Raises:
            ValueError: for a count that is not positive or a cluster that does not answer.
            MachineFault: if Ray cannot start here.
        """
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if self.workers == 1 and self.address is None:
            return SerialExecutor(make(payload), watch)
        # Ray takes seconds to import; serial runs do without.
        from zoo.population.ray_executor import RayExecutor

        if 0 < self.gpus < 1:
            make = partial(_with_share, make, self.gpus)
        return RayExecutor(
            make, payload, workers=self.workers, cpus=threads, gpus=self.gpus, address=self.address,
            report=report, watch=watch,
        )  # fmt: skip

    def fitting(self, threads: int, say: Say = lambda sentence: None) -> "Resources":
        """The same with no more workers than this machine has cores for: others would take turns with them.

        On a cluster and on GPUs the executor does the same with what Ray counts. Says so where they are fewer.
        """
        if self.address is not None or self.gpus:
            return self
        cores = usable_cores()
        workers = min(self.workers, max(1, cores // threads))
        if workers < self.workers:
            s = "" if cores == 1 else "s"
            say(f"{workers} of {self.workers} workers: this machine has {cores} core{s}")
        return replace(self, workers=workers)

    def check(self, device: str | None = None) -> None:
        """Find out early whether the workers can be had, and whether networks can be computed on ``device`` there.

        Raises:
            ValueError: for counts out of range, GPUs this machine does not have, a cluster that does not answer, or as
                :meth:`check_device`.
        """
        if not 0 <= self.gpus < math.inf:
            raise ValueError(f"gpus must be a number from 0 up, got {self.gpus:g}")
        if self.gpus and self.address is None:
            import torch

            if not torch.cuda.is_available():
                raise ValueError(f"gpus must be 0 on this machine, which has no CUDA device, got {self.gpus:g}")
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        self.check_device(device)
        if self.address is not None:
            from zoo.population.cluster_address import find_cluster

            find_cluster(self.address)

    def check_device(self, device: str | None) -> None:
        """Find out whether the workers can compute on a device, as a precision names it; None: they need none.

        Raises:
            ValueError: for a device that this machine does not have, workers without a share of their GPU, or a
                numbered GPU where every worker gets its own.
        """
        if device is None or device == "cpu":
            return
        if self.address is None:
            from zoo.training.device import is_here

            if not is_here(device):
                raise ValueError(
                    f"the networks of this run are computed on {device}, which this machine does not have: "
                    "expected one that has it, or the --address of a cluster that does"
                )
        if not device.startswith("cuda"):
            return
        if not self.gpus and (self.workers > 1 or self.address is not None):
            raise ValueError(
                f"every worker on {device} needs a GPU or a share of one, which --gpus says, or --device cpu; "
                f"got --workers {self.workers} --gpus 0"
            )
        if self.gpus and ":" in device:
            raise ValueError(f"workers with --gpus get their GPU from Ray, expected --device cuda, got {device}")

    @classmethod
    def asked(cls, workers: int | None, gpus: float, address: str | None, device: str | None) -> "Resources":
        """As asked for; where nothing was, and this machine has several GPUs, a worker for each of them.

        Args:
            workers: processes; None: as many as there are GPUs for, or one.
            gpus: of each.
            address: of a cluster.
            device: where networks are computed.
        """
        if workers is None and not gpus and address is None and device == "cuda" and (count := _gpus_here()) > 1:
            return cls(workers=count, gpus=1.0)
        return cls(workers=1 if workers is None else workers, gpus=gpus, address=address)

    def to_dict(self) -> dict[str, Any]:
        """The resources as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Resources":
        """Read :meth:`to_dict`'s form."""
        return cls(**data)


def _with_share(make: Callable[[Any], Evaluator], gpus: float, payload: Any) -> Evaluator:
    """The evaluator of a worker that has a part of a GPU, and no more than that part of its memory."""
    from zoo.training.memory import claim

    claim(gpus)
    return make(payload)


def _gpus_here() -> int:
    """GPUs that workers of this machine can share out: none without Ray, which does that."""
    import torch

    return torch.cuda.device_count() if find_spec("ray") else 0


def usable_cores() -> int:
    """CPU cores that this process may use: fewer than the machine's where it or its container is limited."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max": no limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


MOST_THREADS = 8
"""Of a process that nobody has told how many: a step of a small batch has no work for more. Ours."""


def threads_of(folder: Path, device: str, asked: int | None = None) -> int:
    """CPU threads of a run without workers: those asked for, those that it was begun with, or as many as there are.

    Other threads give other last bits, so they are chosen once: whoever continues a run need not name them.

    Args:
        folder: of the run, which need not be there yet.
        device: that networks are computed on; one that is no CPU needs a single thread.
        asked: by the user; None: nothing.

    Raises:
        ValueError: for fewer than one.
    """
    from zoo.experiments.run import Run

    if asked is not None:
        if asked < 1:
            raise ValueError(f"threads must be at least 1, got {asked}")
        return asked
    with suppress(ValueError, OSError):  # there is no run yet, or none of a kind that says its threads
        return int(getattr(Run.open(folder).experiment, "threads", 1))
    if device != "cpu":
        return 1
    told = os.environ.get("OMP_NUM_THREADS", "")
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # processes that torchrun has started here
    return min(int(told) if told.isdecimal() and int(told) else MOST_THREADS, max(1, usable_cores() // beside))
