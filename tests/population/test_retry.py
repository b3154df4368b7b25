"""Failed trials asked again: what does not depend on them stays, what does is decided anew."""

import pytest

from tests.old_runs import write_old_run
from zoo.population import Journal, Manager, ProxySetting, RandomSearch, SerialExecutor, WeightStore
from zoo.population.faults import MachineFault, is_missing
from zoo.population.retry import reopen
from zoo.reliability.study import Study
from zoo.spaces import DARTS, ECONAS_ZOO

GRID = [ProxySetting.parse(text) for text in ("c4r4s0e1", "c2r0s1e2")]
REFERENCE = ProxySetting.parse("c0r0s0e3")


def study():
    return Study(ECONAS_ZOO, GRID, REFERENCE, repeats=2, growth=[4], batch=2, seed=7)


def random_search():
    return RandomSearch(DARTS, REFERENCE, 9, seed=1)


def breaking(training, broken):
    def evaluator(jobs):
        if any(job.trial.index in broken for job in jobs):
            raise KeyError("something of the moment")
        return training(jobs)

    return evaluator


def missing(journal):
    return {i for i, record in journal.records().items() if is_missing(record.ok, record.reason)}


@pytest.mark.parametrize(("make", "batch"), [(study, 2), (random_search, 1), (random_search, 4)])
def test_trials_that_nothing_depends_on_are_asked_again_and_only_they(make, batch, training, tmp_path):
    journal, whole, asked = Journal.memory({}), Journal.memory({}), []
    assert Manager(make(), whole, WeightStore(tmp_path / "whole"), batch).run(SerialExecutor(training))
    broken = {2, 5}
    assert Manager(make(), journal, WeightStore(tmp_path / "w"), batch).run(SerialExecutor(breaking(training, broken)))
    failed = missing(journal)
    assert broken <= failed
    assert reopen(journal, make, failed).dropped == 0

    def listening(jobs):
        asked.extend(job.trial.index for job in jobs)
        return training(jobs)

    assert Manager(make(), journal, WeightStore(tmp_path / "w"), batch).run(SerialExecutor(listening))
    assert set(asked) == failed
    assert journal.digest() == whole.digest()


def test_a_search_that_went_on_without_them_decides_anew(halving, training, tmp_path):
    journal, whole = Journal.memory({}), Journal.memory({})
    assert Manager(halving(), whole, WeightStore(tmp_path / "whole"), 2).run(SerialExecutor(training))
    assert Manager(halving(), journal, WeightStore(tmp_path / "w"), 2).run(SerialExecutor(breaking(training, {1})))
    assert journal.digest() != whole.digest()
    before = len(journal.trials())
    found = reopen(journal, halving, missing(journal))
    assert found.trials == (0, 1)
    assert found.dropped == before - 4
    assert Manager(halving(), journal, WeightStore(tmp_path / "w"), 2).run(SerialExecutor(training))
    assert journal.trials() == whole.trials()  # what they paid differs: weights that were forgotten are trained again
    assert [one.metrics for one in journal.records().values()] == [one.metrics for one in whole.records().values()]


def test_after_a_stop_because_all_failed_alike_a_retry_is_the_undisturbed_run(training):
    journal, whole = Journal.memory({}), Journal.memory({})
    make = lambda: RandomSearch(DARTS, REFERENCE, 25, seed=1, keep=False)  # noqa: E731
    assert Manager(make(), whole).run(SerialExecutor(training))
    with pytest.raises(MachineFault):
        Manager(make(), journal).run(SerialExecutor(breaking(training, range(6, 99))))
    assert len(reopen(journal, make, missing(journal)).trials) == 10
    assert Manager(make(), journal).run(SerialExecutor(training))
    assert journal.digest() == whole.digest()


def test_a_run_of_schema_1_cannot_ask_again(tmp_path):
    journal = Journal.open(write_old_run("build", tmp_path / "run"))
    with pytest.raises(ValueError, match="began under schema 1"):
        reopen(journal, random_search, {0})
    journal.close()
