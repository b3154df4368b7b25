"""Group 4: what a replayed step consists of: its kernels, the gaps between them, which of them take most of the time.

A GPU that waits for nothing has no gaps; short kernels leave it some. On a CPU operators stand for kernels.
"""

import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from torch.profiler import ProfilerActivity, profile

from benchmarks._gpu.cells import PAPER, TINY, batches, built, fallbacks, placed
from benchmarks._gpu.lines import Numbers, judged, main
from benchmarks._gpu.place import Place
from zoo.training.captured import CapturedStep
from zoo.training.cotraining import make_program
from zoo.training.recipe import Precision, Recipe

MOST = 25  # kernels listed


def profiled(place: Place, *, count: int, dtype: str) -> Numbers:
    """One replay of a program's step."""
    count, recipe = place.size(count, min(count, 2)), Recipe(batch=place.size(384, 4), lr=0.1, lr_min=0.0, cutout=0.0)
    skeleton = TINY if place.dry else PAPER
    networks, _ = built(count, skeleton, place.device)
    program = make_program(networks, Precision(device=place.device, dtype=dtype), recipe)
    ((images, labels),) = placed(batches(count, [recipe.batch], skeleton), place.device)
    step = CapturedStep(program, recipe)

    def once() -> None:
        step(images, labels, 0.01)

    usual = place.per_call(once, 10)
    spans = kernels(place, once)
    program.close()
    found = {"networks": count, "dtype": dtype, "ms_unprofiled": round(1e3 * usual, 3), **summed(spans, MOST)}
    reasons = fallbacks(place, [step]) | {"the profiler saw no kernel": not spans}
    return judged(found, reasons)


Span = tuple[str, float, float]
"""A kernel: its name, begin and end in microseconds."""


def kernels(place: Place, once: Callable[[], object]) -> list[Span]:
    """The kernels of a call in the order of their beginnings, copies included; on a CPU its operators."""
    place.wait()
    wanted = ProfilerActivity.CUDA if place.cuda else ProfilerActivity.CPU
    with profile(activities=[wanted]) as profiler:
        once()
        place.wait()
    device = "CUDA" if place.cuda else "CPU"
    events: Any = profiler.events()
    spans = [
        (event.name, float(event.time_range.start), float(event.time_range.end))
        for event in events
        if event.device_type.name == device and event.time_range.end > event.time_range.start
    ]
    return sorted(spans, key=lambda span: span[1])


def summed(spans: list[Span], most: int) -> Numbers:
    """Kernels in all, their time, the time in which none ran, and those that take most, by name."""
    if not spans:
        return {"kernels": 0}
    each: dict[str, list[float]] = defaultdict(list)
    busy, gaps, end = 0.0, 0, spans[0][1]
    for name, start, stop in spans:
        each[name].append(stop - start)
        gaps += start > end
        busy += max(0.0, stop - max(start, end))  # streams overlap: time counts once
        end = max(end, stop)
    length = end - spans[0][1]
    first = sorted(each.items(), key=lambda item: -sum(item[1]))[:most]
    return {
        "kernels": len(spans),
        "names": len(each),
        "ms_from_first_to_last": round(length / 1e3, 3),
        "ms_busy": round(busy / 1e3, 3),
        "share_idle": round(1 - busy / length, 4) if length else 0.0,
        "gaps": gaps,
        "us_per_kernel": round(sum(map(sum, each.values())) / len(spans), 2),
        "shorter_than_3_us": sum(stop - start < 3 for _, start, stop in spans),
        "top": [
            {"kernel": name[:120], "calls": len(times), "ms": round(sum(times) / 1e3, 3)}
            for name, times in first
        ],
    }  # fmt: skip


CHECKS = (
    ("a replay of 28 networks, bfloat16", partial(profiled, count=28, dtype="bfloat16")),
    ("a replay of one network, bfloat16", partial(profiled, count=1, dtype="bfloat16")),
    ("a replay of 28 networks, float32", partial(profiled, count=28, dtype="float32")),
)

if __name__ == "__main__":
    sys.exit(main(CHECKS))
