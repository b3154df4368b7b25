"""Calibration: placements that run, a recommendation that does not ask for more than pays, and what too much costs."""

import pytest

from zoo.data import load
from zoo.experiments import Resources, resources
from zoo.experiments.calibration import Placed, calibrate, networks_per_hour, recommended, worth_trying
from zoo.population import Record
from zoo.population.executor import SerialExecutor
from zoo.population.trial import Job, Trial
from zoo.spaces import Skeleton
from zoo.spaces.literature import DARTS_V1
from zoo.training import Recipe, TrainingSetup


@pytest.fixture
def bench():
    """A tiny setup with its images."""
    setup = TrainingSetup(
        skeleton=Skeleton(channels=4, cells=2, resolution=16, in_channels=1), recipe=Recipe(batch=20), engine="auto"
    )
    return setup, load("digits", train=40, validation=20)


def placed(workers, rate, *, ran=None, group=1):
    ran = workers if ran is None else ran
    return Placed(workers=workers, ran=ran, gpus=0.0, threads=1, group=group, epochs_per_hour=rate)


def test_the_fastest_placement_is_recommended_unless_less_is_nearly_as_fast():
    tried = [placed(1, 100.0), placed(1, 150.0, group=8), placed(2, 155.0), placed(2, 90.0, group=8)]
    assert recommended(tried) == tried[1]
    assert recommended([*tried, placed(4, 300.0)]).workers == 4
    assert recommended([*tried, placed(4, 300.0, ran=2)]) == tried[1]  # nobody should ask for what does not run
    with pytest.raises(ValueError, match="at least one placement"):
        recommended([])


def test_what_is_tried_on_one_core_on_several_and_on_gpus():
    def counts(cores, gpus=0):
        return [(place.workers, place.gpus, threads) for place, threads in worth_trying(cores, gpus)]

    assert counts(1) == [(1, 0, 1)]
    assert counts(2) == [(1, 0, 1), (1, 0, 2), (2, 0, 1)]
    assert counts(8) == [(1, 0, 1), (1, 0, 8), (4, 0, 1), (8, 0, 1)]
    assert counts(16, gpus=2) == [(2, 1, 1), (4, 0.5, 1), (8, 0.25, 1)]


def test_every_placement_of_one_core_runs_and_asking_for_more_runs_as_one(bench, monkeypatch):
    monkeypatch.setattr(resources, "usable_cores", lambda: 1)
    heard = []
    tried = calibrate(
        *bench, worth_trying(1, 0), groups=(1, 2), networks=1, listen=lambda *counts: heard.append(counts)
    )
    assert [(one.workers, one.ran, one.threads, one.group) for one in tried[:-1]] == [(1, 1, 1, 1), (1, 1, 1, 2)]
    assert (tried[-1].workers, tried[-1].ran) == (4, 1)
    assert all(one.epochs_per_hour > 0 for one in tried)
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
def test_workers_are_processes_and_too_many_are_as_many_as_cores(bench, monkeypatch):
    monkeypatch.setattr(resources, "usable_cores", lambda: 2)
    tried = calibrate(*bench, [(Resources(workers=2), 1)], groups=(2,), networks=2)
    assert [(one.workers, one.ran) for one in tried] == [(2, 2), (8, 2)]
    assert all(one.epochs_per_hour > 0 for one in tried)


def test_networks_that_fail_do_not_count():
    def half(jobs):
        return [(Record(index=job.trial.index, ok=job.trial.index % 2 == 0), None) for job in jobs]

    work = [Job(Trial(index=i, genotype=DARTS_V1, setting=None, start=0, stop=1), i, None) for i in range(5)]
    sizes = []

    def count(jobs):
        sizes.append(len(jobs))
        return half(jobs)

    assert networks_per_hour(SerialExecutor(count), work, 2) > 0
    assert sizes == [2, 2, 1]
    assert networks_per_hour(SerialExecutor(half), work[1:2], 1) == 0
