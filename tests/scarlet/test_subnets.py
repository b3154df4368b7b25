"""Sub-networks as trials: one tree per batch, the same whatever the batch, and failures that are records."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch

from scarlet.evaluation import subnets
from scarlet.evaluation.subnets import ROLE, Inheritance, make_subnet_evaluator
from scarlet.evaluation.tree import CHUNK, evaluate_paths
from scarlet.supernet.file import TrainedSupernet, supernet_bytes
from zoo.data.augmentation import prepare
from zoo.population import FixedList, Job, Journal, Manager, ProxySetting, SerialExecutor, Trial
from zoo.spaces.chain_cost import chain_cost
from zoo.spaces.genotype import ChainGenotype

SPACE = "nas-bench-macro"


@pytest.fixture(scope="module")
def held(supernet, images):
    network = supernet(SPACE, dtype=torch.float32)
    return TrainedSupernet(network=network, classes=images.classes, mean=images.mean, std=images.std, notes={})


@pytest.fixture(scope="module")
def weights(held):
    return supernet_bytes(held)


def trial(index, path, space=SPACE):
    genotype = ChainGenotype(space, tuple(map(int, path)))
    return Trial(index=index, genotype=genotype, setting=None, start=0, stop=1, role=ROLE)


def jobs(paths):
    return [Job(trial(i, path), i, None) for i, path in enumerate(paths)]


def test_metrics_are_those_of_the_tree_and_the_extracted_networks(held, weights, images, random_paths):
    paths = random_paths(held.network, 7)
    outcomes = make_subnet_evaluator(Inheritance(weights=weights), images)(jobs(paths))
    pixels = prepare(torch.tensor(images.validation.images), 8, images.mean, images.std)
    scores = evaluate_paths(held.network, pixels, torch.tensor(images.validation.labels), paths)
    assert [r.metrics["accuracy"] for r, _ in outcomes] == scores.accuracies(images.validation.labels).tolist()
    for (record, kept), path in zip(outcomes, paths, strict=True):
        assert record.ok
        assert kept is None
        assert record.epochs_paid == 0
        price = chain_cost(ChainGenotype(SPACE, tuple(map(int, path))), held.network.skeleton)
        assert (record.metrics["macs"], record.metrics["params"]) == (price.macs, price.params)
        assert record.metrics["images"] == 40


def test_a_batch_too_large_for_the_memory_is_measured_in_halves(held, weights, images, random_paths, monkeypatch):
    evaluator = make_subnet_evaluator(Inheritance(weights=weights), images)
    asked, whole = jobs(random_paths(held.network, 5)), evaluate_paths
    wanted, sizes = evaluator(asked), []

    def small(network, pixels, labels, paths, **how):
        sizes.append(len(paths))
        if len(paths) > 2 or 3 in map(number, paths):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(network, pixels, labels, paths, **how)

    def number(path):
        return [job.trial.genotype.choices for job in asked].index(tuple(path))

    monkeypatch.setattr(subnets, "evaluate_paths", small)
    found = evaluator(asked)
    assert sizes == [5, 2, 3, 1, 2, 1, 1]
    assert [record.reason for record, _ in found] == ["", "", "", "out of memory", ""]
    assert [r.metrics for r, _ in found if r.ok] == [r.metrics for r, _ in wanted if r.index != 3]


def test_validation_images_wait_as_bytes(weights, images, monkeypatch):
    """At 224 pixels the floats of a whole validation set would take four times the memory of its bytes."""
    sizes = []
    monkeypatch.setattr(subnets, "prepare", lambda part, **how: sizes.append(len(part)) or prepare(part, **how))
    evaluator = make_subnet_evaluator(Inheritance(weights=weights), images)
    assert sizes == []
    assert evaluator._validation.dtype == torch.uint8
    evaluator(jobs([[1] * 8, [2] * 8]))
    assert sizes == [CHUNK, 40 - CHUNK]


@pytest.mark.parametrize("recalibration", [0, 32])
def test_a_measurement_does_not_depend_on_the_rest_of_its_batch(weights, images, held, random_paths, recalibration):
    paths = random_paths(held.network, 6, seed=2)
    digests = set()
    for size in (1, 4, 6):
        journal = Journal.memory({})
        strategy = FixedList([trial(i, path) for i, path in enumerate(paths)])
        factory = partial(make_subnet_evaluator, Inheritance(weights=weights, recalibration=recalibration))
        assert Manager(strategy, journal, None, size).run(SerialExecutor(factory(images)))
        digests.add(tuple(journal.records()[i].metrics["loss"] for i in range(6)))
    assert len(digests) == 1


def test_recalibration_and_dtype_change_the_numbers_and_the_identity(weights, images, held, random_paths):
    paths = random_paths(held.network, 3)
    losses, identities = [], []
    for options in ({}, {"recalibration": 32}, {"dtype": "bfloat16"}, {"dtype": "float64"}):
        inheritance = Inheritance(weights=weights, **options)
        outcomes = make_subnet_evaluator(inheritance, images)(jobs(paths))
        losses.append([record.metrics["loss"] for record, _ in outcomes])
        identities.append(str(inheritance.identity()))
    assert len(set(identities)) == 4
    assert np.allclose(losses[0], losses[3], atol=1e-4)
    assert np.allclose(losses[0], losses[2], atol=0.2)
    assert not np.allclose(losses[0], losses[1], atol=1e-4)


def test_other_trials_are_refused(weights, images):
    evaluator = make_subnet_evaluator(Inheritance(weights=weights), images)
    training = Trial(
        index=0, genotype=ChainGenotype(SPACE, (0,) * 8), setting=ProxySetting(0, 0, 0, 1), start=0, stop=1
    )
    for wrong, text in (
        (training, "asks for training"),
        (trial(0, [0] * 19, "scarlet-s1-cifar"), "is no chain of 'nas-bench-macro'"),
        (trial(0, [3] * 8), "is no chain of"),
    ):
        with pytest.raises(ValueError, match=text):
            evaluator([Job(wrong, 0, None)])


def test_bad_inheritances_are_refused(weights, images):
    for options, text in (
        ({"dtype": "int8"}, "dtype must be one of"),
        ({"recalibration": 1}, "recalibration 0 or at least 2"),
        ({"threads": 0}, "threads must be at least 1"),
    ):
        with pytest.raises(ValueError, match=text):
            Inheritance(weights=weights, **options)


def test_images_it_cannot_read_are_refused(weights, images):
    grey = {
        part: dataclasses.replace(getattr(images, part), images=getattr(images, part).images[:, :1])
        for part in ("train", "validation", "test")
    }
    for wrong, text in (
        (dataclasses.replace(images, classes=("a", "b", "c", "e")), "knows the 4 classes a, b, c, d, those of"),
        (dataclasses.replace(images, **grey, mean=(0.5,), std=(0.25,)), "reads images of 3 channels, those of"),
    ):
        with pytest.raises(ValueError, match=text):
            make_subnet_evaluator(Inheritance(weights=weights), wrong)


def test_a_loss_that_is_no_number_is_a_failed_record(weights, images):
    evaluator = make_subnet_evaluator(Inheritance(weights=weights), images)
    with torch.no_grad():
        evaluator._folded._classifier[1][1] = float("inf")
    outcomes = evaluator(jobs([[1] * 8, [2] * 8]))
    assert [record.ok for record, _ in outcomes] == [False, False]
    assert outcomes[0][0].reason.startswith("diverged")
