"""Training a supernet: what a step moves, fairness, stages that continue one another, processes that share batches.

``program`` is what those processes run, with torchrun's variables in the environment.
"""

import numpy as np
import pytest
import torch
from torch import nn

from scarlet.supernet import training
from scarlet.supernet.form import SupernetForm
from scarlet.supernet.material import held_epochs
from scarlet.supernet.rules import RULES, SamplingRule
from scarlet.supernet.setup import SupernetSetup
from scarlet.supernet.supernet import build_supernet
from scarlet.supernet.training import (
    SupernetEvaluator,
    new_supernet,
    supernet_optimizer,
    supernet_step,
    train_supernet,
)
from tests.process_groups import run_ranks
from zoo.population import Job, ProxySetting, Trial
from zoo.spaces import Skeleton
from zoo.training import Precision, Recipe, TrainingSetup
from zoo.training.distributed import ALONE, joined_ranks
from zoo.training.epoch import Examples, Stage
from zoo.training.retraining import Retraining

FORM = SupernetForm(space="nas-bench-macro")
RECIPE = Recipe(batch=16, lr=0.05, weight_decay=1e-2, smoothing=0.1)
DOUBLE = Precision(dtype="float64")


def setup(sampling="fair", recipe=RECIPE, precision=DOUBLE, seed=3):
    skeleton = Skeleton(channels=4, cells=1, resolution=8, classes=4)
    training = TrainingSetup(skeleton=skeleton, recipe=recipe, precision=precision, seed=seed)
    return SupernetSetup(training=training, sampling=sampling)


def trial(start, stop, epochs=2, form=FORM, index=None, keep=True):
    return Trial(
        index=start if index is None else index, genotype=form.genotype, setting=ProxySetting(0, 0, 0, epochs),
        start=start, stop=stop, resumes=start - 1 if start else None, role="supernet", keep=keep,
    )  # fmt: skip


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(8, 3, 8, 8, generator=generator, dtype=torch.float64), torch.arange(8) % 4


def state(network):
    return {name: tensor.detach().clone() for name, tensor in network.named_parameters()}


# ---------------------------------------------------------------- one step


def test_a_step_moves_the_choices_on_its_paths_and_no_others():
    network = new_supernet(FORM, setup())
    optimizer = supernet_optimizer(network, RECIPE)
    before, path = state(network), [0, 1, 2, 0, 1, 2, 0, 1]
    for _ in range(2):  # the second step has momentum
        supernet_step(network, optimizer, *batch(), np.array([path]), setup())
    for name, tensor in network.named_parameters():
        parts = name.split(".")
        on_path = parts[0] != "layers" or int(parts[2]) == path[int(parts[1])]
        assert torch.equal(tensor, before[name]) != on_path, name


def test_gradients_of_a_steps_paths_are_summed_up():
    paths = np.array([[0] * 8, [1] * 8, [2, 1, 0, 2, 1, 0, 2, 1]])
    recipe = Recipe(batch=8, momentum=0.0, weight_decay=0.0, lr=0.1, lr_min=0.0, clip=1e9)
    network, oracle = (new_supernet(FORM, setup()) for _ in range(2))
    images, labels = batch()
    loss = supernet_step(
        network.train(), supernet_optimizer(network, recipe), images, labels, paths, setup(recipe=recipe)
    )
    losses = [nn.functional.cross_entropy(oracle.train()(images, path), labels) for path in paths.tolist()]
    sum(losses).backward()
    assert loss.item() == pytest.approx(sum(losses).item() / 3)
    for (name, got), was in zip(network.named_parameters(), oracle.parameters(), strict=True):
        wanted = was if was.grad is None else was - 0.1 * was.grad
        assert torch.allclose(got, wanted, rtol=1e-9, atol=1e-12), name


def test_a_fair_epoch_of_one_step_moves_everything(images):
    network = new_supernet(FORM, setup())
    before = state(network)
    recipe = Recipe(batch=64, lr=0.05)
    evaluator = SupernetEvaluator.of(setup(recipe=recipe), images)
    epochs = evaluator._material.epochs(0)
    stage = Stage(start=0, stop=1, epochs=1, seed=0, root=0)
    train_supernet(network, supernet_optimizer(network, recipe), epochs, setup(recipe=recipe), stage)
    assert not [name for name, tensor in network.named_parameters() if torch.equal(tensor, before[name])]


# ---------------------------------------------------------------- stages


@pytest.mark.parametrize("sampling", ["uniform", "fair", "sandwich-ranked"])
def test_epoch_by_epoch_is_bit_for_bit_the_whole(images, sampling):
    evaluator = SupernetEvaluator.of(setup(sampling, precision=Precision()), images)
    ((whole, bytes_whole),) = evaluator([Job(trial(0, 2), 0, None)])
    ((first, weights),) = evaluator([Job(trial(0, 1), 0, None)])
    ((second, bytes_parts),) = evaluator([Job(trial(1, 2), 0, weights)])
    assert bytes_whole == bytes_parts
    assert second.metrics == whole.metrics
    assert first.metrics != second.metrics
    ((again, bytes_lost),) = evaluator([Job(trial(1, 2), 0, None)])  # the weights were lost
    assert bytes_lost == bytes_whole
    assert again.epochs_paid == 2
    names = {"accuracy", "balanced_accuracy", "loss", "train_loss", "images", "block_similarity", "skip_similarity"}
    assert names == set(whole.metrics)


def test_a_path_that_is_always_taken_learns_brightness(images, monkeypatch):
    path = np.array([1, 2, 0, 1, 2, 0, 1, 2])
    always = SamplingRule(name="always", words="", draw=lambda rng, costs, steps: np.tile(path, (steps, 1, 1)))
    monkeypatch.setitem(RULES, "always", always)
    monkeypatch.setattr(training, "uniform_paths", lambda rng, layers, choices, count: np.tile(path, (count, 1)))
    evaluator = SupernetEvaluator.of(setup("always", Recipe(batch=16, lr=0.05, cutout=0.0), Precision()), images)
    ((record, _),) = evaluator([Job(trial(0, 30, 30, keep=False), 0, None)])
    assert record.metrics["accuracy"] > 0.9  # chance is 0.25


def test_samplings_differ(images):
    losses = set()
    for sampling in ("uniform", "fair", "sandwich", "sandwich-ranked"):
        ((record, _),) = SupernetEvaluator.of(setup(sampling), images)([Job(trial(0, 1, keep=False), 0, None)])
        losses.add(record.metrics["train_loss"])
    assert len(losses) == 4


@pytest.mark.parametrize("space", ["nas-bench-macro", "scarlet-s1-cifar"])
def test_a_new_stabilizer_is_the_plain_skip(space):
    skeleton = Skeleton(channels=4, cells=1, resolution=8, classes=4)
    forms = [SupernetForm(space=space, stabilizers=on) for on in (True, False)]
    pair = [build_supernet(form, skeleton, torch.Generator().manual_seed(0)) for form in forms]
    chain = pair[0].chain
    for layer, plan in enumerate(chain.layers):
        with_stabilizer, plain = (network.choice(layer, chain.skip) for network in pair)
        if not (chain.projecting and not plan.keeps_shape):
            x = torch.randn(2, plan.inputs, 4, 4)
            assert torch.equal(with_stabilizer(x), plain(x))


def test_divergence_is_a_failed_record(images):
    recipe = Recipe(batch=16, lr=1e30, lr_min=1e30, clip=1e30)
    ((record, weights),) = SupernetEvaluator.of(setup("uniform", recipe), images)([Job(trial(0, 1), 0, None)])
    assert not record.ok
    assert record.reason.startswith("diverged")
    assert weights is None


def test_a_supernet_is_a_chain_of_one_epoch_trials():
    strategy = Retraining([FORM.genotype], ProxySetting(0, 0, 0, 3), role="supernet")
    (first,) = strategy.ask(4, 0)
    assert (first.role, first.genotype, first.keep) == ("supernet", FORM.genotype, True)


def test_reduced_settings_are_refused(images):
    wrong = Trial(index=0, genotype=FORM.genotype, setting=ProxySetting(1, 0, 0, 1), start=0, stop=1)
    with pytest.raises(ValueError, match="at its own channels"):
        SupernetEvaluator.of(setup(), images)([Job(wrong, 0, None)])


# ---------------------------------------------------------------- several processes


def without_statistics(ranks, sampling):
    """An epoch with batch normalisation switched to its initial statistics: nothing but gradients is shared."""
    network = new_supernet(FORM, setup())
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True: None
    rng = np.random.default_rng(0)
    examples = Examples(
        images=torch.tensor(rng.integers(0, 256, (36, 3, 8, 8), dtype=np.uint8)), labels=torch.arange(36) % 4,
        resolution=8, mean=(0.5,) * 3, std=(0.3,) * 3, flip=True,
    )  # fmt: skip
    stage = Stage(start=0, stop=2, epochs=3, seed=0, root=0)
    epochs = held_epochs(examples, RECIPE, ranks)
    loss = train_supernet(network, supernet_optimizer(network, RECIPE), epochs, setup(sampling), stage, ranks)
    return {"loss": loss, "state": state(network)}


def program(folder):
    torch.set_num_threads(1)
    with joined_ranks("cpu") as ranks:
        for sampling in ("uniform", "fair"):
            torch.save(without_statistics(ranks, sampling), folder / f"{sampling}-{ranks.rank}.pt")


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("process group")
    run_ranks(__file__, folder, 2)
    return folder


@pytest.mark.slow  # processes that train a network together are in tests/training
@pytest.mark.parametrize("sampling", ["uniform", "fair"])
def test_two_processes_take_the_steps_of_one(together, sampling):
    alone = without_statistics(ALONE, sampling)
    first, second = (torch.load(together / f"{sampling}-{rank}.pt", weights_only=True) for rank in range(2))
    assert first["loss"] == second["loss"] == pytest.approx(alone["loss"], rel=1e-9)
    for name, tensor in alone["state"].items():
        assert torch.equal(first["state"][name], second["state"][name]), name
        assert torch.allclose(first["state"][name], tensor, rtol=1e-7, atol=1e-10), name
