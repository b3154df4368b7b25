"""Group 7: EcoNAS's trainings end to end: jobs of two stages by the evaluator, resumed, then with little memory."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial

import torch

from benchmarks._gpu.cells import TINY, genotypes
from benchmarks._gpu.images import image_set
from benchmarks._gpu.lines import Numbers, judged, main, needs_cuda
from benchmarks._gpu.place import Place
from zoo.data.image_set import ImageSet
from zoo.population.proxy import ProxySetting
from zoo.population.trial import FALLBACK, Job, Outcome, Trial
from zoo.spaces.skeleton import Skeleton
from zoo.training.evaluator import TrainingEvaluator
from zoo.training.recipe import Precision, Recipe
from zoo.training.setup import TrainingSetup

JOBS, TRAIN, VALIDATION = 8, 40_000, 10_000


def setup_of(place: Place, dtype: str, streams: int = 1) -> tuple[TrainingSetup, ProxySetting]:
    """EcoNAS's search at c4r4, two epochs; in a dry run a small network."""
    setup = TrainingSetup(
        skeleton=TINY if place.dry else Skeleton(),
        recipe=Recipe(batch=place.size(384, 12), lr=0.1, lr_min=0.0),
        precision=Precision(device=place.device, dtype=dtype),
        engine="auto",
        streams=streams,
    )
    return setup, ProxySetting(0, 0, 0, 2) if place.dry else ProxySetting(4, 4, 0, 2)


@lru_cache(maxsize=1)
def images_of(place: Place) -> ImageSet:
    """Images for all trainings of the group."""
    return image_set(place, place.size(TRAIN, 20), place.size(VALIDATION, 10))


def stages(place: Place, dtype: str, streams: int = 1, limited: bool = False) -> Numbers:
    """All jobs for an epoch, then all of them resumed for the second; ``limited`` where memory is."""
    setup, setting = setup_of(place, dtype, streams)
    networks, errors = genotypes(place.size(JOBS, 2)), place.out_of_memory_errors()
    evaluator, making = place.timed(lambda: TrainingEvaluator(setup, images_of(place)))
    first = [
        Job(Trial(index=i, genotype=genotype, setting=setting, start=0, stop=1, keep=True), i, None)
        for i, genotype in enumerate(networks)
    ]
    began = _outcomes(place, evaluator, first)
    resumed = [
        Job(Trial(index=len(first) + i, genotype=genotype, setting=setting, start=1, stop=2, resumes=i), i, weights)
        for i, (genotype, (_, weights)) in enumerate(zip(networks, began[0], strict=True))
    ]
    ended = _outcomes(place, evaluator, resumed)
    records = [record for record, _ in (*began[0], *ended[0])]
    failed = sorted({record.reason or "" for record in records if not record.ok})
    scores = [record.metrics.get("accuracy", 0.0) for record, _ in ended[0]]
    losses = [[outcome[0].metrics.get("train_loss", float("nan")) for outcome in part[0]] for part in (began, ended)]
    found: Numbers = {
        "seconds_per_network_epoch": round((began[1] + ended[1]) / len(records), 3),
        "seconds_first_stage": round(began[1], 2),
        "seconds_resumed_stage": round(ended[1], 2),
        "seconds_evaluator": round(making, 2),
        "accuracy": round(sum(scores) / len(scores), 4),
        "train_losses": [round(sum(each) / len(each), 4) for each in losses],
        "mb_of_weights": round(sum(len(weights or b"") for _, weights in began[0]) / 1e6, 2),
        "peak_gb": place.peak_gb(),
        "out_of_memory_errors": place.out_of_memory_errors() - errors,
        "jobs": len(networks),
        "streams": streams,
        "dtype": dtype,
    }
    slower = sorted({str(record.notes[FALLBACK]) for record in records if FALLBACK in record.notes})
    found |= {"fallbacks": slower}
    reasons = {f"records failed: {'; '.join(failed)}": bool(failed)}
    # with little memory, networks one by one are what is wanted
    reasons |= {f"a fallback: {each}": not (limited and "memory" in each) for each in slower}
    reasons["weights were not kept"] = not all(weights for _, weights in began[0])
    return judged(found, reasons)


def _outcomes(place: Place, evaluator: TrainingEvaluator, jobs: Sequence[Job]) -> tuple[list[Outcome], float]:
    place.wait()
    began = time.perf_counter()
    outcomes = evaluator(jobs)
    place.wait()
    return outcomes, time.perf_counter() - began


def with_little_memory(place: Place, *, share: float) -> Numbers:
    """The same with a share of the device's memory. Groups of networks that do not fit must be split, not failed."""
    if not place.cuda:
        return needs_cuda()
    with _limited(place, share):
        return stages(place, "bfloat16", limited=True) | {"share_of_memory": share}


def with_less_than_it_took(place: Place) -> Numbers:
    """The same with half of what it takes at its peak, so that something has to give way."""
    if not place.cuda:
        return needs_cuda()
    peak = stages(place, "bfloat16")["peak_gb"] * 1e9
    total = torch.cuda.mem_get_info(place.device)[1]
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return with_little_memory(place, share=max(0.5 * peak, 1e9) / total)


@contextmanager
def _limited(place: Place, share: float) -> Iterator[None]:
    torch.cuda.set_per_process_memory_fraction(share, torch.cuda.current_device())
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, torch.cuda.current_device())


CHECKS = (
    ("8 jobs in 2 stages, bfloat16", partial(stages, dtype="bfloat16")),
    ("with a tenth of the memory", partial(with_little_memory, share=0.1)),
    ("on 2 streams", partial(stages, dtype="bfloat16", streams=2)),
    ("with half of what it takes", with_less_than_it_took),
    ("8 jobs in 2 stages, float32", partial(stages, dtype="float32")),
)

if __name__ == "__main__":
    sys.exit(main(CHECKS))
