"""The baseline of the speed benchmarks is the same training: equal losses on equal batches."""

import math

import numpy as np
import pytest
import torch

from benchmarks.baselines import Cutout, PlainLoop, plain_training
from zoo.data import load
from zoo.networks import build_network
from zoo.spaces import ECONAS_ZOO, Skeleton
from zoo.training import Precision, Recipe
from zoo.training.epoch import Stage
from zoo.training.trainer import Learner, make_optimizer, train_epoch

STEPS, BATCH = 5, 96
SKELETON = Skeleton(channels=4, cells=3, resolution=8, in_channels=3)


@pytest.mark.parametrize("seed", [0, 1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("dtype", "steps", "tolerance"), [("float64", STEPS, 1e-9), ("float32", 2, 1e-5)])
def test_every_step_has_the_loss_of_the_trainer(seed: int, dtype: str, steps: int, tolerance: float) -> None:
    """In float32 only while rounding has not been amplified by training itself."""
    genotype = ECONAS_ZOO.sample(np.random.default_rng(seed))
    recipe, precision = Recipe(batch=BATCH, lr=0.1, lr_min=0.01, clip=0.5), Precision(dtype=dtype)
    ours, plain = (
        build_network(genotype, SKELETON, torch.Generator().manual_seed(seed), dtype=precision.storage)
        for _ in range(2)
    )
    learner = Learner.of(ours, make_optimizer(ours, recipe), recipe)
    loop = PlainLoop(plain, recipe, STEPS)
    stage = Stage(start=0, stop=STEPS, epochs=STEPS, seed=0, root=0)
    random = torch.Generator().manual_seed(seed + 100)
    for step in range(steps):  # epochs of one batch: the mean loss of an epoch is that of its step
        batch = (
            torch.randn(BATCH, 3, 8, 8, generator=random).to(precision.storage),
            torch.randint(10, (BATCH,), generator=random),
        )
        expected = train_epoch(learner, [batch], BATCH, recipe, precision, stage, step)
        assert loop.train([batch]).loss == pytest.approx(expected, rel=tolerance)


def test_an_epoch_trains_and_validates_on_real_images() -> None:
    images = load("digits", train=60, validation=30)
    genotype = ECONAS_ZOO.sample(np.random.default_rng(0))
    skeleton = Skeleton(channels=4, cells=3, resolution=16, in_channels=1)
    history = plain_training(genotype, skeleton, Recipe(batch=20), images, epochs=2, seed=0, loaders=0)
    assert [(train.count, validation.count) for train, validation in history] == [(60, 30)] * 2
    assert all(math.isfinite(a.loss) and 0 <= a.accuracy <= 1 for pair in history for a in pair)
    assert history[1][0].loss < history[0][0].loss


def test_cutout_blanks_a_square_that_may_reach_over_the_border() -> None:
    blanked = {int((Cutout(4)(torch.ones(3, 8, 8))[0] == 0).sum()) for _ in range(200)}
    assert max(blanked) == 16
    assert 4 <= min(blanked) < 16
