"""Speed: a positive number for every setting and recipe, measured once per setting. Nothing here is timed."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from zoo.data import ImageSet, load
from zoo.population import ProxySetting
from zoo.spaces import PUBLISHED, Skeleton
from zoo.training import Precision, Recipe, TrainingSetup, cotraining
from zoo.training import speed as speeds
from zoo.training.epoch import Examples
from zoo.training.speed import Speed, seconds_per_image

SETUP = TrainingSetup(skeleton=Skeleton(channels=2, cells=2, resolution=16, in_channels=1), recipe=Recipe(batch=8))
SETTING = ProxySetting(0, 2, 0, 4)


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return load("digits", train=40, validation=20)


def speed(setup: TrainingSetup, images: ImageSet, setting: ProxySetting = SETTING) -> Speed:
    return seconds_per_image(setup, images, setting, PUBLISHED["DARTS_V1"])


def test_training_and_validating_take_time(digits: ImageSet) -> None:
    found = speed(SETUP, digits)
    assert 0 < found.training < 10
    assert 0 < found.validation < 10


def test_settings_that_differ_in_samples_and_epochs_are_timed_once(digits: ImageSet) -> None:
    first = speed(SETUP, digits, ProxySetting(0, 2, 0, 4))
    assert speed(SETUP, digits, ProxySetting(0, 2, 3, 60)) is first
    assert speed(SETUP, digits, ProxySetting(1, 2, 0, 4)) is not first


@pytest.mark.parametrize(
    "recipe",
    [Recipe(batch=8, auxiliary=0.4, path_dropout=0.2), Recipe(batch=8, lr=1e30, clip=1e30), Recipe(batch=64)],
    ids=["auxiliary head", "divergent", "batch larger than the data"],
)
def test_any_recipe_can_be_timed(recipe: Recipe, digits: ImageSet) -> None:
    assert speed(replace(SETUP, recipe=recipe), digits).training > 0


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_any_precision_can_be_timed(dtype: str, digits: ImageSet) -> None:
    assert speed(replace(SETUP, precision=Precision(dtype=dtype)), digits).validation > 0


def test_timing_leaves_images_and_random_states_alone(digits: ImageSet) -> None:
    before, state = digits.train.images.copy(), torch.get_rng_state()
    speed(replace(SETUP, seed=1), digits)
    assert np.array_equal(digits.train.images, before)
    assert torch.equal(torch.get_rng_state(), state)


class Clock:
    """Stands for the time: a step takes as long as it would on a GPU, launched, captured or replayed."""

    SECONDS = {"eager": 5.0, "capture": 50.0, "replay": 0.5}  # noqa: RUF012

    def __init__(self) -> None:
        self.now, self.kinds, self.seen = 0.0, list[str](), dict[int, int]()

    def perf_counter(self) -> float:
        return self.now

    def step(self, images: torch.Tensor) -> None:
        size = images.shape[1]
        self.seen[size] = self.seen.get(size, 0) + 1
        self.kinds.append(("eager", "capture", "replay")[min(2, self.seen[size] - 1)])
        self.now += self.SECONDS[self.kinds[-1]]


@pytest.mark.parametrize(("count", "per_image"), [(40, 0.5 / 8), (20, 1.5 / 20)], ids=["whole batches", "a short one"])
def test_on_a_gpu_only_replayed_steps_are_timed(
    count: int, per_image: float, digits: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the first launches nor the captures, of which there are two where the last batch is a short one."""
    clock = Clock()

    def made(*_: object) -> Callable[..., torch.Tensor]:
        def step(images: torch.Tensor, *_: object) -> torch.Tensor:
            clock.step(images)
            return torch.zeros(1)

        step.graphs, step.fallback = 0, ""  # type: ignore[attr-defined]
        return step

    monkeypatch.setattr(cotraining, "CapturedStep", made)
    monkeypatch.setattr(speeds, "time", clock)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    examples = Examples(
        images=torch.from_numpy(digits.train.images[:count].copy()), labels=torch.zeros(count, dtype=torch.long),
        resolution=4, mean=digits.mean, std=digits.std, flip=False,
    )  # fmt: skip
    program: Any = SimpleNamespace(buffer=SimpleNamespace(device=torch.device("cuda")), networks=[None])
    assert speeds.seconds_by_programs([program], examples, Recipe(batch=8), Precision()) == pytest.approx(per_image)
    assert set(clock.kinds) == {"eager", "capture", "replay"}
