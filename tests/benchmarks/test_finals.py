"""Finalists by halving against full retraining, read off the trainings of a study."""

import argparse

import numpy as np
import pytest

import thriftnas
from benchmarks.finals import Zoo, compared, read, run


def zoo(told_by_cheap, told_by_losses):
    """24 networks of which the number is the quality, told truly or not at all."""
    rng, quality = np.random.default_rng(0), np.arange(24.0)
    cheap = quality if told_by_cheap else rng.permutation(quality)
    losses = -quality if told_by_losses else -rng.permutation(quality)
    curves = np.repeat(losses[:, None, None], 8, axis=2).repeat(2, axis=1)
    return Zoo({"c2r0s0e3": cheap}, curves, np.stack([quality, quality], axis=1) / 100)


def test_halving_gains_where_the_cheap_training_misleads_and_loses_where_the_loss_does():
    good, bad = zoo(False, True), zoo(True, False)
    full, halved = compared(good, good.cheap["c2r0s0e3"], 200)
    assert full < halved < 0
    full, halved = compared(bad, bad.cheap["c2r0s0e3"], 200)
    assert halved < full == 0


@pytest.mark.slow  # a table is planted
def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="at least 2, got 1"):
        run(argparse.Namespace(studies=[tmp_path], signal="train_loss_late", draws=1))
    few = thriftnas.study(
        "digits", tmp_path / "few", models=5, train=48, validation=40, channels=2, cells=3, resolution=8, repeats=2,
        reference="c0r0s0e2", setting="c2r0s0e2", scores="none",
    )  # fmt: skip
    with pytest.raises(ValueError, match="has 5 networks of 2 full trainings, expected 16 of 2"):
        read(few.folder, "train_loss_late")
