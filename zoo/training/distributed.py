"""Distributed training: one network on several processes under torchrun, of which the first keeps the journal."""

import dataclasses
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from zoo.networks.network import Network
from zoo.population.faults import MachineFault, is_machine_fault
from zoo.population.trial import Evaluator, Job, Outcome
from zoo.population.watch import Watch

Forward = Callable[[Tensor, float, torch.Generator | None], tuple[Tensor, Tensor | None]]
"""(images (B, C, H, W), path dropout, its stream) to the logits of the classifier and of the auxiliary head, if any."""

PATIENCE = timedelta(days=1)
"""How long a process waits for its next job: the first one may be reading images or writing to a slow disk."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The processes that train one network together, seen from one of them; alone, every method does nothing.

    All of them hold the same weights, draw the same order and take their share of every batch, and gradients
    are averaged, weighted by the images behind them: the step is that of one process with the whole batch,
    but for batch normalisation, whose statistics are each process's own unless ``sync_norm``, for the masks of
    path dropout, and for the order of floating-point sums.

    Attributes:
        rank: this process's number; 0 is the one that keeps journal and files.
        size: how many there are.
        sync_norm: whether batch normalisation sees the whole batch (CUDA only).
        talk: the group over which jobs travel, apart from the tensors'.
    """

    rank: int = 0
    size: int = 1
    sync_norm: bool = False
    talk: Any = None

    def share(self, batch: slice) -> slice:
        """This process's part of a batch; the parts differ by one image at most."""
        count = batch.stop - batch.start
        return slice(batch.start + self.rank * count // self.size, batch.start + (self.rank + 1) * count // self.size)

    def prepare(self, network: Network) -> Network:
        """The network with batch normalisation over all processes, where that is wanted."""
        if self.size == 1 or not self.sync_norm:
            return network
        converted: Network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted

    def forward(self, network: Network, *, auxiliary: bool) -> Forward:
        """The network as a training step calls it; its backward pass averages the gradients of all processes."""
        heads = _Heads(network, auxiliary)
        if self.size == 1:
            return heads
        _freeze_unused(heads)
        # Buffers are the first process's where they matter (`copy_buffers`); copying them every step is for nothing.
        return DistributedDataParallel(heads, broadcast_buffers=False)

    def weigh(self, loss: Tensor, count: int, batch: slice) -> Tensor:
        """A mean loss over ``count`` images, scaled so that the processes' average is the mean over the batch."""
        return loss if self.size == 1 else loss * (count * self.size / (batch.stop - batch.start))

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def copy_buffers(self, network: nn.Module) -> None:
        """Give every process the first one's buffers: it is their weights that are kept and measured."""
        if self.size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, src=0)

    def send(self, jobs: Sequence[Job] | None) -> None:
        """As the first process, hand a batch to the others; None sends them home."""
        if self.size > 1:
            dist.broadcast_object_list([jobs], src=0, group=self.talk)

    def follow(self, evaluator: Evaluator) -> None:
        """As one of the others, do what the first process does until it sends None.

        Raises:
            ValueError: if the first process is gone.
        """
        while True:
            received: list[Sequence[Job] | None] = [None]
            try:
                dist.broadcast_object_list(received, src=0, group=self.talk)
            except RuntimeError:  # its connection was closed
                raise ValueError(f"process {self.rank} stops: the first process has ended") from None
            if received[0] is None:
                return
            _check(received[0], evaluator(received[0]))


ALONE = ProcessGroup()


class ProcessGroupExecutor:
    """Runs one job at a time, on all processes of a process group; an Executor for the first of them.

    Only divergence, which is a property of the run, becomes a failed record. Everything else is a circumstance
    (no memory, an image that cannot be read): it is raised, the trial stays pending in the journal, and the
    same command tries it again.
    """

    def __init__(self, evaluator: Evaluator, ranks: ProcessGroup = ALONE, watch: Watch | None = None) -> None:
        self._evaluator, self._ranks, self._watch = evaluator, ranks, Watch() if watch is None else watch
        self._jobs: Sequence[Job] = ()

    @property
    def free(self) -> int:
        """1 until a batch is submitted."""
        return 0 if self._jobs else 1

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take the batch; it runs in :meth:`collect`.

        Raises:
            RuntimeError: if there is one already.
        """
        if self._jobs:
            raise RuntimeError("no worker is free")
        self._jobs = jobs

    def collect(self) -> list[Outcome]:
        """Run the batch.

        Raises:
            MachineFault, ValueError: for a failure that another attempt may not have.
            OutOfTime: if one process trains alone, and the run's time is over before it is done with its grace.
        """
        jobs, self._jobs = self._jobs, ()
        self._ranks.send(jobs)
        try:
            with self._watch.of(jobs, may_end=self._ranks.size == 1):
                outcomes = self._evaluator(jobs)
        except Exception as error:
            if not is_machine_fault(error):
                raise
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise MachineFault(f"epoch {jobs[0].trial.stop} met a fault of the machine: {what}") from error
        _check(jobs, outcomes)
        first, host = jobs[0].trial.index, socket.gethostname()
        return [(dataclasses.replace(record, batch=first, host=host), weights) for record, weights in outcomes]

    def close(self) -> None:
        """Nothing to give back."""


def _check(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    for job, (record, _) in zip(jobs, outcomes, strict=True):
        if not record.ok and not record.reason.startswith("diverged"):
            raise ValueError(f"epoch {job.trial.stop} failed: {record.reason}; the same command tries it again")


@contextmanager
def joined_ranks(device: str, *, sync_norm: bool = False) -> Iterator[ProcessGroup]:
    """The process group torchrun has started this process in, or the process alone.

    Args:
        device: "cpu" (gloo) or "cuda:N" (NCCL), this process's.
        sync_norm: see :class:`ProcessGroup`.

    Raises:
        ValueError: for a device that processes cannot share work on, or without a process group to synchronise in.
    """
    rank, size, _ = process_place()
    kind = torch.device(device).type
    if sync_norm and (size == 1 or kind != "cuda"):
        raise ValueError(f"--sync-bn needs several processes on CUDA devices, got {size} on {kind}")
    if size == 1:
        yield ALONE
        return
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"several processes train on cpu or cuda, got {kind}")
    if kind == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    yield ProcessGroup(rank, size, sync_norm, dist.new_group(backend="gloo", timeout=PATIENCE))
    dist.destroy_process_group()  # after an error it could wait for a process that waits for this one


def process_place() -> tuple[int, int, int]:
    """Rank, number of processes and rank on this machine, as torchrun says in the environment; (0, 1, 0) without.

    Raises:
        ValueError: if they are no numbers or do not fit together.
    """
    texts = [
        os.environ.get(name, default) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
    ]
    try:
        rank, size, local = map(int, texts)
    except ValueError:
        rank, size, local = -1, 0, 0
    if not 0 <= rank < size:
        raise ValueError(f"RANK, WORLD_SIZE and LOCAL_RANK are {', '.join(texts)}, expected those torchrun sets")
    return rank, size, local


class _Heads(nn.Module):
    """A network with all its outputs in one call, which is what DistributedDataParallel needs."""

    def __init__(self, network: Network, auxiliary: bool) -> None:
        super().__init__()
        self.network, self.auxiliary = network, auxiliary

    def forward(
        self, images: Tensor, drop: float, paths: torch.Generator | None
    ) -> tuple[Tensor, Tensor | None]:  # (B, C, H, W) -> (B, classes), and (B, classes) or None
        if self.auxiliary:
            return self.network.with_auxiliary(images, drop, paths)
        return self.network(images, drop, paths), None


def _freeze_unused(heads: _Heads) -> None:
    """Take parameters no output depends on (of nodes nobody reads) out of training: the averaging waits for all."""
    network = heads.network
    shape, weight = network.skeleton, next(network.parameters())
    image = torch.zeros(
        1, shape.in_channels, shape.resolution, shape.resolution, device=weight.device, dtype=weight.dtype
    )
    network.eval()  # so that no statistic changes
    outputs = [logits.sum() for logits in heads(image, 0.0, None) if logits is not None]
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(outputs, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.requires_grad_(gradient is not None)
