"""Progress without a terminal: plain lines, whether anything is measured meanwhile or not."""

import io
import math
import time

import pytest
from rich.console import Console

from zoo.experiments import Bar, Progress
from zoo.experiments.lines import EVERY, Lines
from zoo.experiments.rate import Rate
from zoo.population import Record


def written(console):
    return console.file.getvalue().splitlines()


def plain():
    return Console(file=io.StringIO(), width=40)


def test_a_line_comes_though_nothing_is_measured():
    console = plain()
    lines = Lines(console, every=0.02)
    lines.update("training", 0.0, 10.0, "0 trials")
    limit = time.monotonic() + 10
    while len(written(console)) < 3 and time.monotonic() < limit:
        time.sleep(0.01)
    lines.update("training", 5.0, 10.0, "2 trials, 1 failed, best accuracy so far 50.00 %")
    lines.stop()
    first, *_, last = written(console)
    assert first == "training: 0 %, 0 trials, 0:00:00 gone, ETA unknown"
    assert last == "training: 50 %, 2 trials, 1 failed, best accuracy so far 50.00 %, 0:00:00 gone"
    time.sleep(0.1)
    assert written(console)[-1] == last  # nothing comes afterwards
    assert EVERY <= 20


def test_what_is_left_follows_from_the_rate(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    console = plain()
    lines = Lines(console)
    lines.update("training", 20.0, 100.0)  # continued: the first fifth says nothing of the speed
    now[0] += 30
    lines.update("training", 30.0, 100.0)
    lines._say()
    assert written(console) == ["training: 30 %, 0:00:30 gone, ETA 0:03:30"]
    lines.stop()


def progressed(bar):
    record = Record(index=0, ok=True, metrics={"accuracy": 0.25})
    bar.loading(1, 2)
    bar.progressed(Progress(done=1, total=4, trials=1, record=record, failed=1, best=0.25))
    bar.said("A sentence.")
    bar.ended()


def test_a_bar_is_lines_where_there_is_no_terminal_and_nothing_where_it_is_quiet():
    console, quiet = plain(), plain()
    progressed(Bar(console))
    assert "training: 25 %, 1 trial, 1 failed, best accuracy so far 25.00 %, 0:00:00 gone" in written(console)
    progressed(Bar(quiet, quiet=True))
    assert written(quiet) == ["A sentence."]
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True)
    progressed(Bar(terminal))
    assert "1 trials" in terminal.file.getvalue()
    assert "gone" not in terminal.file.getvalue()


def test_what_was_done_before_and_the_start_of_workers_say_nothing_of_the_speed(monkeypatch):
    """After a resumption: a minute of starting, then 1 a second; 70 are left, which takes 70 seconds, not an hour."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    console = plain()
    lines = Lines(console)
    lines.update("training", 20.0, 100.0)
    now[0] += 60
    lines.update("training", 21.0, 100.0)
    lines.update("training", 21.0, 100.0)
    for done in range(22, 31):
        now[0] += 1
        lines.update("training", float(done), 100.0)
    lines._say()
    assert written(console) == ["training: 30 %, 0:01:09 gone, ETA 0:01:10"]
    lines.stop()


def test_the_bar_of_a_continued_run_counts_from_its_first_step(monkeypatch):
    now = [100.0]
    bar = Bar(Console(file=io.StringIO(), width=120, force_terminal=True))
    monkeypatch.setattr(bar._bar, "get_time", lambda: now[0])
    monkeypatch.setattr(bar._bar, "start", lambda: None)
    for seconds, done in ((0, 20), (60, 21), (1, 22), (1, 23)):
        now[0] += seconds
        bar.progressed(Progress(done=done, total=100, trials=1))
    (task,) = bar._bar.tasks
    assert task.time_remaining == 77


def test_a_rate_is_that_of_what_has_grown_twice():
    now = [0.0]
    rate = Rate(lambda: now[0])
    assert rate.base is None
    for seconds, done, left in ((0, 5, math.nan), (9, 5, math.nan), (1, 6, 40), (2, 8, 2), (2, 10, 0)):
        now[0] += seconds
        rate.note(done)
        assert rate.left(10) == pytest.approx(left, nan_ok=True)
