"""Every training says its steps: whoever looks at a run knows how far it is inside of a batch."""

import dataclasses

import pytest

from tests.training.test_evaluator import IMAGES, job, lasting, setup
from zoo.population.steps import heard
from zoo.training import TrainingEvaluator

STEPS = 3  # of an epoch: 48 images in batches of 16


def shares(evaluator, *jobs):
    found = []
    with heard(found.append):
        evaluator(jobs)
    assert found == sorted(found)
    assert found[-1] == 1
    return found


@pytest.mark.parametrize(("engine", "heard_of"), [("plain", 2 * 2 * STEPS), ("auto", 2 * STEPS)])
def test_networks_one_by_one_and_as_a_program_say_every_step(engine, heard_of):
    evaluator = TrainingEvaluator(dataclasses.replace(setup(), engine=engine), IMAGES)
    assert len(set(shares(evaluator, job(0, keep=False), job(1, keep=False)))) == heard_of


def test_scores_are_steps():
    scored = dataclasses.replace(job(0).trial, measure="synflow", stop=0, keep=False)
    jobs = [dataclasses.replace(job(0), trial=dataclasses.replace(scored, index=i)) for i in range(4)]
    assert shares(TrainingEvaluator(setup(), IMAGES), *jobs) == [0.25, 0.5, 0.75, 1.0]


def test_parts_of_epochs_end_with_the_bits_of_whole_ones():
    whole = setup(path_dropout=0.0)
    ((record, weights),) = TrainingEvaluator(whole, IMAGES)([job(0, setting="c0r0s0e2")])
    parted = TrainingEvaluator(dataclasses.replace(whole, every=2), IMAGES)
    found, checkpoint = [], None
    for part in range(4):  # of two steps and of one
        one = job(part, part + 1, start=part, setting="c0r0s0e4", root=0, checkpoint=checkpoint)
        ((measured, checkpoint),) = parted([one])
        found.append(measured)
    assert ["accuracy" in one.metrics for one in found] == [False, True, False, True]
    assert [one.epochs_paid for one in found] == [0.5] * 4
    names = ("accuracy", "loss", "macs", "images")
    assert {name: found[-1].metrics[name] for name in names} == {name: record.metrics[name] for name in names}
    mean = (found[2].metrics["train_loss"] * 32 + found[3].metrics["train_loss"] * 16) / 48
    assert mean == pytest.approx(record.metrics["train_loss"])
    assert lasting(found[-1])["index"] == 3
    assert weights is not None
