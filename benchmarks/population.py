"""Networks per hour: every placement of workers, threads and groups, against the plain loop in one process.

With ``--device cuda`` in this process, without Ray: plain steps, the program's steps launched one by one, as a graph,
and co-trained, with the bytes and operations per second they achieve beside the device's own.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from benchmarks._pairs import RECIPE, SETTING, genotypes, jobs, noise, proxy_skeleton
from benchmarks.baselines import PlainLoop, plain_training
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

GOAL = 6.0
HOUR = 3600.0
TRAIN, VALIDATION, BATCH = 50_000, 10_000, 384  # of the paper's search, for the amortised time of a network-epoch
NOT_MEASURED = "not measured: no CUDA device here"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--train", type=int, default=2048, help="images")
    parser.add_argument("--val", type=int, default=512, help="images")
    parser.add_argument("--networks", type=int, default=16, help="trained by every placement")
    parser.add_argument("--group", type=int, default=8, help="networks of a group")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--resident", type=int, default=28, help="networks on the GPU at a time")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if args.device != "cpu":
        rows = on_gpu(args) if torch.cuda.is_available() else [{"what": "population", "seconds": NOT_MEASURED}]
        return {"name": "population", "device": args.device, "rows": rows}
    return {"name": "population", "device": "cpu", "setting": str(SETTING), "rows": on_cpu(args)}


# ---------------------------------------------------------------- a CPU


def on_cpu(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The plain loop and every placement, in turns, round by round; one dtype after the other."""
    images, work = noise(args.train, args.val), jobs(genotypes(args.networks))
    rows = []
    for dtype in args.dtypes:
        setup = TrainingSetup(recipe=RECIPE, precision=Precision(dtype=dtype), threads=args.cores, engine="auto")
        alone = replace(setup, threads=1)
        here = Placement(workers=1).executor(partial(make_evaluator, setup), images, setup.threads)
        there = Placement(workers=args.cores).executor(partial(make_evaluator, alone), images, alone.threads)
        places = [(here, 1, args.cores, args.group), (there, args.cores, 1, 1), (there, args.cores, 1, args.group)]
        hourly: list[list[float]] = [[] for _ in places]
        plain: list[float] = []
        try:
            for number in range(args.rounds + 1):
                rates = [per_hour(executor, work, group) for executor, _, _, group in places]
                genotype = genotypes(4)[number % 4]
                base = HOUR / timed(
                    partial(plain_training, genotype, proxy_skeleton(), RECIPE, images, epochs=SETTING.e, seed=0)
                )
                if number:  # the first round starts the workers
                    plain.append(base)
                    for place, rate in zip(hourly, rates, strict=True):
                        place.append(rate)
        finally:
            there.close()
        base = statistics.median(plain)
        rows.append(_row("plain loop", 1, args.cores, 1, base, base))
        rows += [
            _row(dtype, workers, threads, group, statistics.median(rates), base)
            for (_, workers, threads, group), rates in zip(places, hourly, strict=True)
        ]
    return rows


def _row(what: str, workers: int, threads: int, group: int, rate: float, base: float) -> dict[str, Any]:
    return {
        "what": what, "workers": workers, "threads": threads, "group": group, "networks_per_hour": round(rate, 1),
        "ratio": round(rate / base, 2), "goal": GOAL, "reached": rate / base >= GOAL,
    }  # fmt: skip


def per_hour(executor: Executor, work: list[Job], group: int) -> float:
    """Networks per hour of an executor that is kept full."""
    batches = [work[i : i + group] for i in range(0, len(work), group)]

    def drain() -> None:
        running = 0
        for batch in batches:
            while not executor.free:
                running -= len(executor.collect())
            executor.submit(batch)
            running += len(batch)
        while running:
            running -= len(executor.collect())

    return HOUR * len(work) / timed(drain)


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
    for dtype in args.dtypes:
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
