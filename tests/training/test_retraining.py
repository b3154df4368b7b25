"""Retraining: chains of epochs whoever is slow or fails, the papers' numbers, warm-up, and identities that last."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from zoo.networks import build_network
from zoo.population import Job, Journal, Manager, Outcome, ProxySetting, Record, SerialExecutor, Trial, WeightStore
from zoo.spaces import DARTS, PUBLISHED, Skeleton
from zoo.training import Precision, Recipe, TrainingSetup
from zoo.training.epoch import Examples, Stage, batch_slices
from zoo.training.originals import ORIGINALS
from zoo.training.retraining import Retraining
from zoo.training.trainer import learning_rate, make_optimizer, train_stage

SETTING = ProxySetting(0, 0, 0, 4)
GENOTYPES = [DARTS.sample(np.random.default_rng(seed)) for seed in range(3)]


def answers(jobs: Sequence[Job], failing: Sequence[int] = ()) -> list[Outcome]:
    """An evaluator that hands back what it was given and an epoch's mark."""
    return [
        (Record(index=job.trial.index, ok=False, reason="diverged"), None)
        if job.trial.index in failing
        else (
            Record(index=job.trial.index, ok=True, metrics={"accuracy": 1 / (1 + job.trial.index)}),
            (job.checkpoint or b"") + bytes([job.trial.stop]),
        )
        for job in jobs
    ]


# ---------------------------------------------------------------- chains


def test_one_network_is_a_chain_of_epochs(tmp_path):
    journal, store, strategy = Journal.memory({}), WeightStore(tmp_path), Retraining(GENOTYPES[:1], SETTING)
    manager = Manager(strategy, journal, store)
    assert manager.run(SerialExecutor(answers))
    manager.forget_older()
    found = [(t.start, t.stop, t.resumes, t.role, t.keep) for t in journal.trials()]
    assert found == [(i, i + 1, i - 1 if i else None, "retrain", True) for i in range(4)]
    assert strategy.finished == {0: 3}
    kept = journal.records()[3].checkpoint
    assert [path.name for path in tmp_path.iterdir()] == [kept]  # only the newest epoch's
    assert store.get(kept) == bytes([1, 2, 3, 4])  # every epoch continued the one before


@pytest.mark.parametrize(("failing", "trials"), [([], 12), ([4], 10), ([1, 3], 7), ([0, 1, 2], 3)])
def test_what_is_asked_depends_on_nobody_being_slow(failing, trials):
    """Batches of any size, told in any order: the same trials; a network that fails asks no more."""

    def drive(n: int, seed: int) -> list[Trial]:
        rng, strategy, running, asked = np.random.default_rng(seed), Retraining(GENOTYPES, SETTING), [], []
        while True:
            if batch := strategy.ask(n, len(asked)):
                asked += batch
                running.append(batch)
            elif running:
                batch = running.pop(int(rng.integers(len(running))))
                strategy.tell([record for record, _ in answers([Job(t, 0, None) for t in batch], failing)])
                assert strategy.resumable() <= {trial.index for trial in asked}
            else:
                assert len(strategy.finished) == 3 - len(failing)
                assert all(asked[index].stop == 4 for index in strategy.finished.values())
                return asked

    expected = drive(3, 0)
    assert len(expected) == trials
    for n, seed in ((1, 0), (2, 1), (3, 2), (10, 3)):
        assert drive(n, seed) == expected
    for trial in expected:
        if trial.resumes is not None:
            source = expected[trial.resumes]
            assert (source.genotype, source.stop) == (trial.genotype, trial.start)
            assert source.index not in failing


@pytest.mark.parametrize(
    ("every", "stages"), [(1, [(0, 1), (1, 2), (2, 3), (3, 4)]), (3, [(0, 3), (3, 4)]), (4, [(0, 4)]), (9, [(0, 4)])]
)
def test_a_trial_may_be_several_epochs_and_the_last_is_what_is_left(every, stages, tmp_path):
    journal, store, strategy = Journal.memory({}), WeightStore(tmp_path), Retraining(GENOTYPES[:2], SETTING, every)
    manager = Manager(strategy, journal, store)
    assert manager.run(SerialExecutor(answers))
    manager.forget_older()
    assert [(t.start, t.stop) for t in journal.trials()[::2]] == stages
    assert strategy.finished == {0: 2 * len(stages) - 2, 1: 2 * len(stages) - 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        {journal.records()[trial].checkpoint for trial in strategy.finished.values()}
    )
    ends = bytes(stop for _, stop in stages)
    assert {store.get(journal.records()[trial].checkpoint) for trial in strategy.finished.values()} == {ends}


def test_nobody_has_finished_before_the_last_of_them_has():
    strategy = Retraining(GENOTYPES, SETTING, 4)
    trials = strategy.ask(3, 0)
    records = [record for record, _ in answers([Job(trial, 0, None) for trial in trials], failing=[1])]
    strategy.tell(records[:1])
    assert strategy.finished == {}
    assert strategy.resumable() == {0}
    strategy.tell(records[1:])
    assert strategy.finished == {0: 0, 2: 2}
    assert strategy.ask(3, 3) == []


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(ValueError, match="at least one genotype"):
        Retraining([], SETTING)
    with pytest.raises(ValueError, match="at least 1 epoch, got 0"):
        Retraining(GENOTYPES, SETTING, 0)


# ---------------------------------------------------------------- numbers of the papers


def test_the_original_settings_are_the_papers():
    """Appendices E.2 and E.3, Zhou 2020."""
    cifar, imagenet = ORIGINALS["cifar"], ORIGINALS["imagenet"]
    r = cifar.recipe
    assert (cifar.epochs, cifar.channels, cifar.cells, r.batch, r.lr, r.lr_min) == (600, 36, 20, 96, 0.025, 0.001)
    assert (r.momentum, r.weight_decay, r.clip, r.cutout, r.path_dropout, r.warmup) == (0.9, 3e-4, 5, 0.5, 0.2, 0)
    r = imagenet.recipe
    assert (imagenet.epochs, imagenet.cells, imagenet.form, imagenet.resolution) == (150, 14, "imagenet", 224)
    assert (r.batch, r.lr, r.lr_min, r.warmup, r.warmup_lr, r.weight_decay) == (2048, 0.8, 0, 2, 0.2, 3e-5)


def test_warm_up_then_the_cosine_over_the_rest():
    """ImageNet's schedule at 10 steps an epoch, 6 epochs: 0.2 → 0.8 in 20 steps, 0.8 → 0 in the 40 that follow."""
    recipe = ORIGINALS["imagenet"].recipe
    rates = [learning_rate(recipe, step, 60, 20) for step in (0, 5, 10, 19, 20, 30, 40, 60)]
    expected = [0.2, 0.35, 0.5, 0.77, 0.8, 0.4 * (1 + math.cos(math.pi / 4)), 0.4, 0]
    assert rates == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("count", "batch", "processes", "ends"),
    [(17, 8, 1, [8, 16]), (18, 8, 1, [8, 16, 18]), (19, 8, 2, [8, 16]), (20, 8, 2, [8, 16, 20]), (5, 8, 1, [5])],
)
def test_a_last_batch_must_feed_every_process(count, batch, processes, ends):
    assert [part.stop for part in batch_slices(count, batch, processes)] == ends


def test_too_few_images_for_a_batch_are_refused():
    with pytest.raises(ValueError, match="at least 4 images, got 20 in batches of 3"):
        batch_slices(20, 3, 2)


# ---------------------------------------------------------------- the recipe's new fields


def first_loss(recipe: Recipe) -> tuple[float, list[float]]:
    """Loss of one step on a network that knows nothing but its classifier's bias, and the rates of the steps."""
    net = build_network(
        PUBLISHED["PC_DARTS"],
        Skeleton(channels=2, cells=3, resolution=8, classes=3),
        torch.Generator().manual_seed(0),
        dtype=torch.float64,
    )
    with torch.no_grad():
        net.classifier.weight.zero_()
        net.classifier.bias.copy_(torch.tensor([2.0, 0.0, 0.0]))
    pixels = np.random.default_rng(0).integers(0, 256, (12, 3, 8, 8), dtype=np.uint8)
    data = Examples(
        images=torch.from_numpy(pixels), labels=torch.zeros(12, dtype=torch.long), resolution=8,
        mean=(0.5,) * 3, std=(0.25,) * 3, flip=True,
    )  # fmt: skip
    optimizer, rates = make_optimizer(net, recipe), []
    step = optimizer.step
    optimizer.step = lambda: (rates.append(optimizer.param_groups[0]["lr"]), step())  # type: ignore[assignment]
    stage = Stage(start=0, stop=1, epochs=3, seed=0, root=0)
    return train_stage(net, optimizer, data, recipe, Precision(dtype="float64"), stage)[-1], rates


def test_label_smoothing_spreads_the_target():
    right, wrong = -math.log(math.exp(2) / (math.exp(2) + 2)), -math.log(1 / (math.exp(2) + 2))
    for share in (0.0, 0.3):
        loss, _ = first_loss(Recipe(batch=12, smoothing=share))
        assert loss == pytest.approx((1 - share * 2 / 3) * right + share * 2 / 3 * wrong, rel=1e-9)


def test_the_trainer_warms_up_by_epochs():
    _, rates = first_loss(Recipe(batch=4, lr=0.01, warmup=2, warmup_lr=0.004))
    assert rates == pytest.approx([0.004, 0.005, 0.006])


@pytest.mark.parametrize("field", [{"warmup": -1}, {"warmup_lr": -0.1}, {"smoothing": 1.0}, {"smoothing": math.nan}])
def test_new_fields_out_of_range_are_refused(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        Recipe(**field)


def test_a_run_from_before_the_new_fields_is_still_the_same_run():
    """The recipe of an identity as the first version wrote it; a field that is used does count."""
    first = {
        "batch": 96, "lr": 0.025, "lr_min": 0.001, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0, "cutout": 0.5,
        "path_dropout": 0.0, "auxiliary": 0.0,
    }  # fmt: skip
    assert TrainingSetup().identity()["recipe"] == first
    assert TrainingSetup(recipe=Recipe(smoothing=0.1)).identity()["recipe"] == first | {"smoothing": 0.1}
    used = TrainingSetup(recipe=ORIGINALS["imagenet"].recipe).identity()["recipe"]
    assert (used["warmup"], used["warmup_lr"]) == (2, 0.2)
