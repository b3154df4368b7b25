"""Scores as trials: what the evaluator records, that it repeats, and what a network without a score gives."""

import dataclasses
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.installed import install
from zoo.data.augmentation import prepare
from zoo.data.image_set import ImageSet, Split
from zoo.networks.network import build_any
from zoo.population import FixedList, Job, Journal, Manager, ProxySetting, SerialExecutor, Trial
from zoo.purposes import INITIAL_WEIGHTS, SCORED_IMAGES
from zoo.scores import ADDED_SCORES, SCORES, Score, find_score
from zoo.scores.scored_images import ScoredImages
from zoo.spaces import CELL_SPACES, PUBLISHED, Cell, CellGenotype, Edge, Skeleton, cost
from zoo.spaces.chain_space import CHAIN_SPACES
from zoo.training import Precision, Recipe, TrainingEvaluator, TrainingSetup, evaluator

HERE = "tests.scores.test_measuring"
CLASSES = 3
_CELL = Cell(((Edge("conv_3x3", 0), Edge("skip_connect", 1)),), (2,))
GENOTYPE = CellGenotype(_CELL, _CELL)
NETWORKS = {
    **{name: space.sample(np.random.default_rng(1)) for name, space in CELL_SPACES.items()},
    **{name: CHAIN_SPACES[name].sample(np.random.default_rng(2)) for name in ("nas-bench-macro", "scarlet-s2-cifar")},
}
REFUSED = {("scarlet-s2-cifar", "naswot")}


def split(count, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    return Split(images=images, labels=np.arange(count, dtype=np.int64) % CLASSES)


def image_set(train=0, validation=1, count=48):
    return ImageSet(
        name="noise",
        classes=("a", "b", "c"),
        train=split(count, train),
        validation=split(30, validation),
        test=split(9, 2),
        mean=(0.5,) * 3,
        std=(0.29,) * 3,
        flip=True,
    )


IMAGES = image_set()


def setup(**changes):
    skeleton = Skeleton(channels=4, cells=3, resolution=8, classes=CLASSES)
    return replace(TrainingSetup(skeleton=skeleton, recipe=Recipe(batch=16)), **changes)


def score(measure, index=0, genotype=GENOTYPE, setting="c0r0s0e1", root=None):
    trial = Trial(index=index, genotype=genotype, setting=ProxySetting.parse(setting), start=0, stop=0, measure=measure)
    return Job(trial, index if root is None else root, None)


def training(index, setting="c0r0s0e1"):
    return Job(Trial(index=index, genotype=GENOTYPE, setting=ProxySetting.parse(setting), start=0, stop=1), index, None)


def records(*jobs, images=IMAGES, **changes):
    return [
        dataclasses.replace(record, seconds=0.0)
        for record, _ in TrainingEvaluator(setup(**changes), images)(jobs)
    ]  # fmt: skip


# ---------------------------------------------------------------- records


def test_every_score_of_every_network_is_finite_or_says_why_and_the_same_alone():
    jobs = [score(name, i, made) for made in NETWORKS.values() for i, name in enumerate(SCORES)]
    jobs = [replace(job, trial=replace(job.trial, index=i)) for i, job in enumerate(jobs)]
    found = records(*jobs)
    for i, (made, name) in enumerate((made, name) for made in NETWORKS for name in SCORES):
        record = found[i]
        assert (record.index, record.epochs_paid, record.checkpoint) == (i, 0, None)
        if (made, name) in REFUSED:
            assert not record.ok
            assert record.reason.endswith("and the network has no nn.ReLU")
            continue
        assert record.ok, (made, name, record.reason)
        assert set(record.metrics) == {name, "macs", "params"}
        assert math.isfinite(record.metrics[name])
    for i in range(0, len(jobs), 11):
        assert records(jobs[i]) == [found[i]]


def test_a_record_has_the_score_and_the_costs_at_the_settings_skeleton():
    (record,) = records(score("depth", 3, setting="c1r1s1e2"))
    price = cost(GENOTYPE, Skeleton(channels=3, cells=3, resolution=4, classes=CLASSES))
    assert record.metrics == {
        "depth": SCORES["depth"].counted(GENOTYPE, setup().skeleton),
        "macs": price.macs,
        "params": price.params,
    }
    ((timed, weights),) = TrainingEvaluator(setup(), IMAGES)([score("snip")])
    assert timed.seconds > 0
    assert weights is None


@pytest.mark.parametrize("name", ["snip", "naswot", "zico"])
def test_a_network_is_scored_at_its_trials_weights_on_its_trials_images(name):
    (record,) = records(score(name, 5, root=4, setting="c0r1s0e1"), seed=9)
    skeleton = replace(setup().skeleton, resolution=4)
    seed = int(np.random.default_rng((9, 4, INITIAL_WEIGHTS)).integers(2**63))
    network = build_any(GENOTYPE, skeleton, torch.Generator().manual_seed(seed)).to(memory_format=torch.channels_last)
    order = np.random.default_rng((9, 4, SCORED_IMAGES)).permutation(48)
    size = 24 if name == "zico" else 48
    seen = [
        (
            prepare(torch.tensor(IMAGES.train.images[part]), 4, IMAGES.mean, IMAGES.std),
            torch.tensor(IMAGES.train.labels[part]),
        )
        for part in (order[:size], order[size : 2 * size])
        if len(part)
    ]
    assert record.metrics[name] == pytest.approx(SCORES[name].of(network, seen), rel=1e-3)


def test_mini_batches_hold_64_different_images_where_there_are_as_many():
    def drawn(count, batches):
        rng = np.random.default_rng(3)
        images = torch.from_numpy(rng.integers(0, 256, (count, 1, 2, 2), dtype=np.uint8))
        held = ScoredImages(
            images=images, labels=torch.arange(count), resolution=2, mean=(0.0,), std=(1 / 255,), seed=1, root=2,
            place=lambda pixels: pixels.double(),
        )  # fmt: skip
        found = held.batches(batches)
        assert all(torch.equal(pixels.round(), images[labels].double()) for pixels, labels in found)
        return [labels.tolist() for _, labels in found]

    first, second = drawn(200, 2)
    assert len({*first, *second}) == 128
    assert drawn(200, 1) == [first]
    assert [len(labels) for labels in drawn(100, 3)] == [33, 33, 33]
    assert drawn(100, 0) == []
    with pytest.raises(ValueError, match="2 mini-batches need at least 4 training images, got 3"):
        drawn(3, 2)


def test_scores_repeat_and_follow_root_and_seed_only():
    names = ("synflow", "snip", "grad_norm", "naswot", "zico")
    torch.manual_seed(1)
    first = records(*(score(name, i, root=0) for i, name in enumerate(names)))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert records(*(score(name, i, root=0) for i, name in enumerate(names))) == first
    assert torch.equal(torch.get_rng_state(), state)
    for other in (
        records(*(score(name, i, root=1) for i, name in enumerate(names))),
        records(*(score(name, i, root=0) for i, name in enumerate(names)), seed=1),
    ):
        assert all(a.metrics[name] != b.metrics[name] for a, b, name in zip(first, other, names, strict=True))


def test_the_number_of_threads_changes_nothing(monkeypatch):
    threads = Score(name="threads", words="of the worker", measure=lambda network, batches: torch.get_num_threads())
    monkeypatch.setattr(evaluator, "find_score", lambda name: {**SCORES, "threads": threads}[name])
    jobs = [score(name, i, setting="c0r0s0e1") for i, name in enumerate((*SCORES, "threads"))]
    before = torch.get_num_threads()
    try:
        one = records(*jobs)
        two = records(*jobs, threads=2)
        assert torch.get_num_threads() == 2  # as the worker wants it for training
    finally:
        torch.set_num_threads(before)
    assert one == two
    assert two[-1].metrics["threads"] == 1


def test_training_images_only_are_looked_at_and_by_synflow_none():
    names = ("synflow", "snip", "naswot", "zico")
    jobs = [score(name, i) for i, name in enumerate(names)]
    first = records(*jobs)
    wanted = ("name", "classes", "train", "validation", "mean", "std", "flip", "resolution", "channels")
    without_test = SimpleNamespace(**{name: getattr(IMAGES, name) for name in wanted})
    assert records(*jobs, images=without_test) == first
    assert records(*jobs, images=image_set(validation=5)) == first
    other = records(*jobs, images=image_set(train=5))
    assert [a == b for a, b in zip(first, other, strict=True)] == [True, False, False, False]


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_precisions_give_scores_too(dtype):
    jobs = [score(name, i, root=0) for i, name in enumerate(("synflow", "snip", "grad_norm", "naswot"))]
    for a, b in zip(records(*jobs), records(*jobs, precision=Precision(dtype=dtype)), strict=True):
        name = jobs[a.index].trial.measure
        assert a.metrics[name] == pytest.approx(b.metrics[name], rel=1e-3)


def test_an_auxiliary_head_makes_no_difference_to_what_is_counted():
    (record,) = records(score("zico"), recipe=Recipe(batch=16, auxiliary=0.4))
    assert record.ok


# ---------------------------------------------------------------- beside trainings


def test_a_score_is_never_trained_together_with_others(monkeypatch):
    begun, begin = [], evaluator.begin
    monkeypatch.setattr(
        evaluator, "begin", lambda job, *rest, **named: begun.append(job.trial.index) or begin(job, *rest, **named)
    )
    jobs = [training(0), score("snip", 1), training(2), score("snip", 3)]
    mixed = records(*jobs, engine="auto")
    assert begun == [0, 2]
    assert [record.epochs_paid for record in mixed] == [1, 0, 1, 0]
    assert mixed[1:4:2] == records(jobs[1], jobs[3])


def test_scores_and_trainings_run_through_manager_and_journal():
    jobs = [training(0), score("synflow", 1), score("synflow", 2), score("snip", 3)]
    trials = [job.trial for job in jobs]
    digests = set()
    for _ in range(2):
        journal = Journal.memory({"strategy": {"name": "test"}})
        manager = Manager(FixedList(trials), journal, batch=3)
        assert manager.run(SerialExecutor(TrainingEvaluator(setup(), IMAGES)))
        assert [event.numbers for event in journal.events()] == [(0,), (0,), (1, 2), (1, 2), (3,), (3,)]
        assert journal.trials() == trials
        digests.add(journal.digest())
    assert len(digests) == 1
    assert [sorted(record.metrics)[-1] for record in manager.records[1:]] == ["synflow", "synflow", "snip"]


def test_an_evaluator_that_only_trains_refuses_a_score():
    with pytest.raises(ValueError, match="trial 0 asks for the score 'snip'; this evaluator only trains"):
        evaluator.begin(score("snip"), setup())


def test_a_score_without_a_setting_is_refused():
    trial = Trial(index=6, genotype=GENOTYPE, setting=None, start=0, stop=0, measure="snip")
    with pytest.raises(ValueError, match="trial 6 has no proxy setting"):
        records(Job(trial, 6, None))


# ---------------------------------------------------------------- failures are records


def breaks(network, batches):
    raise ValueError("this network\nis not liked")


def nothing(network, batches):
    return None


def infinite(network, batches):
    return math.inf


def wide(network, batches):
    return float(network.classifier.in_features + sum(len(labels) for _, labels in batches))


WIDE, BREAKS, NOTHING, INFINITE = (
    Score(name=function.__name__, words="for tests", measure=function, batches=2)
    for function in (wide, breaks, nothing, infinite)
)


@pytest.fixture
def _added(monkeypatch):
    find_score.cache_clear()
    install(
        monkeypatch,
        ADDED_SCORES,
        {name: f"{HERE}:{name.upper()}" for name in ("wide", "breaks", "nothing", "infinite")},
    )
    yield
    find_score.cache_clear()


@pytest.mark.usefixtures("_added")
def test_an_added_score_is_recorded_and_its_failures_are_its_own():
    jobs = [score(name, i) for i, name in enumerate(("breaks", "wide", "nothing", "infinite", "snip"))]
    found = records(*jobs)
    assert [record.ok for record in found] == [False, True, False, False, True]
    network = build_any(GENOTYPE, setup().skeleton, torch.Generator())
    assert found[1].metrics["wide"] == network.classifier.in_features + 48
    assert [found[i].reason for i in (0, 2, 3)] == [
        "this network is not liked",
        "the score 'nothing' is no finite number: None",
        "the score 'infinite' is no finite number: inf",
    ]
    assert found[4] == records(jobs[4])[0]


def test_too_few_images_for_the_mini_batches_are_a_reason():
    (record,) = records(score("zico"), images=image_set(count=3))
    assert record.reason == "2 mini-batches need at least 4 training images, got 3"


def test_an_unknown_score_is_one_line():
    with pytest.raises(ValueError, match=r"score: expected synflow, .* or depth, got 'fisher'"):
        records(score("fisher"))


def test_a_published_network_is_scored_at_a_reduced_setting():
    (record,) = records(score("synflow", genotype=PUBLISHED["DARTS_V2"], setting="c4r4s4e600"))
    assert record.ok
