"""Setups as a run's identity writes them, and read back from it."""

import json
from dataclasses import replace

import pytest

from zoo.spaces.skeleton import Skeleton
from zoo.training.recipe import ADDED, Precision, Recipe
from zoo.training.setup import TrainingSetup

FULL = TrainingSetup(
    skeleton=Skeleton(channels=8, cells=5, resolution=16, in_channels=1, classes=7),
    recipe=Recipe(batch=7, lr=0.3, lr_min=0.01, cutout=0.0, warmup=2, warmup_lr=0.1, smoothing=0.1, auxiliary=0.4),
    precision=Precision(device="cuda", dtype="bfloat16", channels_last=False),
    seed=3,
    threads=2,
    engine="auto",
    streams=4,
)


@pytest.mark.parametrize("setup", [TrainingSetup(), FULL])
def test_what_an_identity_wrote_is_read_back(setup: TrainingSetup) -> None:
    written = json.loads(json.dumps(setup.identity()))
    assert TrainingSetup.from_dict(written) == setup
    assert TrainingSetup.from_dict(written).identity() == setup.identity()


def test_the_number_of_a_device_is_no_part_of_an_identity() -> None:
    numbered = replace(FULL, precision=replace(FULL.precision, device="cuda:3"))
    assert numbered.identity() == FULL.identity()
    assert TrainingSetup.from_dict(numbered.identity()) == FULL


def test_an_identity_from_before_a_field_existed_reads_as_its_default() -> None:
    written = TrainingSetup().identity()
    assert not set(ADDED) & set(written["recipe"])
    assert "streams" not in written
    assert TrainingSetup.from_dict({}) == TrainingSetup()
    assert TrainingSetup.from_dict({"recipe": {"batch": 12}}) == TrainingSetup(recipe=Recipe(batch=12))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"speed": 1}, "TrainingSetup has no speed"),
        ({"recipe": {"rate": 1}}, "Recipe has no rate"),
        ({"recipe": {"batch": 1}}, "at least 2 images, got 1"),
        ({"engine": "steam"}, "engine must be one of auto, plain"),
    ],
)
def test_what_no_setup_can_be_is_refused(data, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TrainingSetup.from_dict(data)
