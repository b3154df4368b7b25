"""Sub-networks evaluated as a tree: what one by one gives, with as little work as the paths allow."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from scarlet.evaluation import tree as trees
from scarlet.evaluation.folded import FoldedSupernet, Folding, fusible
from scarlet.evaluation.tree import PathTree, evaluate_paths, images_at_once, recalibrated
from scarlet.supernet.form import SupernetForm
from zoo.spaces.genotype import ChainGenotype, SpaceGenotype

SPACES = ["scarlet-s1-cifar", "scarlet-s2-cifar", "nas-bench-macro"]


def examples(network, count=23, seed=1):
    shape, generator = network.skeleton, torch.Generator().manual_seed(seed)
    weight = network.classifier.weight
    images = torch.randn(count, 3, shape.resolution, shape.resolution, generator=generator).to(weight.dtype)
    return images, torch.arange(count) % shape.classes


@torch.no_grad()
def one_by_one(network, images, labels, paths):
    logits = torch.stack([network.eval()(images, path) for path in paths.tolist()])
    losses = [nn.functional.cross_entropy(each, labels).item() for each in logits]
    return logits.argmax(dim=2).numpy(), np.array(losses)


# Every space, and both values of both options; the other combinations are slow tests.
QUICK = {("scarlet-s1-cifar", True, True), ("scarlet-s1-cifar", False, False), ("scarlet-s2-cifar", True, False)}
QUICK |= {("nas-bench-macro", True, False), ("nas-bench-macro", False, True)}
FORMS = [
    pytest.param(*form, marks=() if form in QUICK else pytest.mark.slow)
    for form in product(SPACES, [True, False], [True, False])
]


@pytest.mark.parametrize(("space", "stabilizers", "shared_squeeze"), FORMS)
def test_a_tree_gives_what_one_by_one_gives(supernet, random_paths, space, stabilizers, shared_squeeze):
    network = supernet(space, stabilizers=stabilizers, shared_squeeze=shared_squeeze)
    paths = random_paths(network, 9, skips=0.3)
    paths = np.concatenate([paths, paths[:3], paths[:2]])  # repetitions
    paths[9:11, -2:] = 0  # common beginnings
    images, labels = examples(network)
    predictions, losses = one_by_one(network, images, labels, paths)
    scores = evaluate_paths(network, images, labels, paths, chunk=5)
    assert np.array_equal(scores.predictions, predictions)
    assert np.allclose(scores.losses, losses, rtol=1e-10)
    assert np.array_equal(scores.accuracies(labels.numpy()), (predictions == labels.numpy()).mean(axis=1))


def test_float32_fused_and_bfloat16_stay_close(supernet, random_paths):
    network = supernet(dtype=torch.float32)
    paths, (images, labels) = random_paths(network, 6, skips=0.1), examples(network, 40)
    _, losses = one_by_one(network, images, labels, paths)
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.bfloat16, 0.1)):
        for fused in {fusible("cpu", dtype), False}:
            scores = evaluate_paths(network, images, labels, paths, folding=Folding(dtype, True, fused))
            assert np.abs(scores.losses - losses).max() < tolerance


class Counting:
    """Notes every layer that is asked for."""

    def __init__(self, monkeypatch):
        self.asked = []
        layer = FoldedSupernet.layer

        def count(folded, number, choice, moments=None):
            self.asked.append((number, choice))
            return layer(folded, number, choice, moments)

        monkeypatch.setattr(FoldedSupernet, "layer", count)


def test_every_common_beginning_is_computed_once(supernet, random_paths, monkeypatch):
    network, counting = supernet("nas-bench-macro"), Counting(monkeypatch)
    paths, (images, labels) = random_paths(network, 40), examples(network, 4)
    evaluate_paths(network, images, labels, paths)
    beginnings = {tuple(path[: layer + 1]) for path in paths.tolist() for layer in range(8)}
    assert len(counting.asked) == len(beginnings)
    tree = PathTree.of(paths)
    assert tree.sharing(np.ones((8, 3))) == pytest.approx(40 * 8 / len(beginnings))


def test_the_order_of_the_paths_changes_nothing(supernet, random_paths):
    network = supernet()
    paths, (images, labels) = random_paths(network, 8), examples(network, 6)
    order = np.random.default_rng(1).permutation(8)
    one, other = (evaluate_paths(network, images, labels, p) for p in (paths, paths[order]))
    assert np.array_equal(one.predictions[order], other.predictions)
    assert np.array_equal(one.losses[order], other.losses)


def test_images_are_prepared_chunk_by_chunk(supernet, random_paths):
    network = supernet("nas-bench-macro")
    paths, (images, labels), seen = random_paths(network, 3), examples(network, 12), []

    def prepared(chunk):
        seen.append(len(chunk))
        return chunk / 255

    raw = (images * 255).round()
    scores = evaluate_paths(network, raw, labels, paths, prepared=prepared, chunk=5)
    assert seen == [5, 5, 2]  # every image once, however many paths there are
    assert np.array_equal(scores.losses, evaluate_paths(network, raw / 255, labels, paths, chunk=5).losses)


def test_balanced_accuracy_is_the_mean_recall(supernet, random_paths):
    network = supernet("nas-bench-macro")
    images, _ = examples(network, 30)
    labels = np.repeat([0, 1, 2], [20, 8, 2])
    scores = evaluate_paths(network, images, torch.from_numpy(labels), random_paths(network, 3))
    for row, value in zip(scores.predictions, scores.balanced(labels), strict=True):
        assert value == pytest.approx(np.mean([(row[labels == c] == c).mean() for c in range(3)]))


# ---------------------------------------------------------------- recalibration


@torch.no_grad()
def recalibrated_alone(network, calibration, images, path):
    """The oracle: one training-mode pass with momentum 1, then evaluation."""
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(calibration, path)
    logits = network.eval()(images, path)
    for norm in norms:
        norm.momentum = 0.1
    network.load_state_dict(kept)
    return logits


@pytest.mark.parametrize("space", SPACES)
def test_recalibration_by_tree_is_that_of_each_path_alone(supernet, random_paths, space):
    network = supernet(space)
    calibration, (images, labels) = examples(network, 12, seed=7)[0], examples(network)
    paths = random_paths(network, 5, skips=0.2)
    paths[1, :-1] = paths[0, :-1]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    statistics = recalibrated(network, calibration, paths)
    scores = evaluate_paths(network, images, labels, paths, statistics=statistics)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    wanted = torch.stack([recalibrated_alone(network, calibration, images, path) for path in paths.tolist()])
    assert np.array_equal(scores.predictions, wanted.argmax(dim=2).numpy())
    losses = [nn.functional.cross_entropy(logits, labels).item() for logits in wanted]
    assert np.allclose(scores.losses, losses, rtol=1e-9)
    assert not np.allclose(scores.losses, evaluate_paths(network, images, labels, paths).losses, rtol=1e-3)


# ---------------------------------------------------------------- what cannot be


def test_no_paths_are_refused(supernet):
    network = supernet("nas-bench-macro")
    with pytest.raises(ValueError, match="expected paths"):
        evaluate_paths(network, *examples(network), np.zeros((0, 8), dtype=int))


def test_forms_survive_their_genotype_and_others_are_refused():
    form = SupernetForm(space="scarlet-s1", stabilizers=False, shared_squeeze=True)
    assert SupernetForm.of(form.genotype) == form
    for wrong, text in (
        (ChainGenotype("scarlet-s1", (0,) * 19), "expected the genotype of a supernet"),
        (SpaceGenotype("scarlet-s1"), "has the options shared_squeeze and stabilizers"),
        (SpaceGenotype("scarlet-s1", (("shared_squeeze", 1), ("stabilizers", True))), "true or false"),
        (SpaceGenotype("darts", form.genotype.options), "unknown chain space 'darts'"),
    ):
        with pytest.raises(ValueError, match=text):
            SupernetForm.of(wrong)


def test_shared_squeeze_excitation_is_one_module_per_hidden_width(supernet):
    alone, shared = (supernet(shared_squeeze=on) for on in (False, True))
    count = [sum(p.numel() for p in network.parameters()) for network in (alone, shared)]
    assert count[0] > count[1]
    first, second = (shared.choice(3, number) for number in (6, 7))
    assert first.squeeze is second.squeeze
    assert shared.choice(3, 6).squeeze is not shared.choice(3, 9).squeeze
    assert alone.choice(3, 6).squeeze is not alone.choice(3, 7).squeeze


@pytest.mark.parametrize("space", SPACES)
def test_an_image_takes_about_as_much_memory_as_is_said(supernet, space):
    folded = FoldedSupernet(supernet(space).eval(), Folding(torch.float32, False, False))
    chain, network = folded.supernet.chain, folded.supernet
    images, _ = examples(network, 1)
    widest = max(range(len(chain.choices)), key=lambda n: getattr(chain.choices[n], "expansion", 0))
    x, held, inside = folded.stem(images.float()), 0, 0
    for layer in range(len(chain.layers)):
        block = folded.layer(layer, widest)
        hidden = block.expand(x)
        inside = max(inside, hidden.nbytes + block.depthwise(hidden).nbytes)
        held += x.nbytes
        x = block(x)
    assert held + x.nbytes + inside <= folded.bytes_per_image <= 2 * (held + x.nbytes + inside)


def test_on_a_gpu_as_many_images_are_computed_at_once_as_fit(monkeypatch):
    weight = SimpleNamespace(device=torch.device("cuda"))
    folded = SimpleNamespace(supernet=SimpleNamespace(classifier=SimpleNamespace(weight=weight)), bytes_per_image=1000)
    room = iter([1e9, 7e6, 0.0])
    monkeypatch.setattr(trees, "available", lambda _: next(room))
    assert [images_at_once(folded, 9000) for _ in range(3)] == [9000, 2250, trees.CHUNK_CUDA]
    weight.device = torch.device("cpu")
    assert images_at_once(folded, 9000) == trees.CHUNK
