"""A search whose numbers are finite no more: it ends as a failed record."""

import math

from milenas.training import training
from milenas.training.material import steps_per_epoch
from tests.milenas.conftest import noise_images
from zoo.training import Recipe


def test_divergence_ends_the_search_as_a_failed_record(run, setup, tmp_path):
    ran = run(setup(recipe=Recipe(batch=8, lr=1e30, cutout=0.0, clip=1e30)), tmp_path)
    assert ran.manager.records[-1].reason.startswith("diverged")
    assert ran.strategy.failed
    assert ran.strategy.ask(1, 9) == []


def test_an_architecture_that_is_not_finite_ends_the_search_after_its_last_step_too(run, setup, tmp_path, monkeypatch):
    real, left = training._step, iter(reversed(range(steps_per_epoch(setup(), noise_images()))))

    def lost(learners, *rest):
        loss = real(learners, *rest)
        if not next(left):
            learners.supernet.alphas()[0].data.fill_(math.inf)
        return loss

    monkeypatch.setattr(training, "_step", lost)
    ran = run(setup(epochs=1), tmp_path)
    assert ran.manager.records[-1].reason == "diverged: w's training loss, α or β is not finite in epoch 1"
