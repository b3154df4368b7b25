"""Co-training: what a batch of trials gives together is what each gives alone, and what the plain engine gives."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests import added_operation
from zoo.data import ImageSet
from zoo.data.image_set import Split
from zoo.networks import build_network
from zoo.networks.engine.program import Program
from zoo.population import Job, Outcome, ProxySetting, Trial
from zoo.population.trial import FALLBACK
from zoo.spaces import CELL_SPACES, Cell, CellGenotype, Edge, Skeleton
from zoo.training import Precision, Recipe, TrainingEvaluator, TrainingSetup, evaluator
from zoo.training.checkpoint import read_tensors
from zoo.training.cotraining import LARGEST_MAP, Trained, prefers_program, train_together
from zoo.training.epoch import Stage

SKELETON = Skeleton(channels=3, cells=3, resolution=8, classes=3)


def split(count: int, seed: int) -> Split:
    """Noise, brighter by class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 3
    pixels = rng.integers(0, 160, (count, 3, 8, 8)) + 40 * labels[:, None, None, None]
    return Split(images=pixels.astype(np.uint8), labels=labels)


IMAGES = ImageSet(
    name="noise", classes=("a", "b", "c"), train=split(33, 0), validation=split(30, 1), test=split(3, 2),
    mean=(0.5,) * 3, std=(0.29,) * 3, flip=True,
)  # fmt: skip

RECIPE = Recipe(batch=16, lr=0.1, lr_min=0.01, path_dropout=0.2, auxiliary=0.4, clip=1.0)
AUTO = TrainingSetup(skeleton=SKELETON, recipe=RECIPE, precision=Precision(dtype="float64"), seed=3, engine="auto")
PLAIN = replace(AUTO, engine="plain")
GENOTYPES = [CELL_SPACES[name].sample(np.random.default_rng(5)) for name in ("econas-zoo", "econas-search", "darts")]
METRICS = ("train_loss", "loss", "accuracy", "balanced_accuracy", "macs", "params", "images")


def job(
    index: int, genotype: CellGenotype, stop: int = 3, start: int = 0, weights: bytes | None = None, e: int = 3
) -> Job:
    trial = Trial(
        index=index + 10 * start, genotype=genotype, setting=ProxySetting(0, 0, 0, e), start=start, stop=stop,
        resumes=index if start else None, keep=True,
    )  # fmt: skip
    return Job(trial, index, weights)


def evaluated(setup: TrainingSetup, *jobs: Job) -> list[Outcome]:
    return TrainingEvaluator(setup, IMAGES)(jobs)


def same(one: Outcome, other: Outcome, tolerance: float = 1e-9) -> None:
    """Metrics, weights, statistics in use and momenta."""
    assert one[0].ok, one[0].reason
    assert [one[0].metrics[name] for name in METRICS] == pytest.approx(
        [other[0].metrics[name] for name in METRICS], rel=tolerance
    )
    assert (one[0].index, one[0].epochs_paid) == (other[0].index, other[0].epochs_paid)
    states = [read_tensors(_file(weights), "checkpoint") for weights in (one[1], other[1])]
    assert states[0]["epoch"] == states[1]["epoch"]
    for name, value in states[0]["network"].items():
        if _in_use(states, name):
            torch.testing.assert_close(value, states[1]["network"][name], rtol=tolerance, atol=tolerance, msg=name)
    for a, b in zip(states[0]["momentum"], states[1]["momentum"], strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def _in_use(states: list[dict[str, Any]], name: str) -> bool:
    """Not a statistic of a node nobody reads, which the plain engine moves for nothing."""
    counter = name.rsplit(".", 1)[0] + ".num_batches_tracked"
    counts = [state["network"].get(counter) for state in states]
    return counts[0] is None or all(int(count) for count in counts)


def _file(weights: bytes | None) -> Any:
    assert weights is not None
    return io.BytesIO(weights)


def test_together_is_as_alone_and_as_plain() -> None:
    jobs = [job(i, genotype) for i, genotype in enumerate(GENOTYPES)]
    together, plain = evaluated(AUTO, *jobs), evaluated(PLAIN, *jobs)
    for number, outcome in enumerate(together):
        same(outcome, evaluated(AUTO, jobs[number])[0])
        same(outcome, plain[number])


@pytest.mark.parametrize(
    "engines", [(PLAIN, AUTO), pytest.param((AUTO, PLAIN), marks=pytest.mark.slow)], ids=["to auto", "to plain"]
)
def test_stages_continue_each_other_and_across_engines(engines: tuple[TrainingSetup, TrainingSetup]) -> None:
    """On colour images: there the plain engine's filters lie in another order in memory than the program's."""
    whole = evaluated(AUTO, *(job(i, genotype) for i, genotype in enumerate(GENOTYPES)))
    first = evaluated(engines[0], *(job(i, genotype, 1) for i, genotype in enumerate(GENOTYPES)))
    second = evaluated(engines[1], *(job(i, g, 3, 1, first[i][1]) for i, g in enumerate(GENOTYPES)))
    for one, other in zip(second, whole, strict=True):
        assert one[0].metrics == pytest.approx(dict(other[0].metrics), rel=1e-9)


@pytest.mark.slow
def test_a_batch_may_mix_settings_stages_and_lost_weights() -> None:
    """It never does; if it did, every part would still be right."""
    jobs = [job(0, GENOTYPES[0]), job(1, GENOTYPES[1], e=4), job(2, GENOTYPES[2]), job(3, GENOTYPES[0], 3, 1)]
    found = evaluated(AUTO, *jobs)
    assert [record.index for record, _ in found] == [0, 1, 2, 13]
    assert found[3][0].epochs_paid == 3  # the whole chain again
    for outcome, one in zip(found, jobs, strict=True):
        same(outcome, evaluated(PLAIN, one)[0])


def test_float32_together_is_as_plain_within_noise() -> None:
    setups = [replace(s, precision=Precision(), recipe=Recipe(batch=16)) for s in (AUTO, PLAIN)]
    jobs = [job(i, genotype) for i, genotype in enumerate(GENOTYPES)]
    for one, other in zip(*(evaluated(setup, *jobs) for setup in setups), strict=True):
        assert one[0].metrics["train_loss"] == pytest.approx(other[0].metrics["train_loss"], rel=1e-3)
        assert one[0].metrics["accuracy"] == pytest.approx(other[0].metrics["accuracy"], abs=0.1)


def test_a_network_that_diverges_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = evaluator.begin

    def broken(one: Job, *args: Any, **named: Any) -> evaluator.Begun:
        begun = begin(one, *args, **named)
        if one.trial.index == 1:
            with torch.no_grad():
                begun.network.classifier.weight.fill_(torch.inf)
        return begun

    jobs = [job(i, genotype) for i, genotype in enumerate(GENOTYPES)]
    healthy = evaluated(AUTO, *jobs)
    monkeypatch.setattr(evaluator, "begin", broken)
    found = evaluated(AUTO, *jobs)
    assert found[1][1] is None
    assert found[1][0].reason.startswith("diverged: the training loss is nan in epoch 1")
    assert found[1][0].epochs_paid == 3
    same(found[0], healthy[0])
    same(found[2], healthy[2])


def test_a_batch_too_large_for_the_memory_goes_one_by_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make, sizes = evaluator.make_program, []

    def small(networks: Any, *rest: Any) -> Any:
        sizes.append(len(networks))
        if len(networks) > 1 or len(sizes) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return make(networks, *rest)

    monkeypatch.setattr(evaluator, "make_program", small)
    jobs = [job(i, genotype) for i, genotype in enumerate(GENOTYPES)]
    found = evaluated(AUTO, *jobs)
    assert sizes == [3, 1, 1, 1]
    assert [(record.ok, record.reason) for record, _ in found] == [(True, ""), (False, "out of memory"), (True, "")]
    same(found[0], evaluated(PLAIN, jobs[0])[0])
    why = "trained one by one: 3 networks together did not fit in memory"
    assert found[0][0].notes[FALLBACK] == found[2][0].notes[FALLBACK] == why
    assert [record.getMessage() for record in caplog.records] == [why]


def test_a_step_that_was_not_captured_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a network of a second program, beside what its record says anyway."""
    together = evaluator.train_together

    def trained(*given: Any) -> list[Trained]:
        first, second = together(*given)
        return [first, replace(second, fallback="capture failed: no")]

    jobs = [job(i, genotype) for i, genotype in enumerate(GENOTYPES)]
    plain = evaluated(replace(AUTO, streams=2), *jobs)
    monkeypatch.setattr(evaluator, "train_together", trained)
    found = evaluated(replace(AUTO, streams=2), *jobs)
    assert [record.notes.get(FALLBACK, "") for record, _ in found] == ["", *["capture failed: no"] * 2]
    for (record, _), (other, _) in zip(found, plain, strict=True):
        assert {**record.notes, FALLBACK: ""} == {**other.notes, FALLBACK: ""}


def test_only_small_maps_of_the_automatic_engine_are_a_program() -> None:
    assert prefers_program("auto", LARGEST_MAP, "cuda:1")
    assert not prefers_program("auto", LARGEST_MAP + 4, "cpu")
    assert not prefers_program("auto", 8, "mps")
    assert not prefers_program("plain", 8, "cpu")
    with pytest.raises(ValueError, match="engine must be one of auto, plain, got 'fast'"):
        replace(AUTO, engine="fast")
    assert (AUTO.identity()["engine"], TrainingSetup().identity()["engine"]) == ("auto", "plain")


def test_stages_that_differ_cannot_train_together() -> None:
    stages = [Stage(start=0, stop=stop, epochs=2, seed=0, root=0) for stop in (1, 2)]
    with pytest.raises(ValueError, match="same stage"):
        train_together([None], None, RECIPE, Precision(), [stages])  # type: ignore[arg-type]


def test_networks_with_an_operation_no_program_knows_are_trained_as_modules_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    added_operation.install(monkeypatch)
    monkeypatch.setattr(evaluator, "make_program", lambda *_: pytest.fail("a program was made"))
    cell = Cell(((Edge(added_operation.NAME, 0), Edge("skip_connect", 1)),), (2,))
    even = replace(AUTO, skeleton=replace(SKELETON, channels=4))
    strange = [job(number, CellGenotype(cell, cell)) for number in range(2)]
    held = TrainingEvaluator(even, IMAGES)
    outcomes = held(strange)
    for outcome, other in zip(outcomes, evaluated(replace(even, engine="plain"), *strange), strict=True):
        same(outcome, other, 0.0)
    assert held(strange[:1])[0][0].metrics == outcomes[0][0].metrics
    said = [record.getMessage() for record in caplog.records if record.name == "thriftnas"]
    assert said == ["networks with the operation 'shuffle_conv_3x3' are trained one by one: no program knows it"]


def test_the_others_of_a_batch_are_still_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    added_operation.install(monkeypatch)
    sizes, make = [], evaluator.make_program
    monkeypatch.setattr(evaluator, "make_program", lambda cells, *how: sizes.append(len(cells)) or make(cells, *how))
    cell = Cell(((Edge(added_operation.NAME, 0), Edge("skip_connect", 1)),), (2,))
    even = replace(AUTO, skeleton=replace(SKELETON, channels=4))
    jobs = [job(0, GENOTYPES[0]), job(1, CellGenotype(cell, cell)), job(2, GENOTYPES[1])]
    outcomes = evaluated(even, *jobs)
    assert sizes == [2]
    same(outcomes[1], evaluated(even, jobs[1])[0], 0.0)


def test_a_program_of_an_operation_it_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    added_operation.install(monkeypatch)
    cell = Cell(((Edge(added_operation.NAME, 0),),), (2,))
    network = build_network(CellGenotype(cell, cell), replace(SKELETON, channels=4), torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="a program does not know the operation 'shuffle_conv_3x3'"):
        Program([network])
