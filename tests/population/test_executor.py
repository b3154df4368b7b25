import socket

import numpy as np
import pytest

from zoo.population import Job, ProxySetting, Record, SerialExecutor, Trial
from zoo.population.executor import evaluate, failures
from zoo.spaces import DARTS

GENOTYPE = DARTS.sample(np.random.default_rng(0))


def jobs(*indices):
    setting = ProxySetting(0, 0, 0, 1)
    return [Job(Trial(index=i, genotype=GENOTYPE, setting=setting, start=0, stop=1), i, None) for i in indices]


def answer(batch):
    return [(Record(index=job.trial.index, ok=True, metrics={"accuracy": 0.5}), b"w") for job in batch]


def test_outcomes_carry_batch_attempt_and_host():
    outcomes = evaluate(answer, jobs(6, 7), attempt=2)
    assert [record.index for record, _ in outcomes] == [6, 7]
    for record, weights in outcomes:
        assert (record.batch, record.attempt, record.host) == (6, 2, socket.gethostname())
        assert (record.ok, record.metrics, weights) == (True, {"accuracy": 0.5}, b"w")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("too small"), "ValueError: too small"),
        (RuntimeError("first line\nsecond line"), "RuntimeError: first line"),
        (KeyError(), "KeyError: "),
        (MemoryError("out of memory"), "MemoryError: out of memory"),
    ],
)
def test_an_exception_becomes_a_failed_record_for_every_job(error, reason):
    def evaluator(batch):
        raise error

    outcomes = evaluate(evaluator, jobs(2, 3), attempt=3)
    assert [record.index for record, _ in outcomes] == [2, 3]
    for record, weights in outcomes:
        assert (record.ok, record.reason, record.batch, record.attempt, weights) == (False, reason, 2, 3, None)
        assert record.seconds >= 0


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_who_interrupts_is_obeyed(interrupt):
    def evaluator(batch):
        raise interrupt

    with pytest.raises(interrupt):
        evaluate(evaluator, jobs(0))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda batch: [],
        lambda batch: answer(batch)[:1],
        lambda batch: answer(batch) * 2,
        lambda batch: answer(jobs(0, 1)),
    ],
)
def test_an_evaluator_that_skips_or_invents_jobs_fails_them(wrong):
    outcomes = evaluate(wrong, jobs(4, 5))
    assert [record.index for record, _ in outcomes] == [4, 5]
    assert all(not record.ok and "expected [4, 5]" in record.reason for record, _ in outcomes)


def test_an_evaluator_may_answer_in_any_order():
    outcomes = evaluate(lambda batch: answer(batch)[::-1], jobs(4, 5))
    assert [(record.index, record.ok, record.batch) for record, _ in outcomes] == [(5, True, 4), (4, True, 4)]


def test_a_metric_that_is_not_finite_fails_the_trial_and_not_the_run():
    def evaluator(batch):
        return [(Record(index=job.trial.index, ok=True, metrics={"loss": float("nan")}), None) for job in batch]

    ((record, _),) = evaluate(evaluator, jobs(1))
    assert not record.ok
    assert "metric 'loss' of trial 1 must be a finite number" in record.reason


def test_failures_name_the_reason_and_the_batch():
    for record, weights in failures(jobs(8, 9), "gone", seconds=1.5):
        assert (record.ok, record.reason, record.batch, record.seconds, weights) == (False, "gone", 8, 1.5, None)


def test_the_serial_executor_waits_until_it_is_asked():
    ran = []
    executor = SerialExecutor(lambda batch: ran.append(len(batch)) or answer(batch))
    executor.submit(jobs(0, 1))
    assert ran == []
    executor.collect()
    assert ran == [2]
