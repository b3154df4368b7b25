"""A run at a glance: running, stopped, interrupted or finished, how far, and what is next."""

import json
import os
import time

import pytest

from zoo.experiments import Run
from zoo.experiments.heartbeat import PROGRESS, RUNNING, Heartbeat, heartbeat
from zoo.experiments.overview import listing_text, overview, overview_text, runs_below
from zoo.experiments.run import FINISHED
from zoo.population.journal import Journal
from zoo.population.lock import run_lock

IDENTITY = {"strategy": {"name": "study"}}


@pytest.fixture
def journal(tmp_path):
    found = Journal.create(tmp_path / "a run", IDENTITY)
    yield found
    found.close()


def state(tmp_path):
    return overview(Run(tmp_path / "a run"))


def test_a_run_is_running_while_a_process_holds_it_and_stopped_after_it(tmp_path, journal):
    with run_lock(tmp_path / "a run"), heartbeat(journal) as pulse:
        pulse.beat(25.0, 100.0)
        found = state(tmp_path)
        assert (found["state"], found["share"], found["next"]) == ("running", 0.25, None)
        assert (found["host"], found["since"]) == (os.uname().nodename, found["since"])
        assert f"running on {os.uname().nodename} since " in overview_text(Run(tmp_path / "a run"))
        pulse.beat(50.0, 100.0)  # too soon to be written
        assert state(tmp_path)["share"] == 0.25
    found = state(tmp_path)
    assert (found["state"], found["share"], found["host"]) == ("stopped", 0.5, None)
    assert found["next"] == f"thriftnas run resume '{tmp_path / 'a run'}'"


def test_a_killed_run_is_told_from_one_that_was_stopped(tmp_path, journal):
    journal.set(RUNNING, {"host": "elsewhere", "pid": 1, "since": 0.0})  # and nobody holds the folder
    assert state(tmp_path)["state"] == "interrupted"


def test_a_finished_run_says_what_its_model_reaches(tmp_path, journal):
    journal.set(FINISHED, True)
    (tmp_path / "a run" / "best.json").write_text(json.dumps({"accuracy": 0.9, "test_accuracy": 0.88}))
    found = state(tmp_path)
    assert (found["state"], found["share"]) == ("finished", 1.0)
    assert found["result"] == "validation accuracy 90.00 %, test accuracy 88.00 %"
    assert found["next"].startswith("thriftnas run report")


def test_a_finished_study_says_what_it_recommends(tmp_path, journal):
    answer = tmp_path / "a run" / "recommendation.json"
    answer.write_text(json.dumps({"name": "c2r0s0e4 by loss", "promised": 0.567}))
    assert state(tmp_path)["result"] is None  # of a study that goes on, it may change
    journal.set(FINISHED, True)
    assert state(tmp_path)["result"] == "c2r0s0e4 by loss, rho at least 0.57"
    answer.write_text(json.dumps({"name": None, "promised": None}))
    assert state(tmp_path)["result"] == "no candidate is safe"


def test_what_is_left_follows_from_the_rate_of_the_process_that_runs(tmp_path, journal):
    now = time.time()
    journal.set(PROGRESS, {"done": 40.0, "first": 20.0, "total": 100.0, "began": now - 100, "at": now})
    assert state(tmp_path)["eta_s"] is None
    with run_lock(tmp_path / "a run"):
        assert state(tmp_path)["eta_s"] == pytest.approx(300, abs=10)


def test_a_heartbeat_that_cannot_be_written_hides_no_error(tmp_path, journal):
    def broken():
        with heartbeat(journal) as pulse:
            pulse.beat(1.0, 2.0)
            journal.close()
            raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        broken()


def test_a_heartbeat_writes_now_and_then(journal, monkeypatch):
    written, pulse = [], Heartbeat(journal)
    monkeypatch.setattr(journal, "set", lambda name, value: written.append(value["done"]))
    for done in range(1000):
        pulse.beat(float(done), 1000.0)
    assert written == [0.0]


def test_runs_are_listed_with_those_that_cannot_be_read(tmp_path, journal):
    other = tmp_path / "more" / "b"
    other.mkdir(parents=True)
    (other / "journal.sqlite").write_bytes(b"no journal")
    found = runs_below(tmp_path)
    assert list(found) == [str(tmp_path / "a run"), str(other)]
    assert found[str(tmp_path / "a run")]["state"] == "stopped"
    assert "error" in found[str(other)]
    first, second = listing_text(found).splitlines()
    assert first.split()[-2:] == ["study", "stopped"]
    assert str(other) in second
    assert listing_text({}) == "no runs"
    with pytest.raises(ValueError, match="is no folder"):
        runs_below(tmp_path / "nowhere")
