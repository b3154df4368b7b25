"""`run retry`, and `run resume` of a journal whose cluster is a stranger's."""

import json

import pytest

from zoo.experiments import Run
from zoo.population.journal import Journal
from zoo.training import evaluator

pytestmark = pytest.mark.usefixtures("without_drawing")


@pytest.fixture
def broken(monkeypatch):
    """Until it is emptied, these trials raise."""
    make, numbers = evaluator.make_evaluator, {2, 9}

    def made(*arguments):
        evaluate = make(*arguments)

        def breaking(jobs):
            if jobs[0].trial.index in numbers:
                raise KeyError("something of the moment")
            return evaluate(jobs)

        return breaking

    monkeypatch.setattr(evaluator, "make_evaluator", made)
    return numbers


def test_a_study_asks_what_is_missing_again_and_ends_as_if_undisturbed(
    thriftnas, study, finished, tmp_path, digest, broken
):
    run = tmp_path / "run"
    answer = thriftnas(*study, "--out", run, "--json")
    assert answer.code == 75
    assert "2 of 18 trials are missing (the first: KeyError: 'something of the moment')" in answer.err
    assert answer.err.splitlines()[-1].startswith("error: the answer is withheld")
    said = json.loads(answer.out)
    assert said["setting"] is None
    assert said["sentence"].startswith("The recommendation is withheld: 2 of 18 trials are missing")
    assert "The recommendation is withheld" in thriftnas("run", "report", run).out
    broken.clear()
    answer = thriftnas("run", "retry", run)
    assert answer.code == 0, answer.err
    assert "2 trials are asked again, 0 that depended on them are decided anew" in answer.out
    assert digest(run) == digest(finished)
    assert (run / "before-retry.sqlite").exists()
    answer = thriftnas("run", "retry", run)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "no trial of" in answer.err


def test_a_journals_cluster_is_never_joined_unasked(thriftnas, build, tmp_path, monkeypatch):
    from zoo.population import ray_executor

    assert thriftnas(*build, "--time", "0.01s", "--out", tmp_path / "run").code == 0
    journal = Journal.open(tmp_path / "run")
    journal.set("resources", {**journal.get("resources"), "address": "203.0.113.7:6379"})
    journal.close()
    asked = []
    monkeypatch.setattr(ray_executor, "find_cluster", asked.append)
    assert Run(tmp_path / "run").resources.address == "203.0.113.7:6379"
    answer = thriftnas("run", "resume", tmp_path / "run")
    assert (answer.code, asked) == (0, [])
    assert "the run was on the cluster 203.0.113.7:6379; it goes on here" in answer.out
    assert Run(tmp_path / "run").resources.address is None


def test_a_winner_is_withheld_where_too_many_trials_are_missing(thriftnas, build, built, tmp_path, broken):
    broken.clear()
    broken.add(0)
    run = tmp_path / "run"
    answer = thriftnas(*build, "--out", run)
    assert answer.code == 75
    assert "the answer is withheld: 1 of 2 trials are missing" in answer.err
    assert not (run / "model.pt").exists()
    broken.clear()
    assert thriftnas("run", "retry", run).code == 0
    assert (run / "model.pt").exists()


def test_a_run_goes_on_without_a_trial_that_ends_its_process(thriftnas, build, tmp_path, monkeypatch):
    run, make = tmp_path / "run", evaluator.make_evaluator
    monkeypatch.setattr(evaluator, "make_evaluator", lambda *_: lambda jobs: exec("raise KeyboardInterrupt"))
    assert thriftnas(*build, "--models", "20", "--out", run).code == 130
    monkeypatch.setattr(evaluator, "make_evaluator", make)
    for wrong in ("1", "-1", "99"):
        answer = thriftnas("run", "retry", run, f"--without={wrong}")
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert f"trial {wrong} of {run} does not wait" in answer.err
    answer = thriftnas("run", "retry", run, "--without", "0")
    assert answer.code == 0, answer.err
    assert "0 trials are asked again, 0 that depended on them are decided anew, 1 left out" in answer.out
    frame = Run(run).frame
    assert [not ok for ok in frame["ok"]] == [True] + [False] * 19
    answer = thriftnas("run", "retry", run, "--all", "--json")
    assert answer.code == 0, answer.err
    assert Run(run).frame["ok"].all()
