"""Calibration: placements that run, and a recommendation that does not ask for more than pays."""

import pytest

from zoo.data import load
from zoo.spaces import Skeleton
from zoo.training import Recipe, TrainingSetup
from zoo.training.calibration import Placed, calibrate, recommended


def test_the_fastest_placement_is_recommended_unless_less_is_nearly_as_fast() -> None:
    placements = [Placed(1, 1, 1, 100.0), Placed(1, 1, 8, 150.0), Placed(2, 1, 1, 155.0), Placed(2, 1, 8, 90.0)]
    assert recommended(placements) == placements[1]
    assert recommended([*placements, Placed(4, 1, 1, 300.0)]).workers == 4
    with pytest.raises(ValueError, match="at least one placement"):
        recommended([])


def test_every_placement_of_one_core_runs() -> None:
    images = load("digits", train=40, validation=20)
    setup = TrainingSetup(
        skeleton=Skeleton(channels=4, cells=2, resolution=16, in_channels=1), recipe=Recipe(batch=20), engine="auto"
    )
    placements = calibrate(setup, images, cores=1)
    assert [(placed.workers, placed.threads, placed.group) for placed in placements] == [
        (1, 1, 1),
        (1, 1, 4),
        (1, 1, 8),
    ]
    assert all(placed.networks_per_hour > 0 for placed in placements)


@pytest.mark.slow
def test_workers_are_processes() -> None:
    images = load("digits", train=40, validation=20)
    setup = TrainingSetup(
        skeleton=Skeleton(channels=4, cells=2, resolution=16, in_channels=1), recipe=Recipe(batch=20), engine="auto"
    )
    assert {placed.workers for placed in calibrate(setup, images, cores=2) if placed.networks_per_hour > 0} == {1, 2}
