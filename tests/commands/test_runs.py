"""`run status`, `digest`, `report` and `resume`, also of runs that are not finished."""

import json
import os
from pathlib import Path

import pytest

from zoo.population.journal import Journal

pytestmark = pytest.mark.usefixtures("without_drawing")

FEW = ["--setting", "c4r4s0e1", "--repeats", "1"]  # two trainings of a network


def test_no_path_is_wrapped_where_nobody_looks(thriftnas, finished, tmp_path, monkeypatch):
    """In a pipe of few columns, what a reader may copy stands on one line."""
    long = finished.rename(tmp_path / ("a folder of a long name " * 6))
    monkeypatch.setenv("COLUMNS", "40")
    for words in (("run", "status"), ("run", "report"), ("run", "export")):
        answer = thriftnas(*words, long)
        assert answer.code == 0, answer.err
        assert str(long) in answer.out


def test_status_has_exactly_its_fields(thriftnas, finished):
    answer = thriftnas("run", "status", finished, "--json")
    assert (answer.code, answer.err) == (0, "")
    state = json.loads(answer.out)
    counts, glance = ["trials", "done", "failed", "pending", "best"], ["kind", "state", "host", "since", "share"]
    assert list(state) == [*counts, *glance, "eta_s", "result", "next"]
    assert (state["kind"], state["state"], state["share"]) == ("study", "finished", 1.0)
    assert (state["trials"], state["done"], state["failed"], state["pending"]) == (18, 18, 0, 0)
    records = Journal.open(finished, readonly=True).records()
    assert state["best"]["accuracy"] == max(record.metrics["accuracy"] for record in records.values())
    best = records[state["best"]["index"]]
    assert best.metrics["accuracy"] == state["best"]["accuracy"]


def test_status_as_a_table(thriftnas, finished):
    answer = thriftnas("run", "status", finished)
    assert answer.code == 0
    for what in ("trials", "done", "failed", "pending", "best", "18", "finished", "thriftnas run report"):
        assert what in answer.out


def test_a_report_is_written_elsewhere_and_the_run_stays_as_it_is(thriftnas, finished, tree, tmp_path):
    before = tree(finished)
    answer = thriftnas("run", "report", finished, "--out", tmp_path / "elsewhere")
    assert answer.code == 0, answer.err
    assert tree(finished) == before
    assert (tmp_path / "elsewhere" / "study.csv").exists()
    assert f"Report: {tmp_path / 'elsewhere' / 'report.html'}" in answer.out
    assert thriftnas("run", "report", finished).out == answer.out.replace(str(tmp_path / "elsewhere"), str(finished))
    assert (tmp_path / "elsewhere" / "report.html").read_text() == (finished / "report.html").read_text()


def test_runs_are_listed(thriftnas, finished):
    answer = thriftnas("run", "list", finished.parent)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.split()[:4] == [str(finished), "study", "finished", "100"]
    assert list(json.loads(thriftnas("run", "list", finished.parent, "--json").out)) == [str(finished)]
    assert thriftnas("run", "list", "nowhere").code == 2


def test_reading_changes_nothing(thriftnas, finished, tree):
    before = tree(finished)
    for command in ("status", "digest"):
        assert thriftnas("run", command, finished).code == 0
    assert tree(finished) == before


def test_digest_is_the_journals(thriftnas, finished, digest):
    assert thriftnas("run", "digest", finished).out == digest(finished) + "\n"
    assert json.loads(thriftnas("run", "digest", finished, "--json").out) == {"digest": digest(finished)}


def test_an_interrupted_study_is_resumed_to_the_undisturbed_digest(
    thriftnas, study, finished, tmp_path, digest, interrupted_after
):
    run = tmp_path / "run"
    with interrupted_after(5):
        answer = thriftnas(*study, "--out", run)
    assert answer.code == 130
    assert "the same command continues it" in answer.err
    state = json.loads(thriftnas("run", "status", run, "--json").out)
    assert (state["trials"], state["done"], state["pending"]) == (6, 5, 1)
    assert state["state"] == "stopped"
    assert 0 < state["share"] < 1
    assert digest(run) != digest(finished)
    assert thriftnas("run", "resume", run).code == 0
    assert digest(run) == digest(finished)
    assert (run / "report.html").exists()


def test_resume_from_another_directory_finds_the_same_images(
    thriftnas, study, photos, tmp_path, interrupted_after, monkeypatch
):
    small = ["--train", 40, "--val", 20, "--models", 1, "--resolution", 8, "--setting", "c4r0s1e1"]
    with interrupted_after(1):
        assert thriftnas(*study, *small, "--data", "imagefolder:photos", "--out", "runs/a").code == 130
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert thriftnas("run", "resume", "../runs/a").code == 0
    assert Path.cwd() == tmp_path / "elsewhere"
    assert os.listdir() == []
    assert len(Journal.open(tmp_path / "runs" / "a", readonly=True).records()) == 3


def test_resume_passes_interruption_on(thriftnas, study, tmp_path, interrupted_after):
    with interrupted_after(1):
        thriftnas(*study, "--out", tmp_path / "run")
    with interrupted_after(1):
        assert thriftnas("run", "resume", tmp_path / "run").code == 130


def test_resuming_often_does_not_make_the_command_grow(thriftnas, study, finished):
    lengths = set()
    for _ in range(3):
        assert thriftnas("run", "resume", finished).code == 0
        lengths.add(len(Journal.open(finished, readonly=True).get("command")))
    assert len(lengths) == 1


def test_resume_takes_another_time_limit(thriftnas, study, tmp_path):
    assert thriftnas(*study, *FEW, "--time", "0.01s", "--out", tmp_path / "run").code == 0
    assert thriftnas("run", "resume", tmp_path / "run", "--time", "1h").code == 0
    assert len(Journal.open(tmp_path / "run", readonly=True).records()) == 6


def test_resume_finds_a_run_that_was_moved(thriftnas, finished, tmp_path, digest, no_training):
    moved = finished.rename(tmp_path / "moved")
    assert thriftnas("run", "resume", moved).code == 0
    assert not finished.exists()


def test_resume_of_a_run_without_a_command_is_one_line(thriftnas, tmp_path, finished):
    Journal.create(tmp_path / "run", Journal.open(finished, readonly=True).identity).close()
    answer = thriftnas("run", "resume", tmp_path / "run")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "which command started it" in answer.err


def test_a_run_of_a_kind_that_is_not_installed_has_a_status_and_no_more(thriftnas, tmp_path):
    Journal.create(tmp_path / "run", {"strategy": {"name": "mine"}}).close()
    assert json.loads(thriftnas("run", "status", tmp_path / "run", "--json").out)["trials"] == 0
    assert thriftnas("run", "digest", tmp_path / "run").code == 0
    for command in ("resume", "report"):
        answer = thriftnas("run", command, tmp_path / "run")
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert "'mine' is no kind of run that is installed here" in answer.err


def test_a_partial_study_is_reported_as_far_as_it_is(thriftnas, study, tmp_path, interrupted_after):
    run = tmp_path / "run"
    with interrupted_after(8):
        assert thriftnas(*study, "--out", run).code == 130
    assert not (run / "report.html").exists()
    answer = thriftnas("run", "report", run, "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert found["networks"] == 1  # 6 trainings each: one is complete, the second is not
    assert found == json.loads((run / "recommendation.json").read_text())
    assert (run / "report.html").exists()
    shown = thriftnas("run", "report", run).out
    assert "1 network against" in shown
    assert "Not finished: 1 of 3 networks" in shown


def test_four_of_five_networks_are_reported(thriftnas, study, tmp_path, interrupted_after):
    with interrupted_after(9):
        thriftnas(*study, *FEW, "--models", 5, "--out", tmp_path / "run")
    found = json.loads(thriftnas("run", "report", tmp_path / "run", "--json").out)
    assert found["networks"] == 4


def test_a_study_without_a_complete_network_says_so_and_writes_nothing(
    thriftnas, study, tmp_path, interrupted_after, tree
):
    with interrupted_after(3):
        thriftnas(*study, "--out", tmp_path / "run")
    before = tree(tmp_path)
    answer = thriftnas("run", "report", tmp_path / "run")
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert "no network has been measured at every setting yet" in answer.err
    assert tree(tmp_path) == before


def test_a_target_is_for_studies(thriftnas, built):
    answer = thriftnas("run", "report", built, "--target", 0.5)
    assert answer.code == 2
    assert "--target: expected a study" in answer.err


def test_the_report_takes_a_target_and_a_metric(thriftnas, finished):
    answer = thriftnas("run", "report", finished, "--target", 0.3, "--metric", "balanced_accuracy", "--json")
    found = json.loads(answer.out)
    assert (found["target"], found["metric"]) == (0.3, "balanced_accuracy")


def test_a_report_by_another_target_leaves_the_runs_own(thriftnas, finished, tree):
    """Its files say what they hold; what is asked as the study asks it is the study's own report."""
    assert thriftnas("run", "report", finished, "--metric", "accuracy").code == 0
    own = tree(finished)
    answer = thriftnas("run", "report", finished, "--target", 0.3, "--cost", "seconds")
    assert answer.code == 0, answer.err
    now = tree(finished)
    assert {name: now[name] for name in own} == own
    added = {Path(name).name for name in now.keys() - own.keys()}
    assert {"report-target-0.3-cost-seconds.html", "recommendation-target-0.3-cost-seconds.json"} <= added
    other = json.loads((finished / "recommendation-target-0.3-cost-seconds.json").read_text())
    assert (other["target"], other["cost"]) == (0.3, "seconds")
    assert "report-target-0.3-cost-seconds.html" in answer.out


@pytest.mark.parametrize("command", ["status", "digest", "resume", "report"])
@pytest.mark.parametrize("kind", ["missing", "empty", "text", "damaged"])
def test_a_folder_that_holds_no_run_is_one_line(thriftnas, tmp_path, tree, command, kind):
    folder = tmp_path / "run"
    if kind != "missing":
        folder.mkdir()
    if kind == "text":
        (folder / "journal.sqlite").write_text("not a journal, but long enough to be taken for one" * 50)
    if kind == "damaged":
        Journal.create(folder, {}).close()
        content = (folder / "journal.sqlite").read_bytes()
        (folder / "journal.sqlite").write_bytes(content[:3000])
    before = tree(tmp_path)
    answer = thriftnas("run", command, folder)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith(f"error: {folder}")
    assert tree(tmp_path) == before
