"""A population on a GPU: steps launched one by one, as graphs, on several streams, and co-trained, beside its ceilings.

Every row trains networks of its own at the paper's batch; a network-epoch is what the steps of 50,000 training and the
passes of 10,000 validation images come to, shared by the networks. ``gb_per_second`` counts what operators read and
write, caches or not: above the device's own figure, caches serve.
"""

import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks._pairs import RECIPE, proxy_skeleton
from benchmarks.baselines import PlainLoop
from zoo.networks import build_network
from zoo.spaces import CellGenotype, cost
from zoo.training import Precision
from zoo.training.captured import CapturedStep
from zoo.training.cotraining import make_program
from zoo.training.cuda_streams import in_turns
from zoo.training.evaluator import side_by_side
from zoo.training.step import train_step

LIMIT = 0.2  # seconds of a network-epoch
TRAIN, VALIDATION, BATCH = 50_000, 10_000, 384  # of EcoNAS's search
CALLS = 10
ALONE = "program, one network, "
TOGETHER = "program, co-trained, "

Step = Callable[[], object]
Row = dict[str, Any]


def on_gpu(device: str, networks: list[CellGenotype], dtypes: Sequence[str], streams: int, batch: int) -> list[Row]:
    """Seconds a network-epoch costs, from the time of steps of ``batch`` images; the ceilings first."""
    rows: list[Row] = [{"what": "ceiling", **ceilings(device)}]
    plain = plain_step(networks[0], device, batch)
    rows.append(_row("plain steps, one network", networks[:1], per_call(plain, device), batch, traffic(plain)))
    for dtype in dtypes:
        for what, groups, graphed in (
            (f"{ALONE}launched one by one", [networks[:1]], False),
            (f"{ALONE}graph", [networks[:1]], True),
            (f"{ALONE}graph, {streams} streams", [[one] for one in networks], True),
            (f"{TOGETHER}launched one by one", [networks], False),
            (f"{TOGETHER}graph", [networks], True),
            (
                f"{TOGETHER}graph, {streams} streams",
                [networks[part] for part in side_by_side(len(networks), streams)],
                True,
            ),
        ):
            rows.append({"dtype": dtype, **_measured(what, groups, device, dtype, graphed, streams, batch)})
    return rows


def _measured(
    what: str, groups: list[list[CellGenotype]], device: str, dtype: str, graphed: bool, streams: int, batch: int
) -> Row:
    """A step of every group, as many of them side by side as there are streams."""
    made = [ProgramStep(group, device, dtype, graphed, batch) for group in groups]
    count = min(streams, len(made))

    def once() -> None:
        in_turns([_steps(made[number::count]) for number in range(count)], device)

    seconds = per_call(once, device)
    moved = sum(traffic(one.launch) for one in made[:1]) * len(made)  # groups are alike
    networks = [one for group in groups for one in group]
    reasons = {one.captured.eager for one in made}
    return _row(what, networks, seconds, batch, moved) | {"eager_because": reasons.pop() if graphed else "asked for"}


def _steps(made: Sequence["ProgramStep"]) -> Generator[None, None, None]:
    """A step of each, on one stream."""
    for one in made:
        one()
        yield


class ProgramStep:
    """A step of networks as one program, with images that stay the same."""

    def __init__(self, networks: list[CellGenotype], device: str, dtype: str, graphed: bool, batch: int) -> None:
        random = torch.Generator().manual_seed(0)
        built = [build_network(genotype, proxy_skeleton(), random, device=device) for genotype in networks]
        self._program = make_program(built, Precision(device=device, dtype=dtype), RECIPE)
        self._batch, self._graphed = images_on(len(networks), device, batch), graphed
        self.captured = CapturedStep(self._program, RECIPE)

    def __call__(self) -> Tensor:
        return self.captured(*self._batch, 0.01) if self._graphed else self.launch()

    def launch(self) -> Tensor:
        """The step's kernels, one by one."""
        return train_step(self._program, *self._batch, RECIPE, 0.01)


def plain_step(genotype: CellGenotype, device: str, batch: int) -> Step:
    """A step of the plain loop, its images already there."""
    network = build_network(genotype, proxy_skeleton(), torch.Generator().manual_seed(0), device=device)
    images, labels = images_on(1, device, batch)
    return partial(PlainLoop(network, RECIPE, 1000).train, [(images[0], labels[0])])


def images_on(count: int, device: str, batch: int) -> tuple[Tensor, Tensor]:
    """Images (K, b, 3, r, r) and labels (K, b)."""
    side = proxy_skeleton().resolution
    images = torch.randn(count, batch, 3, side, side, device=device)
    return images, torch.zeros(count, batch, dtype=torch.long, device=device)


def _row(what: str, networks: list[CellGenotype], seconds: float, batch: int, moved: int) -> Row:
    """An epoch is its training steps and a third of a step for every batch that is validated."""
    steps = TRAIN / batch + VALIDATION / batch / 3
    macs = sum(cost(genotype, proxy_skeleton()).macs for genotype in networks)
    return {
        "what": what,
        "networks": len(networks),
        "ms_per_step": round(1000 * seconds, 3),
        "seconds_per_network_epoch": round(seconds * steps / len(networks), 4),
        "limit": LIMIT,
        "tflop_per_second": round(2 * 3 * macs * batch / seconds / 1e12, 3),
        "gb_per_second": round(moved / seconds / 1e9),
    }


def ceilings(device: str) -> Row:
    """What the device copies and multiplies at best: GB/s, TFLOP/s in bfloat16."""
    size, bytes_ = (8192, 1 << 30) if torch.device(device).type == "cuda" else (256, 1 << 20)
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    big = torch.empty(bytes_ // 4, device=device)
    multiply, copy = per_call(lambda: a @ a, device), per_call(lambda: big.clone(), device)
    return {
        "tflop_per_second": round(2 * size**3 / multiply / 1e12, 1),
        "gb_per_second": round(2 * bytes_ / copy / 1e9),
    }


class _Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sums up the bytes of what operators read and write; views move nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.bytes += sum(map(_bytes, (*args, *(out if isinstance(out, tuple | list) else (out,)))))
        return out


def _bytes(value: object) -> int:
    """Of a tensor, or of all in a list."""
    if isinstance(value, list | tuple):
        return sum(map(_bytes, value))
    return value.numel() * value.element_size() if isinstance(value, Tensor) else 0


def traffic(step: Step) -> int:
    """Bytes that the operators of a step read and write."""
    counter = _Traffic()
    with counter:
        step()
    return counter.bytes


def per_call(call: Step, device: str, calls: int = CALLS) -> float:
    """Seconds of a call, the device's own work included, after three that do not count."""
    for _ in range(3):
        call()
    _wait(device)
    began = time.perf_counter()
    for _ in range(calls):
        call()
    _wait(device)
    return (time.perf_counter() - began) / calls


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
