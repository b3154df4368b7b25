"""Networks per hour: placements of workers, threads and groups, against the plain loop in one process.

Every placement trains the same networks; the plain loop the first of them, one after the other, with all cores.

With ``--device cuda`` in this process, without Ray: plain steps, the program's steps launched one by one, as a graph,
and co-trained, with the bytes and operations per second they achieve beside the device's own.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks._pairs import RECIPE, SETTING, compared, genotypes, jobs, noise, proxy_skeleton
from benchmarks.baselines import PlainLoop, plain_training
from zoo.commands.calibration import networks_per_hour
from zoo.launch import Placement
from zoo.networks import build_network
from zoo.population.executor import Executor
from zoo.population.trial import Job
from zoo.spaces import CellGenotype, cost
from zoo.training import Precision, TrainingSetup
from zoo.training.captured import CapturedStep
from zoo.training.cotraining import make_program
from zoo.training.evaluator import make_evaluator
from zoo.training.step import train_step

GOAL, GPU_LIMIT = 6.0, 0.2  # times the plain loop; seconds of a network-epoch
PLAIN = "plain loop"
HOUR = 3600.0
TRAIN, VALIDATION, BATCH = 50_000, 10_000, 384  # of the paper's search, for the amortised time of a network-epoch
NOT_MEASURED = "not measured: no CUDA device here"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--train", type=int, default=768, help="images")
    parser.add_argument("--val", type=int, default=192, help="images")
    parser.add_argument("--networks", type=int, default=4, help="trained by every placement")
    parser.add_argument(
        "--passes", type=int, default=2, help="how often; with few networks a worker is idle at the end"
    )
    parser.add_argument("--plain", type=int, default=4, help="of them trained by the plain loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--places", nargs="+", default=["2x1x1"], help="placements: workers x threads x group")
    parser.add_argument("--dtypes", nargs="+", help="float32 on a CPU, bfloat16 too on a GPU by default")
    parser.add_argument("--resident", type=int, default=28, help="networks on the GPU at a time")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if args.device != "cpu":
        rows = on_gpu(args) if torch.cuda.is_available() else [{"what": "population", "seconds": NOT_MEASURED}]
        return {"name": "population", "device": args.device, "rows": rows}
    return {"name": "population", "device": "cpu", "setting": str(SETTING), "rows": on_cpu(args)}


# ---------------------------------------------------------------- a CPU


def on_cpu(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The plain loop and every placement, in turns, round by round; one dtype after the other.

    Raises:
        ValueError: for a placement that is not three positive numbers.
    """
    torch.set_num_threads(args.cores)
    images, networks = noise(args.train, args.val), genotypes(args.networks)
    few = networks[: args.plain]

    def plain() -> None:
        for genotype in few:
            plain_training(genotype, proxy_skeleton(), RECIPE, images, epochs=SETTING.e, seed=0)

    rows = []
    for dtype in args.dtypes or ["float32"]:
        for place in args.places:
            workers, threads, group = _place(place)
            setup = TrainingSetup(recipe=RECIPE, precision=Precision(dtype=dtype), threads=threads, engine="auto")
            executor = Placement(workers=workers).executor(partial(make_evaluator, setup), images, threads)
            seconds: dict[str, list[float]] = {place: [], PLAIN: []}  # of a network
            try:
                for number in range(args.rounds + 1):
                    there = seconds_each(executor, jobs(networks * args.passes), group)
                    torch.set_num_threads(args.cores)  # an executor in this process has set its own
                    here = timed(plain) / len(few)
                    if number:  # the first round starts the workers
                        seconds[place].append(there)
                        seconds[PLAIN].append(here)
            finally:
                executor.close()
            row = compared([seconds], place, PLAIN, GOAL)
            hourly = {side: round(HOUR / statistics.median(took), 1) for side, took in seconds.items()}
            sizes = {"dtype": dtype, "workers": workers, "threads": threads, "group": group}
            rows.append(sizes | {"per_hour": hourly[place], "plain_per_hour": hourly[PLAIN]} | row)
    return rows


def _place(text: str) -> tuple[int, int, int]:
    try:
        workers, threads, group = (int(part) for part in text.split("x"))
    except ValueError:
        raise ValueError(f"a placement is WORKERSxTHREADSxGROUP such as 2x1x8, got {text!r}") from None
    if min(workers, threads, group) < 1:
        raise ValueError(f"a placement's numbers must be positive, got {text!r}")
    return workers, threads, group


def seconds_each(executor: Executor, work: Sequence[Job], group: int) -> float:
    """Seconds of a network on an executor that is kept full with batches of ``group``.

    Raises:
        ValueError: if none could be trained.
    """
    rate = networks_per_hour(executor, work, group)
    if not rate:
        raise ValueError("every training failed; is there memory enough?")
    return HOUR / rate


def timed(work: Callable[[], object]) -> float:
    """Wall-clock seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# ---------------------------------------------------------------- a GPU


def on_gpu(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds a network-epoch costs, amortised, from the time of steps at the paper's batch."""
    networks = genotypes(args.resident)
    rows = [{"what": "ceiling", **ceilings(args.device)}]
    rows.append(_epoch_row("plain steps, one network", networks[:1], plain_steps(networks[0], args.device)))
    for dtype in args.dtypes or ["float32", "bfloat16"]:
        for what, count, graphed in (
            ("program, one network, launched one by one", 1, False),
            ("program, one network, graph", 1, True),
            ("program, co-trained, launched one by one", args.resident, False),
            ("program, co-trained, graph", args.resident, True),
        ):
            seconds, reason = program_steps(networks[:count], args.device, dtype, graphed)
            rows.append({"dtype": dtype, **_epoch_row(what, networks[:count], seconds), "eager_because": reason})
    return rows


def _epoch_row(what: str, networks: list[CellGenotype], seconds: float) -> dict[str, Any]:
    """An epoch is its training steps and a third of a step for every batch that is validated."""
    steps = TRAIN / BATCH + VALIDATION / BATCH / 3
    macs = sum(cost(genotype, proxy_skeleton()).macs for genotype in networks)
    return {
        "what": what,
        "networks": len(networks),
        "ms_per_step": round(1000 * seconds, 3),
        "seconds_per_network_epoch": round(seconds * steps / len(networks), 4),
        "limit": GPU_LIMIT,
        "tflop_per_second": round(2 * 3 * macs * BATCH / seconds / 1e12, 3),
    }


def ceilings(device: str) -> dict[str, Any]:
    """What the device copies and multiplies at best: GB/s, TFLOP/s in bfloat16."""
    size = 8192
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    big = torch.empty(1 << 28, device=device)
    multiply, copy = _per_call(lambda: a @ a, device), _per_call(lambda: big.clone(), device)
    return {
        "tflop_per_second": round(2 * size**3 / multiply / 1e12, 1),
        "gb_per_second": round(2 * big.numel() * 4 / copy / 1e9),
    }


def plain_steps(genotype: CellGenotype, device: str) -> float:
    """Seconds of a step of the plain loop, its images already there."""
    network = build_network(genotype, proxy_skeleton(), torch.Generator().manual_seed(0), device=device)
    loop, batch = PlainLoop(network, RECIPE, 1000), _batch(1, device)
    return _per_call(lambda: loop.train([(batch[0][0], batch[1][0])]), device)


def program_steps(networks: list[CellGenotype], device: str, dtype: str, graphed: bool) -> tuple[float, str]:
    """Seconds of a step of a program, and why it was not captured."""
    random = torch.Generator().manual_seed(0)
    built = [build_network(genotype, proxy_skeleton(), random, device=device) for genotype in networks]
    program = make_program(built, Precision(device=device, dtype=dtype), RECIPE)
    images, labels = _batch(len(networks), device)
    captured = CapturedStep(program, RECIPE)
    if not graphed:
        return _per_call(lambda: train_step(program, images, labels, RECIPE, 0.01), device), "asked for"
    return _per_call(lambda: captured(images, labels, 0.01), device), captured.eager


def _batch(count: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    side = proxy_skeleton().resolution
    images = torch.randn(count, BATCH, 3, side, side, device=device)
    return images, torch.zeros(count, BATCH, dtype=torch.long, device=device)


def _per_call(call: Callable[[], object], device: str, calls: int = 10) -> float:
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
