"""Captured steps: eager with a stated reason where there is no graph, and the same losses either way."""

from typing import Any

import numpy as np
import pytest
import torch

from zoo.networks import build_network
from zoo.networks.program import Program
from zoo.spaces import ECONAS_SEARCH, Skeleton
from zoo.training import Recipe, captured
from zoo.training.captured import CapturedStep
from zoo.training.step import train_step

RECIPE = Recipe(batch=8, lr=0.1)


def program() -> Program:
    skeleton = Skeleton(channels=2, cells=3, resolution=8)
    genotypes = [ECONAS_SEARCH.sample(np.random.default_rng(seed)) for seed in range(2)]
    return Program([build_network(g, skeleton, torch.Generator().manual_seed(0)) for g in genotypes])


IMAGES, LABELS = (
    torch.randn(2, 8, 3, 8, 8, generator=torch.Generator().manual_seed(1)),
    torch.arange(16).view(2, 8) % 10,
)


def losses(step: Any, count: int = 4) -> list[list[float]]:
    return [step(IMAGES, LABELS, 0.1).tolist() for _ in range(count)]


def test_on_a_cpu_steps_are_eager_and_say_why() -> None:
    step = CapturedStep(program(), RECIPE)
    assert step.eager == "a CUDA graph needs a CUDA device, the networks are on cpu"
    plain = program()
    assert losses(step) == losses(lambda images, labels, rate: train_step(plain, images, labels, RECIPE, rate))


class Replayed:
    """Stands for a captured graph where there is no device for one: it runs the step it was made for."""

    def __init__(self, made: Program, recipe: Recipe, images: torch.Tensor, labels: torch.Tensor) -> None:
        self._step = lambda i, y, rate: train_step(made, i, y, recipe, torch.tensor(rate))
        self.shape = images.shape

    def replay(self, images: torch.Tensor, labels: torch.Tensor, rate: float) -> torch.Tensor:
        assert images.shape == self.shape
        return self._step(images, labels, rate)


def test_the_second_batch_of_a_shape_is_captured_and_later_ones_are_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "why_eager", lambda *_: "")
    monkeypatch.setattr(captured, "_Graph", Replayed)
    step, plain = CapturedStep(program(), RECIPE), CapturedStep(program(), RECIPE)
    plain.eager = "asked for"
    assert losses(step) == losses(plain)
    assert (len(step._graphs), len(plain._graphs)) == (1, 0)
    step(IMAGES[:, :5], LABELS[:, :5], 0.1)  # the last batch of an epoch is smaller: eager once, then its own graph
    assert len(step._graphs) == 1
    step(IMAGES[:, :5], LABELS[:, :5], 0.1)
    assert len(step._graphs) == 2


def test_a_capture_that_fails_is_named_and_steps_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(captured, "why_eager", lambda *_: "")
    monkeypatch.setattr(captured, "_Graph", failing)
    step, plain = CapturedStep(program(), RECIPE), program()
    assert losses(step) == losses(lambda images, labels, rate: train_step(plain, images, labels, RECIPE, rate))
    assert step.eager == "capture failed: operation not permitted when stream is capturing"


@pytest.mark.parametrize(("option", "reason"), [("path_dropout", "path dropout"), ("auxiliary", "auxiliary head")])
def test_what_a_graph_cannot_repeat_is_named(option: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = program()
    monkeypatch.setattr(made.bank, "device", torch.device("cuda"))
    assert reason in captured.why_eager(made, Recipe(**{option: 0.2}))
    assert captured.why_eager(made, RECIPE) == ""
