"""Every parser with inputs that are almost right: each must be read, or refused by the exception that is documented.

Inputs are valid ones with a few things wrong, all drawn from a seed and a number. An exception of another kind is
printed with the command that makes it again; so is an input that takes more than ten seconds.
"""

import argparse
import logging
import multiprocessing
import signal
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from benchmarks._fuzz.mutations import mutated
from benchmarks._fuzz.parsers import PARSERS, Parser
from zoo.purposes import FUZZ

GOAL_SECONDS = 1200.0  # for a million on two cores
MANY = 1_000_000
CHUNK = 500
MOST_SECONDS = 10.0
PLACE = Path("/dev/shm")


class TooSlow(BaseException):
    """An input takes longer than anybody waits."""


@dataclass(slots=True)
class Found:
    """What came of some inputs.

    Attributes:
        read: by parser, how many were read all the same.
        refused: by parser, how many were refused in order.
        seconds: of the processor, by parser.
        problems: whatever else was raised.
    """

    read: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    problems: list[dict[str, Any]] = field(default_factory=list)


@cache
def _examples(parser: Parser) -> list[bytes]:
    return list(parser.examples())


def drawn(seed: int, number: int) -> tuple[Parser, bytes]:
    """The parser and the input of a number."""
    draw = np.random.default_rng((seed, number, FUZZ))
    weights = np.array([parser.weight for parser in PARSERS])
    parser = PARSERS[int(np.searchsorted(np.cumsum(weights), draw.random() * weights.sum()))]
    examples = _examples(parser)
    return parser, mutated(examples[int(draw.integers(len(examples)))], draw)


def tried(seed: int, numbers: range) -> Found:
    """Give these inputs to their parsers."""
    found = Found()
    signal.signal(signal.SIGALRM, _too_slow)
    logging.getLogger("thriftnas").setLevel(logging.ERROR)  # of files without a checksum
    with (
        tempfile.TemporaryDirectory(dir=PLACE if PLACE.is_dir() else None) as folder,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of numbers that are too large for a float
        for number in numbers:
            parser, data = drawn(seed, number)
            began = time.process_time()
            signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
            try:
                parser.parse(data, Path(folder))
                found.read[parser.name] += 1
            except parser.allowed:
                found.refused[parser.name] += 1
            except (Exception, TooSlow) as error:
                what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                again = f"python -m benchmarks fuzz --seed {seed} --first {number} --mutations 1"
                found.problems.append(
                    {"parser": parser.name, "problem": what, "input": repr(data[:300]), "again": again}
                )
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            found.seconds[parser.name] += time.process_time() - began
    return found


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow(f"no answer for {MOST_SECONDS:g} s")


def _chunk(work: tuple[int, range]) -> Found:
    return tried(*work)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input; the others follow")
    parser.add_argument("--jobs", type=int, default=1, help="processes")


def run(args: argparse.Namespace) -> dict[str, Any]:
    if min(args.mutations, args.jobs) < 1 or min(args.seed, args.first) < 0:
        raise ValueError("expected at least one mutation and one job, and numbers that are not negative")
    began, end = time.perf_counter(), args.first + args.mutations
    work = [(args.seed, range(i, min(end, i + CHUNK))) for i in range(args.first, end, CHUNK)]
    if args.jobs == 1:
        parts = list(map(_chunk, work))
    else:
        with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
            parts = list(pool.imap_unordered(_chunk, work))
    took = time.perf_counter() - began
    read, refused = (sum((getattr(part, name) for part in parts), Counter[str]()) for name in ("read", "refused"))
    problems = [problem for part in parts for problem in part.problems]
    return {
        "name": "fuzz",
        "rows": [
            {
                "parser": parser.name,
                "inputs": read[parser.name] + refused[parser.name] + sum(p["parser"] == parser.name for p in problems),
                "read": read[parser.name],
                "refused": refused[parser.name],
                "problems": sum(problem["parser"] == parser.name for problem in problems),
                "seconds": round(sum(part.seconds[parser.name] for part in parts), 1),
            }
            for parser in PARSERS
        ],
        "problems": problems[:100],
        "mutations": args.mutations,
        "seconds": round(took, 1),
        f"seconds_for_{MANY}": round(took * MANY / args.mutations),
        "goal": f"{MANY} in {GOAL_SECONDS:g} s on two cores, none with a problem",
        "failed": bool(problems),
    }
