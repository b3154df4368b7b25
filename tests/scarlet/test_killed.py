"""Trainings and searches killed outright, and workers that die: the same supernet and the same front."""

import os
from functools import partial

import numpy as np
import pytest
import torch

from scarlet.evaluation.subnets import Inheritance, make_subnet_evaluator
from scarlet.strategy.goal import Goal
from scarlet.strategy.nsga import WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from scarlet.supernet.file import TrainedSupernet, supernet_bytes
from tests.killing import finish, kill_often
from zoo.cli import main
from zoo.population import Journal, Manager, SerialExecutor
from zoo.population.costs import ClosedFormCosts
from zoo.population.front import objectives
from zoo.population.ray_executor import RayExecutor
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.chain_space import CHAIN_SPACES

DATA = ["--data", "digits", "--train", "60", "--val", "40", "--device", "cpu"]
TRAIN = ["scarlet", "train", "--space", "nas-bench-macro", "--channels", "4", "--batch", "20", "--epochs", "4", *DATA]
SEARCH = ["scarlet", "search", "--population", "6", "--generations", "9", "--group", "3", *DATA]
SEARCH += ["--surrogate", "none"]  # it has tests of its own


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A supernet and a search in it that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    assert main([*TRAIN, "--out", str(folder / "net")]) == 0
    assert main([*SEARCH, "--supernet", str(folder / "net"), "--out", str(folder / "run")]) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["fair", "uniform", "sandwich", "sandwich-ranked", "fair-ranked"])
def test_a_training_killed_three_times_ends_with_the_same_supernet(sampling, tmp_path, digest):
    run, whole, log = tmp_path / "run", tmp_path / "whole", tmp_path / "log"
    command = [*TRAIN, "--sampling", sampling, "--out", str(run)]
    assert main([*command[:-1], str(whole)]) == 0
    kill_often(command, run, log, [(1, 0.0), (2, 0.1), (3, 0.03)])
    assert not (run / "supernet.pt").exists()
    finish(command, log)
    assert digest(run) == digest(whole)
    assert (run / "supernet.pt").read_bytes() == (whole / "supernet.pt").read_bytes()


@pytest.mark.slow  # a process is killed in tests/commands, and a front is interrupted in the tests of every kind of run
def test_a_search_killed_twice_ends_with_the_same_front(whole, tmp_path, digest):
    run = tmp_path / "run"
    command = [*SEARCH, "--supernet", str(whole / "net"), "--out", str(run)]
    kill_often(command, run, tmp_path / "log", [(5, 0.0), (23, 0.013)])
    assert digest(run) != digest(whole / "run")
    assert main(command) == 0
    assert digest(run) == digest(whole / "run")
    for name in ("models.csv", "history.csv", "hypervolume.csv", "front.svg"):
        assert (run / name).read_bytes() == (whole / "run" / name).read_bytes(), name


# ---------------------------------------------------------------- workers


def make_mortal():
    # Nested, so that it is sent to the workers by value: they cannot import a test.
    def factory(folder, payload):
        from scarlet.evaluation.folded import FoldedSupernet
        from scarlet.evaluation.subnets import make_subnet_evaluator

        evaluator, head = make_subnet_evaluator(*payload), FoldedSupernet.head

        def deadly(*arguments):
            """The head of the first path; with the second the worker is gone."""
            if not (folder / "first").exists():
                (folder / "first").touch()
            elif not (folder / "died").exists():
                (folder / "died").touch()
                os._exit(1)
            return head(*arguments)

        def evaluate(jobs):
            FoldedSupernet.head = deadly if any(job.trial.index == 13 for job in jobs) else head
            return evaluator(jobs)

        return evaluate

    return factory


@pytest.mark.slow
def test_a_worker_that_dies_in_an_evaluation_costs_its_batch_only(local_ray, supernet, images, tmp_path):
    network = supernet("nas-bench-macro", dtype=torch.float32)
    held = TrainedSupernet(network=network, classes=images.classes, mean=images.mean, std=images.std, notes={})
    payload = Inheritance(weights=supernet_bytes(held)), images
    costs = ClosedFormCosts(ChainCosts(network.chain, 8, 4))
    wanted = Goal(objectives=objectives(["accuracy"], ["macs"]), weights=(0.5, 0.5))

    def searched(executor):
        journal = Journal.memory({})
        numbers = SearchParameters(population=8, generations=3)
        strategy = WeightedSearch(CHAIN_SPACES["nas-bench-macro"], costs, wanted, numbers, seed=0)
        assert Manager(strategy, journal, batch=4).run(executor)
        executor.close()
        return journal

    alone = searched(SerialExecutor(make_subnet_evaluator(*payload)))
    torn = searched(RayExecutor(partial(make_mortal(), tmp_path), payload, workers=2))
    assert (tmp_path / "died").exists()
    assert torn.digest() == alone.digest()
    attempts = np.array([record.attempt for _, record in sorted(torn.records().items())])
    assert np.flatnonzero(attempts > 1).tolist() == [12, 13, 14, 15]  # the batch of the thirteenth
