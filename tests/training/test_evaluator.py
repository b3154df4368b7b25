"""The evaluator: trials to records, failures included, repeatable, and blind to the test split."""

import io
import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from zoo.data import ImageSet, load
from zoo.data.image_set import Split
from zoo.population import Job, Outcome, ProxySetting, Record, Trial
from zoo.spaces import ECONAS_ZOO, PUBLISHED, CellGenotype, Skeleton, cost
from zoo.training import Precision, Recipe, TrainingEvaluator, TrainingSetup, evaluator, make_evaluator
from zoo.training.evaluator import sample

CLASSES = 3
GENOTYPE = ECONAS_ZOO.sample(np.random.default_rng(0))


def split(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % CLASSES
    return Split(images=rng.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8), labels=labels)


def image_set(test_seed: int = 2) -> ImageSet:
    return ImageSet(
        name="noise",
        classes=("a", "b", "c"),
        train=split(48, 0),
        validation=split(30, 1),
        test=split(9, test_seed),
        mean=(0.5,) * 3,
        std=(0.29,) * 3,
        flip=True,
    )


IMAGES = image_set()


def setup(*, seed: int = 0, precision: Precision | None = None, **recipe: Any) -> TrainingSetup:
    return TrainingSetup(
        skeleton=Skeleton(channels=2, cells=3, resolution=8, classes=CLASSES),
        recipe=Recipe(**{"batch": 16, "path_dropout": 0.2} | recipe),
        precision=precision or Precision(),
        seed=seed,
    )


def job(
    index: int = 0,
    stop: int = 2,
    *,
    start: int = 0,
    setting: str = "c0r0s0e2",
    root: int | None = None,
    checkpoint: bytes | None = None,
    genotype: CellGenotype = GENOTYPE,
    keep: bool = True,
) -> Job:
    trial = Trial(
        index=index,
        genotype=genotype,
        setting=ProxySetting.parse(setting),
        start=start,
        stop=stop,
        resumes=index - 1 if start else None,
        keep=keep,
    )
    return Job(trial, index if root is None else root, checkpoint)


def evaluated(*jobs: Job, images: Any = IMAGES, **options: Any) -> list[Outcome]:
    return TrainingEvaluator(setup(**options), images)(jobs)


def lasting(record: Record) -> dict[str, Any]:
    """A record without what differs from run to run."""
    return record.to_dict() | {"seconds": 0.0}


# ---------------------------------------------------------------- records


def test_a_record_says_what_was_measured() -> None:
    ((record, weights),) = evaluated(job(3, setting="c1r1s1e2"))
    skeleton = Skeleton(channels=1, cells=3, resolution=4, classes=CLASSES)  # 2/√2 → 1, 8/√2 → 4
    price = cost(GENOTYPE, skeleton)
    assert (record.index, record.ok, record.reason, record.epochs_paid) == (3, True, "", 2)
    assert record.seconds > 0
    metrics = dict(record.metrics)
    assert (metrics["macs"], metrics["params"], metrics["images"]) == (price.macs, price.params, 24)
    assert 0 <= metrics["accuracy"] <= 1
    assert metrics["balanced_accuracy"] == pytest.approx(metrics["accuracy"])  # the classes are balanced
    assert 0.3 < metrics["loss"] < 4
    assert 0.3 < metrics["train_loss"] < 4
    assert isinstance(weights, bytes)


def test_weights_are_kept_only_where_asked() -> None:
    (_, kept), (_, dropped) = evaluated(job(0), job(1, keep=False))
    assert kept is not None
    assert dropped is None


def test_a_batch_is_answered_in_order_and_job_by_job() -> None:
    jobs = [job(4, 1), job(2, 2), job(7, 1, setting="c0r1s1e2")]
    together = evaluated(*jobs)
    assert [record.index for record, _ in together] == [4, 2, 7]
    for one, (record, weights) in zip(jobs, together, strict=True):
        ((alone, own),) = evaluated(one)
        assert lasting(alone) == lasting(record)
        assert own == weights


def test_two_runs_are_bit_identical_whatever_the_global_random_state() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    first = evaluated(job())
    torch.manual_seed(2)
    np.random.seed(2)
    state = torch.get_rng_state()
    ((record, weights),) = evaluated(job())
    assert torch.equal(torch.get_rng_state(), state)
    assert lasting(record) == lasting(first[0][0])
    assert weights == first[0][1]


def test_root_and_seed_decide_the_weights_and_the_index_does_not() -> None:
    ((_, base),) = evaluated(job(0))
    ((_, moved),) = evaluated(job(5, root=0))
    ((_, other_root),) = evaluated(job(5))
    ((_, other_seed),) = evaluated(job(0), seed=1)
    assert base == moved
    assert len({base, other_root, other_seed}) == 3


def test_the_factory_makes_an_evaluator() -> None:
    ((record, _),) = make_evaluator(setup(), IMAGES)([job()])
    assert lasting(record) == lasting(evaluated(job())[0][0])


def test_the_identity_names_everything_that_decides_a_result() -> None:
    base = setup().identity()
    assert base["engine"] == "plain"
    assert setup(precision=Precision(device="cuda:1")).identity()["precision"]["device"] == "cuda"
    others = [setup(seed=1), setup(lr=0.1), setup(precision=Precision(dtype="float64")), TrainingSetup(threads=2)]
    assert all(other.identity() != base for other in others)


# ---------------------------------------------------------------- resuming


def test_lost_weights_are_trained_again_and_paid_for() -> None:
    ((_, half),) = evaluated(job(0, 1))
    ((resumed, weights),) = evaluated(job(1, start=1, root=0, checkpoint=half))
    ((lost, again),) = evaluated(job(1, start=1, root=0, checkpoint=None))
    assert (resumed.epochs_paid, lost.epochs_paid) == (1, 2)
    assert resumed.metrics == lost.metrics
    assert weights == again


def test_a_checkpoint_of_another_epoch_is_refused() -> None:
    ((_, done),) = evaluated(job(0, 2, setting="c0r0s0e4"))
    with pytest.raises(ValueError, match="trial 1 resumes at epoch 3, its checkpoint is at 2"):
        evaluated(job(1, 4, start=3, setting="c0r0s0e4", root=0, checkpoint=done))


def test_a_trial_without_a_setting_is_refused() -> None:
    trial = Trial(index=6, genotype=GENOTYPE, setting=None, start=0, stop=1)
    with pytest.raises(ValueError, match="trial 6 has no proxy setting"):
        evaluated(Job(trial, 6, None))


# ---------------------------------------------------------------- failures are records


def test_divergence_is_a_record_and_the_next_job_is_not_disturbed() -> None:
    wild = {"lr": 1e30, "clip": 1e30}
    ((record, weights),) = evaluated(job(), **wild)
    assert not record.ok
    assert record.reason.startswith("diverged: the training loss is")
    assert "\n" not in record.reason
    assert weights is None
    assert record.epochs_paid > 0
    assert not any(math.isnan(v) for v in record.metrics.values())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
        RuntimeError("MPS backend out of memory"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "mps", "python"],
)
def test_lack_of_memory_is_a_record(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    train, calls = evaluator.train_stage, iter([error, None])

    def failing(*args: Any) -> float:
        if (raised := next(calls)) is not None:
            raise raised
        return train(*args)

    monkeypatch.setattr(evaluator, "train_stage", failing)
    (failed, weights), (fine, _) = evaluated(job(0), job(1))
    assert (failed.ok, failed.reason, failed.index, weights) == (False, "out of memory", 0, None)
    assert fine.ok


def test_any_other_error_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> float:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("zoo.training.evaluator.train_stage", failing)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        evaluated(job())


# ---------------------------------------------------------------- data


def test_the_test_split_makes_no_difference() -> None:
    ((record, weights),) = evaluated(job())
    ((other, other_weights),) = evaluated(job(), images=image_set(test_seed=99))
    assert lasting(record) == lasting(other)
    assert weights == other_weights


def test_the_test_split_is_not_even_looked_at() -> None:
    names = ("name", "classes", "train", "validation", "mean", "std", "flip", "resolution", "channels")
    without_test: Any = SimpleNamespace(**{name: getattr(IMAGES, name) for name in names})
    ((record, _),) = evaluated(job(setting="c0r1s1e2"), images=without_test)
    assert record.ok


def test_samples_are_balanced_nested_and_drawn_once_per_seed() -> None:
    labels = IMAGES.train.labels
    chosen = [sample(labels, level, 0) for level in range(4)]
    assert [len(c) for c in chosen] == [48, 24, 12, 6]
    for larger, smaller in pairwise(chosen):
        assert set(smaller) < set(larger)
        assert len(set(np.bincount(labels[smaller]))) == 1
    assert (sample(labels, 1, 0) == chosen[1]).all()
    assert (sample(labels, 1, 1) != chosen[1]).any()


def test_read_only_arrays_are_copied() -> None:
    """As they are behind Ray's object store; the evaluator leaves them as they were."""
    before = IMAGES.train.images.copy()
    assert not IMAGES.train.images.flags.writeable
    evaluated(job())
    assert (IMAGES.train.images == before).all()


# ---------------------------------------------------------------- precisions


@pytest.mark.parametrize(
    ("dtype", "stored", "channels_last"),
    [
        ("float32", torch.float32, True),
        ("float64", torch.float64, False),
        ("bfloat16", torch.float32, True),
        pytest.param("float32", torch.float32, False, marks=pytest.mark.slow),
        pytest.param("float64", torch.float64, True, marks=pytest.mark.slow),
        pytest.param("bfloat16", torch.float32, False, marks=pytest.mark.slow),
    ],
)
def test_every_precision_trains(dtype: str, stored: torch.dtype, channels_last: bool) -> None:
    precision = Precision(dtype=dtype, channels_last=channels_last)
    ((record, weights),) = evaluated(job(), precision=precision, auxiliary=0.4, cutout=0.0)
    assert record.ok
    assert weights is not None
    state = torch.load(io.BytesIO(weights), weights_only=True)
    assert {t.dtype for t in state["network"].values()} == {stored, torch.int64}
    exact = evaluated(job(), precision=Precision(dtype="float64"), auxiliary=0.4, cutout=0.0)[0][0]
    tolerance = {"float32": 1e-4, "float64": 1e-9, "bfloat16": 0.2}[dtype]
    assert record.metrics["train_loss"] == pytest.approx(exact.metrics["train_loss"], rel=tolerance)


def test_digits_are_learned() -> None:
    """Ten classes from 400 images in 6 epochs at 12 px, about 54 %: far above the 10 % of guessing."""
    digits = load("digits", train=400, validation=200)
    small = TrainingSetup(
        skeleton=Skeleton(channels=4, cells=3, resolution=16, in_channels=1),
        recipe=Recipe(batch=32, lr=0.1, cutout=0.0),
    )
    ((record, _),) = TrainingEvaluator(small, digits)(
        [job(0, 6, setting="c0r1s0e6", genotype=PUBLISHED["DARTS_V1"], keep=False)]
    )
    assert record.metrics["accuracy"] > 0.35
    assert record.metrics["train_loss"] < 0.8 * math.log(10)
