"""Fixed seeds, fixed losses: against numbers held here, and against a plain loop written a second time."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from zoo.data import ImageSet
from zoo.data.augmentation import Augmentation, augment, draw
from zoo.data.image_set import Split
from zoo.networks import build_network
from zoo.networks.cell_network import CellNetwork
from zoo.population import Job, ProxySetting, Trial
from zoo.spaces import DARTS, PUBLISHED, CellGenotype, Skeleton
from zoo.training import Precision, Recipe, TrainingEvaluator, TrainingSetup

SKELETON = Skeleton(channels=3, cells=3, resolution=8, classes=3)
MEAN, STD = (0.5, 0.5, 0.5), (0.29, 0.29, 0.29)


def split(count: int, seed: int) -> Split:
    """Noise, brighter by class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 3
    pixels = rng.integers(0, 160, (count, 3, 8, 8)) + 40 * labels[:, None, None, None]
    return Split(images=pixels.astype(np.uint8), labels=labels)


IMAGES = ImageSet(
    name="noise", classes=("a", "b", "c"), train=split(49, 0), validation=split(30, 1), test=split(3, 2),
    mean=MEAN, std=STD, flip=True,
)  # fmt: skip


def evaluated(genotype: CellGenotype, recipe: Recipe, *, root: int, epochs: int) -> dict[str, float]:
    setup = TrainingSetup(
        skeleton=SKELETON, recipe=recipe, precision=Precision(dtype="float64", channels_last=False), seed=7
    )
    trial = Trial(index=root, genotype=genotype, setting=ProxySetting(0, 0, 0, epochs), start=0, stop=epochs)
    ((record, _),) = TrainingEvaluator(setup, IMAGES)([Job(trial, root, None)])
    assert record.ok, record.reason
    return {name: record.metrics[name] for name in ("train_loss", "loss", "accuracy")}


# Recipe: the images above; 3 epochs of 3 batches of 16 (image 49 is a batch of one and left out); float64,
# 1 thread, seed 7, root 11; everything else as written here. Regenerate by printing evaluated(...).
GOLDEN = {
    "DARTS_V2": (PUBLISHED["DARTS_V2"], Recipe(batch=16), (0.782056325165929, 0.8018510707792575)),
    "PC_DARTS, path dropout, auxiliary": (
        PUBLISHED["PC_DARTS"],
        Recipe(batch=16, lr=0.1, lr_min=0.0, path_dropout=0.2, auxiliary=0.4, cutout=0.25),
        (0.7045793970905853, 1.0590473575572728),
    ),
}


@pytest.mark.parametrize(("genotype", "recipe", "losses"), GOLDEN.values(), ids=GOLDEN)
def test_fixed_seed_losses(genotype: CellGenotype, recipe: Recipe, losses: tuple[float, float]) -> None:
    found = evaluated(genotype, recipe, root=11, epochs=3)
    assert (found["train_loss"], found["loss"]) == pytest.approx(losses, rel=1e-6)


# ---------------------------------------------------------------- the same training, written a second time


def stream(root: int, purpose: int, *epoch: int) -> np.random.Generator:
    return np.random.default_rng((7, root, purpose, *epoch))


def torch_stream(root: int, purpose: int, *epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(stream(root, purpose, *epoch).integers(2**63)))


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return (logits.exp().sum(1).log() - logits[torch.arange(len(labels)), labels]).mean()


def plain_step(network: CellNetwork, loss: torch.Tensor, velocity: dict[str, Any], rate: float, recipe: Recipe) -> None:
    """SGD by hand: clip the gradient, add the decay, add to the momentum, step."""
    parameters = dict(network.named_parameters())
    gradients = dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients.values()))
    scale = min(1.0, recipe.clip / (norm + 1e-6))
    with torch.no_grad():
        for name, weight in parameters.items():
            slope = gradients[name] * scale + recipe.weight_decay * weight
            velocity[name] = recipe.momentum * velocity[name] + slope if name in velocity else slope
            weight -= rate * velocity[name]


def plain_training(genotype: CellGenotype, recipe: Recipe, *, root: int, epochs: int) -> dict[str, float]:
    network = build_network(genotype, SKELETON, torch_stream(root, 304), dtype=torch.float64)
    pixels = torch.tensor(IMAGES.train.images)
    labels = torch.tensor(IMAGES.train.labels)
    augmentation = Augmentation(padding=1, flip=True, cutout=4)  # 4 of 32, half of 8
    velocity: dict[str, Any] = {}
    batches = len(labels) // recipe.batch  # and one image is left
    losses: list[float] = []
    for epoch in range(epochs):
        order = stream(root, 301, epoch).permutation(len(labels))
        draws = draw(augmentation, stream(root, 302, epoch), len(labels), 8, 8, 8)
        paths = torch_stream(root, 303, epoch)
        losses = []
        for number in range(batches):
            part = slice(number * recipe.batch, (number + 1) * recipe.batch)
            x = augment(pixels[order[part]], draws[part], augmentation, 8, MEAN, STD).double()
            progress = (epoch * batches + number) / (epochs * batches)
            rate = recipe.lr_min + (recipe.lr - recipe.lr_min) * 0.5 * (1 + math.cos(math.pi * progress))
            logits = network(x, recipe.path_dropout * epoch / epochs, paths)
            loss = cross_entropy(logits, labels[order[part]])
            plain_step(network, loss, velocity, rate, recipe)
            losses.append(loss.item())
    network.eval()
    shown = torch.tensor(IMAGES.validation.images).float()
    x = shown * (1 / (255 * STD[0])) - MEAN[0] / STD[0]
    truth = torch.tensor(IMAGES.validation.labels)
    with torch.no_grad():
        logits = network(x.double())
    return {
        "train_loss": sum(losses) / batches,
        "loss": cross_entropy(logits, truth).item(),
        "accuracy": (logits.argmax(1) == truth).double().mean().item(),
    }


@pytest.mark.parametrize("clip", [5.0, 0.3])
def test_the_evaluator_agrees_with_a_plain_loop(clip: float) -> None:
    recipe = Recipe(batch=16, lr=0.1, lr_min=0.01, weight_decay=1e-2, path_dropout=0.2, clip=clip)
    genotype = DARTS.sample(np.random.default_rng(3))
    found = evaluated(genotype, recipe, root=11, epochs=2)
    assert found == pytest.approx(plain_training(genotype, recipe, root=11, epochs=2), rel=1e-10)
