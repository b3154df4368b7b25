"""Networks per hour: placements of workers, threads and groups, against the plain loop in one process.

Every placement trains the same networks; the plain loop the first of them, one after the other, with all cores.

With ``--device cuda`` in this process, without Ray, see :mod:`benchmarks._population_gpu`.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks._pairs import RECIPE, SETTING, compared, genotypes, jobs, noise, proxy_skeleton
from benchmarks._population_gpu import on_gpu
from benchmarks.baselines import plain_training
from zoo.experiments import Resources
from zoo.experiments.calibration import networks_per_hour
from zoo.population.executor import Executor
from zoo.population.trial import Job
from zoo.training import Precision, TrainingSetup
from zoo.training.evaluator import make_evaluator

GOAL = 6.0  # times the plain loop
PLAIN = "plain loop"
HOUR = 3600.0
BATCH = 384  # of EcoNAS's search
GPU_DTYPES = ("float32", "bfloat16")
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
    parser.add_argument("--streams", type=int, default=4, help="of the GPU, that programs share")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if args.device != "cpu":
        rows = [{"what": "population", "seconds": NOT_MEASURED}]
        if torch.cuda.is_available():
            rows = on_gpu(args.device, genotypes(args.resident), args.dtypes or GPU_DTYPES, args.streams, BATCH)
        return {"name": "population", "device": args.device, "rows": rows}
    return {"name": "population", "device": "cpu", "setting": str(SETTING), "rows": on_cpu(args)}


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
            executor = Resources(workers=workers).executor(partial(make_evaluator, setup), images, threads)
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
