"""Presets: one word for the sizes of a run, which any option changes, and which a long run is pointed to."""

import io
import time

import pytest
import typer
from rich.console import Console

from zoo.cli import app
from zoo.experiments.progress import Bar, Progress
from zoo.training.presets import PRESETS, with_preset

EVERY = [(command, name) for command, named in PRESETS.items() for name in named]


def command_of(path):
    found = typer.main.get_group(app)
    for word in path:
        found = found.commands[word]
    return found


def options_of(path):
    return {name for option in command_of(path).params for name in option.opts}


@pytest.mark.parametrize(("command", "name"), EVERY)
def test_a_preset_is_options_of_its_command(command, name):
    """A misspelt or renamed option would only fail when somebody asks for the preset."""
    genotype = ["DARTS_V2"] if command == ("zoo", "train") else []
    assert "--preset" in options_of(command)
    command_of(command).make_context(" ".join(command), [*PRESETS[command][name].split(), *genotype])


def test_every_command_with_a_dry_run_has_every_preset():
    assert all(tuple(named) == ("tiny", "small", "paper") for named in PRESETS.values())
    for group in ("zoo", "econas", "scarlet", "darts"):
        for name in typer.main.get_group(app).commands[group].commands:
            assert ("--dry-run" in options_of((group, name))) == ((group, name) in PRESETS)


@pytest.mark.parametrize("words", [["--preset", "tiny"], ["--preset=tiny"]])
def test_other_options_change_a_preset(words):
    found = with_preset(["zoo", "train", "cell.json", "--epochs", "9", *words])
    assert found == ["zoo", "train", "--epochs", "6", "cell.json", "--epochs", "9", *words]
    assert with_preset(["zoo", "train", "cell.json"]) == ["zoo", "train", "cell.json"]


def test_a_preset_is_what_its_options_are(thriftnas, tmp_path):
    """The command sees no difference but the word itself, and a later option wins."""

    def read(*words):
        given = with_preset(["econas", "search", *words])
        return command_of(("econas", "search")).make_context("search", given[2:]).params

    tiny = PRESETS["econas", "search"]["tiny"].split()
    assert read("--preset", "tiny") == read(*tiny) | {"preset": "tiny"}
    assert read("--preset", "tiny", "--cells", "8") == read(*tiny) | {"preset": "tiny", "cells": 8}
    refused = thriftnas("zoo", "build", "--preset", "huge")
    assert (refused.code, refused.err) == (2, "error: unknown preset 'huge', expected one of tiny, small, paper\n")
    refused = thriftnas("econas", "search", "--table", "t.csv", "--preset", "tiny")
    assert (refused.code, refused.err) == (2, "error: a table trains nothing: leave out --preset or --table\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("hours", "hint", "said"), [(2, "--preset tiny", 1), (0.5, "--preset tiny", 0), (2, "", 0)])
def test_a_run_of_over_an_hour_names_the_preset_once(hours, hint, said, monkeypatch, capsys):
    """As soon as a first trial says how long all will take."""
    seconds = iter([0.0, *(36.0 * hours * (1 + step) for step in range(5))])
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    bar = Bar(drawn(), hint=hint)
    heard = []
    monkeypatch.setattr(bar, "said", heard.append)
    monkeypatch.setattr(bar, "_bar", Still())
    for done in range(4):
        bar.progressed(Progress(done=done, total=100, trials=done))
    assert len(heard) == said
    if said:
        assert "about 2.0 hours" in heard[0]
        assert "--preset tiny" in heard[0]


def test_records_that_come_together_are_one_batch(monkeypatch):
    """Ten trials of a batch take 36 s: the first of them is no measure of a trial."""
    moments = iter([0.0, *(36.0 + 0.01 * place for place in range(10)), 72.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    bar, heard = Bar(drawn(), hint="--preset tiny"), []
    monkeypatch.setattr(bar, "said", heard.append)
    monkeypatch.setattr(bar, "_bar", Still())
    for done in range(12):
        bar.progressed(Progress(done=done, total=900, trials=done))
    assert heard == []  # 0.9 hours


def test_first_steps_of_a_training_are_no_measure(monkeypatch):
    """Two steps a second, of which the first took ten: a run of a quarter of an hour."""
    moments = iter([0.0, 5.0, *(5.5 + 0.5 * place for place in range(60))])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    bar, heard = Bar(drawn(), hint="--preset tiny"), []
    monkeypatch.setattr(bar, "said", heard.append)
    monkeypatch.setattr(bar, "_bar", Still())
    for done in range(40):
        bar.progressed(Progress(done=done, total=1800, trials=0))
    assert heard == []


def drawn():
    """A terminal: elsewhere a bar is lines, which look at the clock too."""
    return Console(file=io.StringIO(), force_terminal=True, width=200)


class Still:
    """A bar that draws nothing."""

    def add_task(self, *_, **__):
        return 0

    def update(self, *_, **__):
        pass

    def start(self):
        pass
