"""Streams: trainings side by side on one device, stepped in turns from one thread, each on a CUDA stream of its own.

Kernels of small networks leave most of a GPU idle; those of another stream run beside them. Elsewhere there are no
streams, and turns change nothing: what a training gives does not depend on who else is there.
"""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch

Result = TypeVar("Result")

Work = Generator[None, None, Result]
"""A training that stops after every step, so that others can take theirs, and returns its result."""


def in_turns(works: Sequence["Work[Result]"], device: torch.device | str) -> list[Result]:
    """Run all works to their ends, a step of each at a time; their results, in order.

    One alone stays on the current stream. Whatever was launched before is finished before any of them begins, and all
    of them before anything that is launched afterwards, also where one of them raises: what they still write is memory
    of the current stream, which may give it to somebody else. Works that were not finished are closed then.
    """
    streams = _streams(len(works), torch.device(device))
    results: dict[int, Result] = {}
    try:
        for stream in streams:
            stream.wait_stream(torch.cuda.current_stream(stream.device))
        while len(results) < len(works):
            for number, work in enumerate(works):
                if number not in results:
                    with _on(streams, number):
                        try:
                            next(work)
                        except StopIteration as end:
                            results[number] = end.value
    finally:
        for work in works:
            work.close()
        for stream in streams:
            torch.cuda.current_stream(stream.device).wait_stream(stream)
    return [results[number] for number in range(len(works))]


def _streams(count: int, device: torch.device) -> list[torch.cuda.Stream]:
    """One for each of several works on a GPU; none otherwise."""
    wanted = count if device.type == "cuda" and count > 1 else 0
    return [torch.cuda.Stream(device) for _ in range(wanted)]  # type: ignore[no-untyped-call]


def _on(streams: Sequence[torch.cuda.Stream], number: int) -> AbstractContextManager[object]:
    return torch.cuda.stream(streams[number]) if streams else nullcontext()
