"""The search as an experiment: the identity of older releases, continuation from the journal, reports, arrays."""

import contextlib
import json
import os
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

import milenas
import milenas.commands
from milenas.experiment import DifferentiableExperiment
from tests.milenas.conftest import noise_images, small_setup
from tests.shown import shown
from zoo.commands.running import conclude
from zoo.experiments import HeldSource, ImageSource, Listener, Run, execute, resume
from zoo.training import Recipe

STORED = json.loads((Path(__file__).parent / "identities.json").read_text())
IDENTITIES = {  # of version 1, whose streams were others
    name: identity | {"strategy": identity["strategy"] | {"version": DifferentiableExperiment.version}}
    for name, identity in STORED.items()
}
"""Of searches by the release before experiments, as their journals have them."""

WORDS = (
    "darts search --data digits --resolution 8 --train 120 --val 60 --channels 2 --cells 3 --nodes 5 "
    "--operations skip_connect,avg_pool_3x3,conv_1x1 --epochs 2 --batch 20 --final-cells 3 --final-channels 4 "
    "--arch-lr 0.02 --device cpu"
)
COMMANDS = {
    "fixed": "",
    "stretchable": "--topology stretchable",
    "gumbel": "--sampler gumbel --update milenas1 --topology inputs --every 1",
    "full": "--topology stretchable --every 1 --finalists 2 --final-epochs 2 --eigenvalue --update milenas2 "
    "--lambda 0.5 --bilevel-until 1 --params 3000",
}
OLD_WORDS = "darts search --layers 3 --data digits --resolution 8 --train 60 --val=30 --retrain 1 --retrain-epochs 1"


class Broken(Listener):
    """Ctrl-C once a trial is measured."""

    def progressed(self, progress):
        if progress.trial is not None:
            raise KeyboardInterrupt


def small(**fields):
    """A search of two epochs, the last genotype retrained for one."""
    return DifferentiableExperiment(setup=small_setup(topology="stretchable", retrain_epochs=1), retrain=1, **fields)


@pytest.fixture(scope="module")
def held():
    """Images in memory."""
    return HeldSource(material=noise_images(train=60, validation=20))


@pytest.fixture(scope="module")
def finished(held, tmp_path_factory):
    """A finished search on arrays."""
    return execute(small(), held, tmp_path_factory.mktemp("search") / "run")


# ---------------------------------------------------------------- what it is


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_makes_the_identity_that_older_journals_have(name, thriftnas, monkeypatch):
    made = []
    monkeypatch.setattr(milenas.commands, "perform", lambda _, *given: made.append(given))
    assert thriftnas(*WORDS.split(), *COMMANDS[name].split()).code == 0
    ((experiment, source, _),) = made
    fitted = experiment.fitted(source.load(experiment, lambda *_: None), pytest.fail)
    assert json.loads(json.dumps(fitted.identity())) == IDENTITIES[name]
    read = DifferentiableExperiment.from_identity(IDENTITIES[name], {})
    assert read == fitted
    assert json.loads(json.dumps(read.identity())) == IDENTITIES[name]


@pytest.mark.parametrize("changes", [{"retrain": -1}, {"expected_size": -1}, {"processes": 0}, {"per_epoch": 0}])
def test_numbers_out_of_range_are_refused(changes):
    with pytest.raises(ValueError, match="must"):
        DifferentiableExperiment(setup=small_setup(), **changes)


def test_a_run_of_two_processes_is_not_continued_by_one(held, tmp_path):
    with pytest.raises(ValueError, match="this darts is trained by 2 processes, expected as many, got 1"):
        execute(small(processes=2), held, tmp_path / "run")
    assert not os.listdir(tmp_path)


def test_the_package_offers_its_nouns_and_imports_no_torch():
    assert all(getattr(milenas, name) is not None for name in milenas.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        milenas.nothing  # noqa: B018
    code = "import sys, milenas\nfrom milenas import DifferentiableExperiment, Method, SearchSetup, SupernetConfig\n"
    code += "DifferentiableExperiment(setup=SearchSetup(shape=SupernetConfig(), method=Method())).identity()\n"
    code += "print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


# ---------------------------------------------------------------- continued


def test_a_search_is_continued_from_its_journal_alone(thriftnas, tmp_path, digest):
    words = [*WORDS.split(), "--topology", "stretchable", "--train", "60", "--val", "30"]
    assert thriftnas(*words, "--out", "whole").code == 0
    like = Run.open("whole")
    with pytest.raises(KeyboardInterrupt):
        execute(like.experiment, like.source, tmp_path / "run", listen=Broken())
    assert digest(tmp_path / "run") != digest(Path("whole"))
    with contextlib.closing(sqlite3.connect("run/journal.sqlite")) as db, db:  # as the release before wrote it
        db.execute("DELETE FROM run WHERE name IN ('source', 'options', 'resources', 'finished', 'data')")
        old = (json.dumps(OLD_WORDS.split()),)
        db.execute("UPDATE run SET value = ?, sum = NULL WHERE name = 'command'", old)
    asked = ImageSource(name="digits", train=60, validation=30, resolution=8)
    assert Run.open("run").source == asked
    done = resume(tmp_path / "run")
    assert done.finished
    assert done.digest == digest(Path("whole"))
    answer = thriftnas("run", "report", "run")
    assert answer.code == 0, answer.err
    command = answer.out.strip().splitlines()[-1]
    whole = thriftnas("darts", "report", "whole").out.strip().splitlines()[-1]
    assert shlex.split(command) == [word.replace("whole", "run") for word in shlex.split(whole)]
    assert command in shown(Path("run/report.html").read_text())


def test_a_search_that_is_stopped_reports_what_it_has(held, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        execute(small(), held, Path("run"), listen=Broken())
    conclude(Run.open("run"), "1s", Console(quiet=True), as_json=False)
    assert "1 of 2 epochs were searched" in Path("run/report.html").read_text()
    assert len(Path("run/epochs.csv").read_text().splitlines()) == 2
    stopped = execute(small(), held, Path("none"), deadline=0)
    conclude(stopped, "1s", Console(quiet=True), as_json=False)  # nothing is measured: there is nothing to report
    assert not Path("none/report.html").exists()
    with pytest.raises(ValueError, match="measured nothing yet"):
        stopped.report()


# ---------------------------------------------------------------- made from arrays


def test_a_search_on_arrays_has_a_model_and_no_command(finished, thriftnas):
    assert finished.finished
    assert finished.model().notes["trial"] == finished.summary["trial"]
    assert (finished.status["done"], finished.status["failed"]) == (3, 0)
    answer = thriftnas("run", "report", finished.folder, "--json")
    summary = json.loads(answer.out)
    assert summary["command"] == ""
    assert all(one["command"] == "" for one in summary["sizes"])
    assert summary["test_accuracy"] == finished.summary["test_accuracy"]
    page = (finished.folder / "report.html").read_text()
    assert "Its images were held in memory" in page
    assert "made in Python" in shown(page)
    said = thriftnas("run", "report", finished.folder).out.strip().splitlines()
    assert said[0].startswith("Model: ")
    assert said[-1].endswith("its images were held in memory: no command trains it, Python does")


def test_a_search_on_arrays_is_continued_in_python_alone(finished, held, thriftnas, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        execute(small(), held, tmp_path / "run", listen=Broken())
    answer = thriftnas("run", "resume", "run")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "error: the run was made from arrays; resume in Python with images=\n"
    assert resume(tmp_path / "run", source=held).digest == finished.digest


def test_a_search_that_finds_nothing_says_so_and_leaves_its_report(held, tmp_path):
    wild = small_setup(recipe=Recipe(batch=8, lr=1e30, cutout=0.0, clip=1e30))
    with pytest.raises(ValueError, match="the search found no genotype: diverged"):
        execute(DifferentiableExperiment(setup=wild), held, tmp_path / "run")
    assert "The search broke off" in (tmp_path / "run" / "report.html").read_text()
