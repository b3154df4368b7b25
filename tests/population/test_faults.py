"""What is a machine's fault and what is a trial's: the one stops a run, the other is a record."""

import numpy as np
import pytest

from zoo.population import Journal, Manager, ProxySetting, RandomSearch, Record, SerialExecutor
from zoo.population.faults import MachineFault, is_machine_fault, is_missing
from zoo.population.manager import FAILURES_IN_A_ROW
from zoo.spaces import DARTS

SETTING = ProxySetting(0, 0, 0, 1)


def search(count=30):
    return RandomSearch(DARTS, SETTING, count, seed=0, keep=False)


def failing(error, since=6, healed=lambda: False):
    def evaluator(jobs):
        if jobs[0].trial.index >= since and not healed():
            raise error
        return [(Record(index=job.trial.index, ok=True, metrics={"accuracy": 0.5}), None) for job in jobs]

    return evaluator


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
        RuntimeError("NCCL communicator was aborted"),
        OSError(5, "Input/output error"),
        FileNotFoundError(2, "No such file or directory", "photos/a.jpg"),
        ConnectionResetError("gone"),
        ImportError("libcudart.so: cannot open shared object file"),
    ],
)
def test_a_fault_of_the_machine_stops_the_run_and_writes_nothing_off(error):
    journal, ill = Journal.memory({}), [True]
    with pytest.raises(MachineFault, match="trial 6 met a fault of the machine: ") as fault:
        Manager(search(), journal).run(SerialExecutor(failing(error)))
    assert "\n" not in str(fault.value)
    assert journal.counts() == {"trials": 7, "done": 6, "failed": 0, "pending": 1}
    ill.clear()
    assert Manager(search(), journal).run(SerialExecutor(failing(error, healed=lambda: not ill)))
    assert journal.counts() == {"trials": 30, "done": 30, "failed": 0, "pending": 0}


def test_a_fault_that_passes_does_not_stop_a_run():
    calls = []

    def evaluator(jobs):
        calls.append(jobs[0].trial.index)
        if calls.count(3) in (1, 2) and calls[-1] == 3:
            raise OSError(5, "Input/output error")
        return failing(None, since=99)(jobs)

    journal = Journal.memory({})
    assert Manager(search(5), journal).run(SerialExecutor(evaluator))
    assert (journal.counts()["failed"], journal.records()[3].attempt) == (0, 3)


def test_a_trial_that_raises_is_a_failed_record_and_the_run_goes_on():
    def evaluator(jobs):
        if jobs[0].trial.index % 2:
            raise ValueError("no such operation")
        return failing(None, since=99)(jobs)

    journal = Journal.memory({})
    assert Manager(search(), journal).run(SerialExecutor(evaluator))
    assert journal.counts()["failed"] == 15


def test_trial_after_trial_that_fails_alike_stops_the_run():
    journal = Journal.memory({})
    with pytest.raises(
        MachineFault, match=r"the last 10 trials failed in the same way.*ValueError: bad setup 15"
    ) as one:
        Manager(search(), journal).run(SerialExecutor(numbered))
    assert "run retry" in str(one.value)
    assert journal.counts() == {"trials": 16, "done": 16, "failed": FAILURES_IN_A_ROW, "pending": 0}


def numbered(jobs):
    if jobs[0].trial.index >= 6:
        raise ValueError(f"bad setup {jobs[0].trial.index}")
    return failing(None, since=99)(jobs)


def test_networks_that_diverge_one_after_the_other_stop_nothing():
    def evaluator(jobs):
        return [(Record(index=job.trial.index, ok=False, reason="diverged: the loss is nan"), None) for job in jobs]

    journal = Journal.memory({})
    assert Manager(search(), journal).run(SerialExecutor(evaluator))
    assert journal.counts()["failed"] == 30


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), RuntimeError("shapes differ"), MemoryError(), RuntimeError("CUDA out of memory"), KeyError("x")],
)
def test_what_may_be_the_networks_is_no_fault_of_the_machine(error):
    assert not is_machine_fault(error)


@pytest.mark.parametrize(
    ("reason", "missing"),
    [
        ("diverged: the training loss is nan in epoch 3", False),
        ("out of memory", False),
        ("naswot: no ReLU", False),
        ("RuntimeError: CUDA error: device-side assert", True),
        ("torch.AcceleratorError: CUDA error", True),
        ("KeyError: ", True),
        ("the worker died 3 times", True),
    ],
)
def test_a_missing_trial_says_nothing_about_its_network(reason, missing):
    assert is_missing(False, reason) is missing
    assert not is_missing(True, "")
    assert np.isscalar(missing)
