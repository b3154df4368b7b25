"""The trainer: schedule, clipping, decay, batches and metrics, against plain arithmetic."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.data.augmentation import augment
from zoo.networks import build_network
from zoo.networks.cell_network import CellNetwork
from zoo.spaces import PUBLISHED, Skeleton
from zoo.training import Diverged, Precision, Recipe
from zoo.training.epoch import Examples, Stage
from zoo.training.trainer import EVALUATION_BATCH, evaluate, learning_rate, make_optimizer, train_stage

SKELETON = Skeleton(channels=2, cells=3, resolution=8, classes=3)
DOUBLE = Precision(dtype="float64")


def examples(count: int) -> Examples:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    labels = torch.arange(count) % 3
    return Examples(
        images=torch.from_numpy(pixels), labels=labels, resolution=8, mean=(0.5,) * 3, std=(0.25,) * 3, flip=True
    )


def network(auxiliary: bool = False) -> CellNetwork:
    generator = torch.Generator().manual_seed(0)
    return build_network(PUBLISHED["PC_DARTS"], SKELETON, generator, auxiliary=auxiliary, dtype=torch.float64)


def stage(start: int, stop: int, epochs: int) -> Stage:
    return Stage(start=start, stop=stop, epochs=epochs, seed=0, root=0)


def train(recipe: Recipe, count: int = 24, epochs: int = 1) -> tuple[CellNetwork, float]:
    net = network(recipe.auxiliary > 0)
    loss = train_stage(net, make_optimizer(net, recipe), examples(count), recipe, DOUBLE, stage(0, epochs, epochs))[-1]
    return net, loss


# ---------------------------------------------------------------- schedule


def test_the_cosine_at_golden_steps() -> None:
    """0.025 → 0.001 in 4 steps: 0.001 + 0.012 · (1 + cos(π·t/4))."""
    rates = [learning_rate(Recipe(), step, 4) for step in range(5)]
    assert rates == pytest.approx([0.025, 0.02148528137423857, 0.013, 0.004514718625761429, 0.001], rel=1e-12)


def test_the_cosine_runs_over_the_full_schedule_across_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    net, recipe = network(), Recipe(batch=8)
    optimizer = make_optimizer(net, recipe)
    rates: list[float] = []
    step = optimizer.step
    monkeypatch.setattr(optimizer, "step", lambda: (rates.append(optimizer.param_groups[0]["lr"]), step()))
    train_stage(net, optimizer, examples(24), recipe, DOUBLE, stage(0, 1, 4))
    train_stage(net, optimizer, examples(24), recipe, DOUBLE, stage(1, 4, 4))
    assert rates == [learning_rate(recipe, number, 12) for number in range(12)]


# ---------------------------------------------------------------- the step


def displacement(recipe: Recipe) -> float:
    before = network(recipe.auxiliary > 0)
    after, _ = train(recipe)
    moved = [(a - b).square().sum() for a, b in zip(after.parameters(), before.parameters(), strict=True)]
    return math.sqrt(sum(moved).item())  # type: ignore[union-attr]


def test_the_gradient_is_clipped() -> None:
    """One step without momentum and decay moves the weights by the learning rate times the clipped norm."""
    still: dict[str, Any] = {"batch": 24, "lr": 0.1, "lr_min": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    free = displacement(Recipe(**still, clip=1e9)) / 0.1
    assert free > 0.1
    assert displacement(Recipe(**still, clip=free / 7)) == pytest.approx(0.1 * free / 7, rel=1e-4)
    assert displacement(Recipe(**still, clip=free * 7)) == pytest.approx(0.1 * free, rel=1e-9)


def test_weights_decay() -> None:
    """With the gradient clipped to nothing, what is left of a weight is Π (1 − lr·decay) over the steps."""
    recipe = Recipe(batch=8, lr=0.5, lr_min=0.5, momentum=0.0, weight_decay=0.1, clip=1e-14)
    before, (after, _) = network(), train(recipe, count=24, epochs=2)
    for a, b in zip(after.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(a, b * 0.95**6, rtol=1e-9, atol=1e-12)


def test_momentum_is_plain_sgd_momentum() -> None:
    """Decay alone as the gradient d·w: v ← m·v + d·w, w ← w − lr·v, by hand on a norm's weight of 1."""
    recipe = Recipe(batch=8, lr=0.5, lr_min=0.5, momentum=0.9, weight_decay=0.1, clip=1e-14)
    after, _ = train(recipe, count=24)
    weight, velocity = 1.0, 0.0
    for _ in range(3):
        velocity = 0.9 * velocity + 0.1 * weight
        weight -= 0.5 * velocity
    for module in after.modules():
        if isinstance(module, nn.BatchNorm2d):
            torch.testing.assert_close(module.weight, torch.full_like(module.weight, weight), rtol=1e-9, atol=0)


def test_the_auxiliary_loss_is_added() -> None:
    """Both losses start near log 3; the head's is weighted."""
    plain, weighted = (train(Recipe(batch=24, auxiliary=w))[1] for w in (0.0, 0.4))
    assert plain == pytest.approx(math.log(3), rel=0.4)
    assert weighted == pytest.approx(1.4 * math.log(3), rel=0.4)
    assert weighted > plain


# ---------------------------------------------------------------- batches


def batches_seen(count: int, batch: int) -> int:
    net, _ = train(Recipe(batch=batch), count)
    return int(net.stem[1].num_batches_tracked)


def test_a_last_batch_of_one_image_is_left_out() -> None:
    assert [batches_seen(count, 8) for count in (15, 16, 17, 18)] == [2, 2, 2, 3]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_cannot_be_trained_on(count: int) -> None:
    with pytest.raises(ValueError, match=f"at least 2 images, got {count}"):
        train(Recipe(batch=8), count)


def test_the_mean_loss_is_over_the_images_that_were_used() -> None:
    """Of 17 images in batches of 8, 16 are used; with equal logits each one's loss is log 3."""
    recipe = Recipe(batch=8, lr=1e-12, lr_min=0.0, cutout=0.0, weight_decay=0.0)
    net = network()
    optimizer = make_optimizer(net, recipe)
    losses: list[float] = []
    net.classifier.register_forward_hook(lambda _m, _i, out: losses.append(out.logsumexp(1).mean().item()))
    with torch.no_grad():
        net.classifier.weight.zero_()
        assert net.classifier.bias is not None
        net.classifier.bias.zero_()
    loss = train_stage(net, optimizer, examples(17), recipe, DOUBLE, stage(0, 1, 1))[-1]
    assert len(losses) == 2
    assert loss == pytest.approx(math.log(3), rel=1e-6)  # every image's loss with equal logits


def test_every_image_is_used_once_an_epoch_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    net, recipe, data = network(), Recipe(batch=8), examples(24)
    data.images[:, 0, 0, 0] = torch.arange(24)
    seen: list[int] = []

    def recorded(images: Tensor, *rest: Any) -> Tensor:
        seen.extend(images[:, 0, 0, 0].tolist())
        return augment(images, *rest)

    monkeypatch.setattr("zoo.training.epoch.augment", recorded)
    train_stage(net, make_optimizer(net, recipe), data, recipe, DOUBLE, stage(0, 2, 2))
    first, second = seen[:24], seen[24:]
    assert sorted(first) == sorted(second) == list(range(24))
    assert first != second
    assert first != sorted(first)


# ---------------------------------------------------------------- validation


class Logits(nn.Module):
    """Takes the pixels for the logits."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def test_metrics_by_hand_with_a_missing_class() -> None:
    rows = [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    images = torch.tensor(rows, dtype=torch.float64).view(4, 3, 1, 1)
    labels = torch.tensor([0, 0, 0, 1])  # nothing is of class 2
    hit, miss = math.log(math.e**2 + 2) - 2, math.log(math.e**2 + 2)
    near = math.log(math.e + 2) - 1
    assert evaluate(Logits(), images, labels, 3, DOUBLE) == pytest.approx(
        {"accuracy": 3 / 4, "balanced_accuracy": (2 / 3 + 1) / 2, "loss": (2 * hit + miss + near) / 4}, rel=1e-12
    )


def test_metrics_do_not_depend_on_how_images_are_batched() -> None:
    rng = np.random.default_rng(0)
    count = 2 * EVALUATION_BATCH + 7
    images = torch.from_numpy(rng.normal(size=(count, 5, 1, 1)))
    labels = torch.from_numpy(rng.integers(5, size=count))
    found = evaluate(Logits(), images, labels, 5, DOUBLE)
    predicted = images.flatten(1).argmax(1)
    assert found["accuracy"] == (predicted == labels).double().mean().item()
    loss = nn.functional.cross_entropy(images.flatten(1), labels).item()
    assert found["loss"] == pytest.approx(loss, rel=1e-12)
    assert found["balanced_accuracy"] == pytest.approx(
        np.mean([(predicted[labels == c] == c).double().mean().item() for c in range(5)]), rel=1e-12
    )


def test_evaluation_leaves_the_running_statistics_alone() -> None:
    net = network().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    evaluate(net, torch.randn(9, 3, 8, 8), torch.zeros(9, dtype=torch.long), 3, DOUBLE)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_validation_loss_that_is_no_number_is_divergence(bad: float) -> None:
    images = torch.full((2, 3, 1, 1), bad, dtype=torch.float64)
    with pytest.raises(Diverged, match="validation loss"):
        evaluate(Logits(), images, torch.tensor([0, 1]), 3, DOUBLE)


def test_a_training_loss_that_is_no_number_is_divergence_with_its_epoch() -> None:
    with pytest.raises(Diverged, match=r"training loss is (nan|inf) in epoch 1"):
        train(Recipe(batch=8, lr=1e200, lr_min=0.0, clip=1e200), epochs=2)


# ---------------------------------------------------------------- bad values


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recipe(batch=1), "at least 2 images, got 1"),
        (lambda: Recipe(lr=0.001, lr_min=0.01), "0 <= lr_min <= lr, got 0.01 and 0.001"),
        (lambda: Recipe(lr=math.nan), "0 <= lr_min <= lr"),
        (lambda: Recipe(lr_min=-1.0), "0 <= lr_min <= lr"),
        (lambda: Recipe(momentum=1.0), r"momentum must lie in \[0, 1\), got 1.0"),
        (lambda: Recipe(cutout=-0.1), "cutout must lie"),
        (lambda: Recipe(path_dropout=1.5), "path_dropout must lie"),
        (lambda: Recipe(weight_decay=-1.0), "weight_decay must not be negative, got -1.0"),
        (lambda: Recipe(auxiliary=math.nan), "auxiliary must not be negative, got nan"),
        (lambda: Recipe(clip=0.0), "clip must be positive, got 0.0"),
        (lambda: Recipe(clip=math.nan), "clip must be positive, got nan"),
        (lambda: Precision(dtype="float16"), "float32, float64, bfloat16, got 'float16'"),
    ],
    ids=range(12),
)
def test_values_out_of_range_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
