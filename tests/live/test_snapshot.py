"""A snapshot: what a run says while somebody runs it, read again only when something was written."""

import time
from io import StringIO

import pytest
from rich.console import Console

from tests.live.conftest import EVIL, IDENTITY
from zoo.experiments.heartbeat import heartbeat
from zoo.experiments.run import Run
from zoo.live import snapshot
from zoo.live.snapshot import Snapshots, facts_of, run_at
from zoo.live.terminal import picture, watch_in_terminal
from zoo.population.journal import Journal
from zoo.population.lock import run_lock
from zoo.population.trial import Record, Trial
from zoo.spaces import PUBLISHED


@pytest.fixture
def journal(tmp_path):
    found = Journal.create(tmp_path / "run", IDENTITY)
    yield found
    found.close()


def measured(journal, index, **record):
    journal.append_ask(1, [Trial(index=index, genotype=PUBLISHED["DARTS_V2"], setting=None, start=0, stop=1)])
    if record:
        journal.append_tell([Record(index=index, **record)])


def test_a_running_run_says_its_rate_its_failures_and_what_is_out(tmp_path, journal):
    clock = iter([0.0, 60.0, 120.0])
    watch = Snapshots(Run(tmp_path / "run"), lambda: next(clock))
    with run_lock(tmp_path / "run"), heartbeat(journal) as pulse:
        pulse.beat(1.0, 4.0)
        assert watch.look()["rate"] is None
        measured(journal, 0, ok=True, metrics={"accuracy": 0.5})
        measured(journal, 1, ok=False, reason=EVIL)
        measured(journal, 2)
        found = watch.look()
    assert (found["state"], found["rate"]) == ("running", 2.0)
    assert (found["done"], found["failed"], found["pending"]) == (2, 1, 1)
    assert found["failures"] == [{"trial": 1, "reason": EVIL}]
    told = dict(facts_of(found))
    assert told["Rate"] == "2 trials a minute"
    assert told["Failed"] == f"trial 1: {EVIL}"
    assert watch.look()["state"] == "stopped"  # and nobody holds it any more


def test_what_has_not_changed_is_not_read_again(tmp_path, journal, monkeypatch):
    watch = run_at(tmp_path / "run")
    first = watch.look()
    monkeypatch.setattr(snapshot, "overview", lambda run: pytest.fail("it was read again"))
    assert watch.look()["version"] == first["version"]
    monkeypatch.undo()
    time.sleep(0.01)
    measured(journal, 0, ok=True, metrics={"accuracy": 0.5})
    assert watch.look()["version"] != first["version"]


def test_a_terminal_shows_the_run_and_lets_go_of_one_that_nobody_runs(tmp_path, journal):
    measured(journal, 0, ok=False, reason="[bold]no[/bold]")
    out = StringIO()
    watch_in_terminal(tmp_path / "run", Console(file=out, force_terminal=True, width=100))
    assert "[bold]no[/bold]" in out.getvalue()
    assert "stopped" in out.getvalue()
    lines = StringIO()
    watch_in_terminal(tmp_path / "run", Console(file=lines, force_terminal=False, width=100))
    assert lines.getvalue().count("\n") == 1
    assert picture(Snapshots(Run(tmp_path / "run"))).renderables
