"""`thriftnas darts`: a search from the command line to genotypes, report and the command that retrains; bad input."""

import contextlib
import io
import json
import os
import shlex
import shutil
from pathlib import Path

import pytest

import milenas.training.evaluator
from tests.shown import shown
from zoo.cli import main
from zoo.export import load_model
from zoo.population import Journal
from zoo.spaces import genotype_from_json

SMALL = [
    "darts", "search", "--data", "digits", "--resolution", "8", "--train", "120", "--val", "60", "--channels", "2",
    "--cells", "3", "--nodes", "5", "--operations", "skip_connect,avg_pool_3x3,conv_1x1", "--epochs", "2",
    "--batch", "20", "--final-cells", "3", "--final-channels", "4", "--arch-lr", "0.02",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished search, its answer, and its folder."""
    out = tmp_path_factory.mktemp("search") / "run"
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        assert main([*SMALL, "--topology", "stretchable", "--out", str(out)]) == 0
    return text.getvalue(), out


def test_a_search_ends_with_the_command_that_retrains(finished, thriftnas):
    text, _ = finished
    command = shlex.split(text.strip().splitlines()[-1])
    assert command[:3] == ["thriftnas", "zoo", "train"]
    assert thriftnas(*command[1:], "--epochs", "1", "--batch", "30", "--dry-run").code == 0
    answer = thriftnas(*command[1:-1], Path("trained"), "--epochs", "1", "--batch", "30")
    assert answer.code == 0, answer.err
    assert Path("trained/model.pt").exists()


def test_a_search_leaves_genotypes_tables_and_a_report(finished, thriftnas):
    _, out = finished
    genotype = genotype_from_json((out / "genotype.json").read_text())
    summary = json.loads((out / "search.json").read_text())
    assert summary["final"]["genotype"] == genotype.to_dict()
    assert summary["epochs"] == len((out / "epochs.csv").read_text().splitlines()) - 1 == 2
    for one in summary["sizes"]:
        file = out / "genotypes" / "genotype-{}-{}.json".format(*one["size"])
        assert genotype_from_json(file.read_text()).to_dict() == one["genotype"]
        command = shlex.split(one["command"])
        assert genotype_from_json(Path(command[3]).read_text()).to_dict() == one["genotype"]
        assert thriftnas(*command[1:], "--dry-run").code == 0
    assert thriftnas("zoo", "cost", out / "genotype.json", "--in-channels", "1", "--resolution", "8").code == 0


def test_the_report_is_one_page_that_needs_nothing(finished):
    text, out = finished
    page = (out / "report.html").read_text()
    assert page.count("<svg") >= 4  # curves, cells, filmstrip
    for outside in ("http://", "https://", "src=", "@import", "url("):
        assert outside not in page.replace("http://www.w3.org", "").replace("url(#", "")
    assert text.strip().splitlines()[-1] in shown(page)
    for word in ("entropy of α", "entropy of β", "The best genotype of every size", "Hardware", "table.sortable"):
        assert word in page


def test_a_report_can_be_written_again_to_the_same_bytes(finished, tmp_path, thriftnas):
    _, out = finished
    copy = Path(shutil.copytree(out, tmp_path / "run"))
    before = (copy / "epochs.csv").read_bytes()
    answer = thriftnas("darts", "report", copy, "--json")
    assert json.loads(answer.out)["epochs"] == 2
    assert (copy / "epochs.csv").read_bytes() == before
    assert not list(copy.glob(".*.new"))
    assert "expected a run of darts search" in _study_refused(thriftnas, tmp_path)


def _study_refused(thriftnas, folder):
    journal = Journal.create(folder / "other", {"strategy": {"name": "train"}})
    journal.close()
    answer = thriftnas("darts", "report", folder / "other")
    assert answer.code == 2
    return answer.err


@pytest.mark.slow  # darts is interrupted in the tests of every kind of run too
def test_a_search_that_is_interrupted_continues_and_a_finished_one_does_not_train(
    finished, thriftnas, tmp_path, monkeypatch, digest
):
    _, out = finished
    make = milenas.training.evaluator.SearchEvaluator
    left = iter(range(1))

    class Interrupted(make):
        def __call__(self, jobs):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return super().__call__(jobs)

    arguments = [*SMALL, "--topology", "stretchable", "--out", "run"]
    with monkeypatch.context() as patch:
        patch.setattr(milenas.training.evaluator, "SearchEvaluator", Interrupted)
        assert thriftnas(*arguments).code == 130
    assert digest(Path("run")) != digest(out)
    assert thriftnas("run", "resume", "run").code == 0
    assert digest(Path("run")) == digest(out)
    with monkeypatch.context() as patch:
        patch.setattr(milenas.training.evaluator, "SearchEvaluator", lambda *_: None)
        assert thriftnas(*arguments).code == 0
    assert thriftnas("run", "status", "run").code == 0


def test_a_search_with_everything(thriftnas):
    answer = thriftnas(
        *SMALL, "--update", "milenas2", "--lambda", "0.5", "--bilevel-until", "1", "--eigenvalue", "--every", "2",
        "--params", "3000", "--finalists", "2", "--final-epochs", "1", "--keep", "1", "--out", "run", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    summary = json.loads(answer.out)
    assert summary["retrained"]
    assert all(abs(one["params"] - 3000) < 1500 for one in summary["sizes"])
    best = max(summary["retrained"], key=lambda one: one["accuracy"])
    assert summary["final"]["epoch"] in [r["epoch"] for r in summary["retrained"] if r["accuracy"] == best["accuracy"]]
    assert json.loads(Path("run/best.json").read_text())["accuracy"] == best["accuracy"]
    exported = thriftnas("run", "export", "run", "--format", "state", "--json")
    assert exported.code == 0, exported.err
    assert [one["trial"] for one in json.loads(exported.out)["models"]] == [
        load_model(Path("run/model.pt")).notes["trial"]
    ]
    assert "Retrained and compared" in Path("run/report.html").read_text()
    assert "dominant eigenvalue" in Path("run/report.html").read_text()


def test_a_dry_run_costs_nothing_and_says_what_it_would(thriftnas, tmp_path):
    answer = thriftnas(*SMALL, "--update", "darts2", "--dry-run", "--json")
    price = json.loads(answer.out)
    assert price["steps"] == 2 * 3
    assert price["hours"] > 0
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--lambda", "-1"], "lambda must be a number from 0 up, got -1"),
        (["--keep", "4"], "1 to 3 edges to keep, got 4 kept edges"),
        (["--nodes", "3"], "expected at least 4, got 3"),
        (["--nodes", "4", "--topology", "outputs"], "at least 2 intermediate nodes"),
        (["--topology", "stretchable", "--operations", "none,conv_1x1"], "without 'none'"),
        (["--topology", "round"], "one of fixed, inputs, outputs, stretchable, got 'round'"),
        (["--train", "20", "--batch", "2", "--split", "3", "--topology", "stretchable"], "would see none of them"),
        (["--split", "3"], "no beta"),
        (["--update", "darts9"], "one of single, darts1"),
        (["--cells", "2"], "at least 3 cells"),
        (["--finalists", "2"], "retraining needs networks and epochs"),
        (["--expected-size", "-1"], "must not be negative"),
        (["--every", "0"], "at least 1 step"),
        (["--data", "digitz"], "digitz"),
        (["--lr", "-1"], "learning rates"),
        (["--bilevel-until", "5"], "within the 2 epochs"),
        (["--time", "soon"], "not a time"),
        (["--epochs", "0"], "epochs must be at least 1, got 0"),
        (["--arch-lr", "-1"], "the learning rate of alpha and beta must be a number from 0 up, got -1"),
        (["--params", "50"], "the smallest cells have"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(changes, message, thriftnas, tmp_path):
    answer = thriftnas(*SMALL, *changes, "--out", "run")
    assert answer.code == 2
    assert answer.out.strip() == ""
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
    assert message in answer.err
    assert not os.listdir(tmp_path)


def test_a_search_in_bfloat16_stops_at_the_expected_size(thriftnas):
    arguments = [word if word != "2" or SMALL[i - 1] != "--epochs" else "4" for i, word in enumerate(SMALL)]
    answer = thriftnas(
        *arguments, "--dtype", "bfloat16", "--sampler", "gumbel", "--expected-size", "50", "--out", "run"
    )
    assert answer.code == 0, answer.err
    assert len(Path("run/epochs.csv").read_text().splitlines()) == 2
    assert "Stopped early after 1 of 4 epochs" in Path("run/report.html").read_text()


def test_a_small_cell_in_the_last_epoch_is_no_early_stop(thriftnas):
    answer = thriftnas(*SMALL, "--epochs", "1", "--expected-size", "50", "--out", "run")
    assert answer.code == 0, answer.err
    assert "Stopped early" not in Path("run/report.html").read_text()
